"""The fingerprint of a component: what it is, so that what it made can be found again and nothing stale is reused.

It is the identity that a component declares by `fingerprint()`, or else is computed from its code (`reach`) and
its configuration (`state`). `docs/explanation/fingerprints.md` says what counts and what does not.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

from blake3 import blake3

from themis_vcs.errors import EncodingError, FingerprintError
from themis_vcs.evaluation.reach import Reach
from themis_vcs.evaluation.source import Foreign, module_of
from themis_vcs.evaluation.state import Describer, declared_text, is_derived
from themis_vcs.model.codec import pack

CONTEXT = "themis_vcs 2026-11-23 fingerprint v1"


def fingerprint(component: Any) -> bytes:
    """32 bytes: BLAKE3 in derive-key mode over the canonical description of the component.

    The same on every supported Python, in every process, directory and place of installation. FingerprintError
    where the code cannot be read, or where an attribute has no content to speak of.
    """
    description, _ = _described(component)
    try:
        data = pack(description)
    except EncodingError as error:
        raise FingerprintError(
            f"{_owner(component)}: its configuration is too large or too deep for a fingerprint ({error.reason})",
            hint="give the component a `fingerprint()` method that returns a text to change with it",
        ) from error
    return blake3(data, derive_key_context=CONTEXT).digest()


def explain(component: Any) -> list[str]:
    """What the fingerprint depends on, one line each, for a person: code, values, attributes, distributions.

    Each line ends with eight digits of what it stands for, so that two explanations can be compared.
    """
    wrapped = getattr(component, "function", None)
    if isinstance(wrapped, FunctionType) and isinstance(module_of(type(component)), Foreign):
        return explain(wrapped)
    description, reach = _described(component)
    lines = [f"id {description['id']}", f"version {description['version']}"]
    if "declared" in description:
        lines.append(f"declared {_short(description['declared'])}")
    lines += [f"code {key} {_short(found)}" for key, found in sorted(reach.code.items())]
    lines += [f"value {key} {_short(value)}" for key, value in sorted(description.get("values", {}).items())]
    self = description.get("self")
    if isinstance(self, list) and self[0] == "object" and isinstance(self[2], dict):
        lines += [f"attribute {name} {_short(value)}" for name, value in self[2].items()]
    lines += [f"distribution {name} {version}" for name, version in sorted(reach.distributions.items())]
    return lines


def _described(component: Any) -> tuple[dict[str, Any], Reach]:
    owner, reach = _owner(component), Reach()
    description: dict[str, Any] = {"id": owner, "version": str(getattr(component, "version", "0"))}
    if callable(getattr(component, "fingerprint", None)) and not isinstance(component, type):
        description["declared"] = declared_text(component, owner)
        if not is_derived(type(component)):
            return description, reach
    describer = Describer(reach, owner)
    description["self"] = describer.component(component)
    values = description["values"] = {}
    while reach.follow() or reach.live:
        if reach.live:
            key, value = reach.live.popleft()
            values[key] = describer.describe(value, key)
    description |= {"code": reach.code, "distributions": reach.distributions}
    return description, reach


def _owner(component: Any) -> str:
    declared = getattr(component, "component_id", None)
    if isinstance(declared, str) and declared:
        return declared
    named = component if hasattr(component, "__qualname__") else type(component)
    return f"{named.__module__}:{named.__qualname__}"


def _short(value: Any) -> str:
    return blake3(pack(value)).hexdigest()[:8]
