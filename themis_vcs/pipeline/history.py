"""The history of a stored run as a standard sequence of events, computed from its objects."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from themis_vcs.analysis.reading import Reader
from themis_vcs.model.derivation import STAGES
from themis_vcs.model.objects import Run, Snapshot, Stage, Step, load
from themis_vcs.model.tree import case_of
from themis_vcs.pipeline.events import (
    RunEvent,
    RunFinished,
    RunStarted,
    StageFinished,
    StageStarted,
    StepFinished,
)
from themis_vcs.store.repository import Repository


class CaseState(msgspec.Struct, frozen=True):
    """How far a case came: the stages in which all its steps have values, and the errors of those that failed."""

    completed: list[str]
    failures: dict[str, str]


class ExecutionState(msgspec.Struct, frozen=True):
    """How far a run came, by case key (dataset id "/" case id, both with "/" and "%" percent-encoded)."""

    run_id: str
    status: str
    completed_through_stage: str | None
    cases: dict[str, CaseState]


def history(repository: Repository, run: Run) -> Iterator[RunEvent]:
    """The events of a run in order: started; for each stage started, its steps by key, finished; finished.

    All of a track's results are shown as built: who executed them, and when, stands in the steps.
    """
    reader = Reader(repository)
    run_id = run.run_id.hex()
    yield RunStarted(run_id, run.name, [stage for stage in STAGES if stage in run.work])
    for oid in run.stages:
        stage = repository.load(oid, Stage)
        built = failed = 0
        size = sum(reader.size(track.values) + reader.size(track.failures) for track in stage.tracks)
        yield StageStarted(stage.name, size, 0)
        for track in stage.tracks:
            for key, _ in reader.scan(track.values):
                built += 1
                yield StepFinished(stage.name, track.id, key, "built")
            for key, step in reader.scan(track.failures):
                failed += 1
                yield StepFinished(stage.name, track.id, key, "failed", _error(repository, step))
        yield StageFinished(stage.name, built, 0, failed, 0)
    yield RunFinished(run_id, run.status, run.completed_through)


def execution_state(repository: Repository, run: Run) -> ExecutionState:
    """What each case of a run has and lacks."""
    reader = Reader(repository)
    identity = repository.load(run.snapshot, Snapshot).identity
    completed: dict[str, list[str]] = {key: [] for key, _ in reader.scan(identity.cases)}
    failures: dict[str, dict[str, str]] = {key: {} for key in completed}
    for oid in run.stages:
        stage = repository.load(oid, Stage)
        counts = dict.fromkeys(completed, 0)
        for track in stage.tracks:
            for key, _ in reader.scan(track.values):
                counts[case_of(key)] += 1
            for key, step in reader.scan(track.failures):
                failures[case_of(key)][stage.name] = _error(repository, step)
        wanted = sum(track.fanout for track in stage.tracks)
        for key, count in counts.items():
            if count == wanted:
                completed[key].append(stage.name)
    cases = {key: CaseState(stages, failures[key]) for key, stages in completed.items()}
    return ExecutionState(run.run_id.hex(), run.status, run.completed_through, cases)


def _error(repository: Repository, oid: bytes) -> str:
    step = load(repository.read(oid), Step)
    return f"{step.error.type}: {step.error.message}" if step.error else ""
