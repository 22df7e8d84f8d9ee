"""Two records of one stage made one: what either has, and which steps have another value in each."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from themis_vcs.model.objects import Stage, Track
from themis_vcs.model.oid import Oid
from themis_vcs.pipeline.workspace import Workspace


def merged(
    workspace: Workspace, ours: Stage | None, theirs: Stage, roots: Mapping[str, Oid]
) -> tuple[Stage, list[str]]:
    """Return the stage with what both have, over inputs with these roots, and the keys whose values differ.

    For those, what is theirs is taken.
    """
    held = {} if ours is None else {track.id: track for track in ours.tracks}
    tracks, differing = [], []
    for track in theirs.tracks:
        made, keys = _track(workspace, held.pop(track.id, None), track, roots)
        tracks.append(made)
        differing += keys
    return Stage(theirs.name, [*tracks, *held.values()]), differing


def _track(
    workspace: Workspace, ours: Track | None, theirs: Track, roots: Mapping[str, Oid]
) -> tuple[Track, list[str]]:
    inputs = [(name, roots.get(name, root)) for name, root in theirs.inputs]
    if ours is None:
        return replace(theirs, inputs=inputs), []
    values = {change.key: change for change in workspace.diff(ours.values, theirs.values) if change.new is not None}
    failures = {change.key: change for change in workspace.diff(ours.failures, theirs.failures)}
    differing = [key for key, change in values.items() if change.old is not None]
    steps = {key: workspace.find(theirs.steps, key) for key in values}
    failed = {key: None for key in values} | {
        key: change.new
        for key, change in failures.items()
        if change.old is None and key not in values and workspace.find(ours.values, key) is None
    }
    made = Track(
        id=theirs.id,
        component=theirs.component,
        params=theirs.params,
        fanout=theirs.fanout,
        inputs=inputs,
        values=workspace.update(ours.values, {key: change.new for key, change in values.items()}),
        steps=workspace.update(ours.steps, dict(steps)),
        failures=workspace.update(ours.failures, dict(failed)),
    )
    return made, differing
