"""What the tracks of a run hold for one case: values, errors, and steps that never ran."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from themis_vcs.analysis.lookup import find_case, locate, stage_of, tracks_of
from themis_vcs.analysis.reading import Reader
from themis_vcs.errors import NotFound, UsageError
from themis_vcs.model.objects import Run, Step, StepError, Track
from themis_vcs.model.oid import Oid

Outcome = Literal["ok", "failed", "blocked"]


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    """One step of one track. `key` is the case's, with the index of the sample or draw where there are such.

    `step` and `value_oid` are oids in hex. A step that has neither value nor error was blocked by a failure upstream.
    """

    stage: str
    track: str
    key: str
    outcome: Outcome
    step: str | None = None
    value_oid: str | None = None
    value: Any = None
    error: StepError | None = None
    seed: int | None = None
    observations: dict[str, Any] = {}
    origin: dict[str, Any] = {}


class Place(NamedTuple):
    """Where a step is, or should be: in a track of a stage of a run, under a key of a case."""

    run: Run
    stage: str
    track: Track
    case: str
    key: str


def places(reader: Reader, revision: str, component: str | None = None) -> list[Place]:
    """The places that REV:STAGE/CASE names, of all components of the stage or of one. NotFound, UsageError."""
    found = locate(reader.repository, revision)
    if found.stage is None or found.case is None:
        raise UsageError(f"{revision} does not name a step", hint="write REV:STAGE/DATASET/CASE")
    stage = stage_of(reader.repository, found.run, found.stage)
    case, index = find_case(reader, found.snapshot.identity, found.case)
    steps = [
        Place(found.run, stage.name, track, case, key)
        for track in tracks_of(stage, component)
        for key in step_keys(reader, track, case)
        if index is None or key == f"{case}/{index}"
    ]
    if not steps:
        raise NotFound(f"{revision}: no such sample or draw", hint="leave out the number to see which there are")
    return steps


def case_steps(reader: Reader, stage: str, track: Track, case: str) -> Iterator[StepView]:
    """The steps of a track for a case in order of their index."""
    for key in step_keys(reader, track, case):
        yield step_view(reader, stage, track, key)


def step_keys(reader: Reader, track: Track, case: str) -> list[str]:
    """The keys under which a track has, or should have, the steps of a case."""
    if any(reader.find(root, case) is not None for root in (track.values, track.failures)):
        return [case]
    found = {key for root in (track.values, track.failures) for key, _ in reader.scan(root, f"{case}/")}
    if not found and track.fanout == 1:
        return [case]
    return sorted(found | {f"{case}/{index}" for index in range(track.fanout)}, key=_position)


def step_at(reader: Reader, track: Track, key: str) -> tuple[Oid, Step] | None:
    """The receipt on record for a key, of a success or of a failure."""
    oid = reader.find(track.steps, key) or reader.find(track.failures, key)
    return None if oid is None else (oid, reader.repository.load(oid, Step))


def step_view(reader: Reader, stage: str, track: Track, key: str) -> StepView:
    """One step of a track."""
    found = step_at(reader, track, key)
    if found is None:
        return StepView(stage=stage, track=track.id, key=key, outcome="blocked")
    oid, step = found
    return StepView(
        stage=stage,
        track=track.id,
        key=key,
        outcome="ok" if step.value is not None else "failed",
        step=oid.hex(),
        value_oid=step.value.hex() if step.value is not None else None,
        value=reader.value(step.value) if step.value is not None else None,
        error=step.error,
        seed=step.seed,
        observations=step.observations,
        origin=step.origin,
    )


def _position(key: str) -> int:
    return int(key.rpartition("/")[2])
