"""What the rest of themis wants to know about a component: id, version, determinism, how to make it again."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import weakref
from typing import Any

import msgspec

from themis_vcs.evaluation.dataset import VISIBLE_FIELDS
from themis_vcs.evaluation.fingerprint import fingerprint
from themis_vcs.evaluation.protocols import Component
from themis_vcs.evaluation.subjects import SUBJECT_KINDS
from themis_vcs.model.objects import ComponentRef

_DRAWN_AGAIN = frozenset({"generator", "judge_model"})
_origins: dict[int, tuple[weakref.ref[Any], str, dict[str, Any]]] = {}


def describe(component: Component, role: str, target: str = "") -> ComponentRef:
    """The reference to `component` that is stored with what it makes.

    `target` names it for `catalog.registry.resolve`; without one it is derived, and stays "" where the
    component cannot be made again from a name. `config` holds its plain constructor arguments, or else its
    `params`.
    """
    found, config = origin(component)
    return ComponentRef(
        id=component_id(component),
        version=str(getattr(component, "version", "0")),
        fingerprint=fingerprint(component),
        target=target or found,
        config=config,
        deterministic=is_deterministic(component, role),
    )


def component_id(component: Component) -> str:
    """Its `component_id`, else "module:QualName" of the function or of the class."""
    declared = getattr(component, "component_id", None)
    return declared if isinstance(declared, str) and declared else _path(component)


def is_deterministic(component: Component, role: str) -> bool:
    """What the component declares, else False for generators and judge models and True for the others."""
    declared = getattr(component, "deterministic", None)
    return bool(declared) if declared is not None else role not in _DRAWN_AGAIN


def reads(component: Component) -> frozenset[str]:
    """The fields of a case that the component is shown. ValueError if it declares others than a case has."""
    declared = getattr(component, "reads", None)
    if declared is None:
        return VISIBLE_FIELDS
    fields = frozenset((declared,) if isinstance(declared, str) else declared)
    if not fields <= VISIBLE_FIELDS:
        unknown = ", ".join(sorted(map(str, fields - VISIBLE_FIELDS)))
        raise ValueError(f"{component_id(component)}: reads unknown fields of a case: {unknown}")
    return fields


def is_workflow(metric: Component) -> bool:
    """Whether a metric asks judge models."""
    return callable(getattr(metric, "build_workflow", None))


def subject_kind(metric: Component) -> str:
    """Which subject a workflow metric is given. ValueError if it declares none of SUBJECT_KINDS."""
    declared = getattr(metric, "subject_kind", "candidate")
    if declared not in SUBJECT_KINDS:
        raise ValueError(
            f"{component_id(metric)}: subject_kind {declared!r:.80}: not one of {', '.join(SUBJECT_KINDS)}"
        )
    return str(declared)


def accepts(component: Component, method: str, keyword: str) -> bool:
    """Whether the component's method takes `keyword`, by name or as one of `**kwargs`."""
    try:
        parameters = inspect.signature(getattr(component, method)).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(
        parameter.kind is parameter.VAR_KEYWORD
        or (parameter.name == keyword and parameter.kind is not parameter.POSITIONAL_ONLY)
        for parameter in parameters
    )


def remember(component: Component, target: str, config: dict[str, Any]) -> None:
    """Note from which name and arguments this object was made, for `origin`, as long as it lives."""
    key = id(component)
    try:
        alive = weakref.ref(component, lambda _: _origins.pop(key, None))
    except TypeError:
        return
    _origins[key] = alive, target, config


def origin(component: Component) -> tuple[str, dict[str, Any]]:
    """(target, config) that make an equal component; ("", its `params`) if there are none."""
    alive, target, config = _origins.get(id(component), (None, "", {}))
    if alive is not None and alive() is component:
        return target, config
    declared = getattr(component, "target", None)
    if isinstance(declared, str) and declared:
        options = getattr(component, "options", None)
        return declared, options() if callable(options) else _arguments(component) or {}
    arguments = _arguments(component)
    if arguments is not None and _importable(_path(component), type(component), component):
        return _path(component), arguments
    params = getattr(component, "params", None)
    return "", dict(params) if isinstance(params, dict) else {}


def _path(component: Component) -> str:
    named = component if hasattr(component, "__qualname__") else type(component)
    return f"{named.__module__}:{named.__qualname__}"


def _importable(path: str, *wanted: object) -> bool:
    module, _, name = path.partition(":")
    found = getattr(sys.modules.get(module), name, None)
    return module != "__main__" and found is not None and any(found is each for each in wanted)


def _arguments(component: Component) -> dict[str, Any] | None:
    """The plain constructor arguments of a struct, a dataclass or an object without state; else None."""
    if hasattr(component, "__qualname__"):
        return {}
    if isinstance(component, msgspec.Struct):
        fields: Any = component
    elif dataclasses.is_dataclass(component) and not isinstance(component, type):
        fields = {field.name: getattr(component, field.name) for field in dataclasses.fields(component) if field.init}
    else:
        return None if _has_state(component) else {}
    try:
        arguments = msgspec.to_builtins(fields, builtin_types=(bytes,))
    except TypeError:
        return None
    return arguments if isinstance(arguments, dict) else None


def _has_state(component: Component) -> bool:
    return bool(getattr(component, "__dict__", None)) or any(
        getattr(kind, "__slots__", None) for kind in type(component).__mro__
    )
