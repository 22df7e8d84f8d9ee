"""Whether a track is what the identity of its run asked for: its component, those that it uses, settings, repetitions.

After docs/reference/format/objects.md and docs/reference/audit.md; a track that is not may have been carried over.
"""

from __future__ import annotations

from typing import Any

from themis_vcs.audit.evidence import packed

_LEADING = {"generate": "generator", "reduce": "reducer", "parse": "parser"}
_USED = {"reduce": "selector", "judge": "judge_models"}


def not_asked_for(stage: str, identity: dict[str, Any], track: dict[str, Any], params: Any) -> str | None:
    """In what a track differs from what was asked of its stage; `params` is the data that its `params` has."""
    component = track["component"]
    leading = identity.get(_LEADING[stage]) if stage in _LEADING else None
    listed = [leading] if leading is not None else identity.get("metrics", [])
    if _key(component) not in [_key(each) for each in listed]:
        return f"this state of {component['id']!r:.80}"
    used = identity.get(_USED.get(stage, ""))
    wanted = used if type(used) is list else [] if used is None else [used]
    if sorted(map(_key, component.get("also", []))) != sorted(map(_key, wanted)):
        return f"what {component['id']!r:.80} was used with"
    if packed(params) != packed(_settings(stage, identity, track["id"])):
        return f"the settings of {component['id']!r:.80}"
    repeated = {"generate": "samples", "judge": "repeats"}.get(stage)
    times = identity.get(repeated, 1) if repeated else 1
    return None if track["fanout"] == times else f"{track['fanout']:,} results for a case instead of {times!r:.20}"


def _key(component: Any) -> tuple[str, bytes]:
    """A component by id and fingerprint; of what is none, something that no component is."""
    found = (component.get("id"), component.get("fingerprint")) if type(component) is dict else ("", b"")
    name, fingerprint = found
    return (name, fingerprint) if type(name) is str and type(fingerprint) is bytes else ("", b"")


def _settings(stage: str, identity: dict[str, Any], track: str) -> dict[str, Any]:
    """What the steps of a track read beside their inputs."""
    if stage == "generate":
        return {"policy": identity.get("policy"), "prompt_spec": identity.get("prompt_spec")}
    if stage != "judge":
        return {}
    overrides = identity.get("workflow_overrides")
    return {
        "judge_config": identity.get("judge_config"),
        "prompt_spec": identity.get("prompt_spec"),
        "workflow_config": overrides.get(track, {}) if type(overrides) is dict else None,
    }
