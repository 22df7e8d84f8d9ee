"""What a store, a run, a stage or a dataset consists of, one row per part."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from themis_vcs.analysis.excerpt import excerpt
from themis_vcs.analysis.lookup import Located, datasets_of, stage_of, stages_of, tracks_of
from themis_vcs.analysis.moment import moment
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.steps import Outcome, step_keys
from themis_vcs.analysis.summary import TrackSummary, track_summaries
from themis_vcs.model.objects import Run, Step, Tag, Track
from themis_vcs.store.repository import Repository

_CHUNK = 500


class RefRow(msgspec.Struct, frozen=True, kw_only=True):
    """A name or a tag. `status` and `completed_through_stage` are those of the run that it stands at."""

    ref: str
    target: str
    run_id: str | None
    time: str | None
    status: str | None
    completed_through_stage: str | None
    message: str = ""


class DatasetRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one track of a stage holds of one dataset."""

    dataset: str
    track: str
    cases: int
    values: int
    failed: int
    blocked: int


class StepRow(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a stage: its value or its error in short."""

    key: str
    track: str
    outcome: Outcome
    value_oid: str | None
    excerpt: str


def refs(repository: Repository) -> Iterator[RefRow]:
    """All names, then all tags."""
    for prefix in ("names/", "tags/"):
        for ref, oid in repository.refs(prefix):
            yield ref_row(repository, ref, oid)


def ref_row(repository: Repository, ref: str, oid: bytes) -> RefRow:
    """A name or a tag that is at `oid`."""
    target = repository.get(oid)
    message, time = "", None
    if isinstance(target, Tag):
        message, time = target.message, moment(target.time)
        oid = target.target
        target = repository.get(oid)
    run = target if isinstance(target, Run) else None
    return RefRow(
        ref=ref,
        target=oid.hex(),
        run_id=run.run_id.hex() if run is not None else None,
        time=time or (moment(run.time) if run is not None else None),
        status=run.status if run is not None else None,
        completed_through_stage=run.completed_through if run is not None else None,
        message=message,
    )


def stages(reader: Reader, found: Located) -> Iterator[TrackSummary]:
    """The tracks of all stages of a run."""
    cases = reader.size(found.snapshot.identity.cases)
    for stage in stages_of(reader.repository, found.run).values():
        yield from track_summaries(reader, stage, cases)


def datasets(reader: Reader, found: Located, stage_name: str, track_id: str | None) -> Iterator[DatasetRow]:
    """The datasets of a stage, for every track."""
    stage = stage_of(reader.repository, found.run, stage_name)
    identity = found.snapshot.identity
    for dataset in datasets_of(reader, identity):
        prefix = f"{dataset}/"
        cases = _count(reader, identity.cases, prefix)
        for track in tracks_of(stage, track_id):
            values, failed = _count(reader, track.values, prefix), _count(reader, track.failures, prefix)
            yield DatasetRow(
                dataset=dataset,
                track=track.id,
                cases=cases,
                values=values,
                failed=failed,
                blocked=cases * track.fanout - values - failed,
            )


def steps(reader: Reader, found: Located, track: Track, prefix: str) -> Iterator[StepRow]:
    """The steps of one track whose case's key begins with `prefix`, case by case."""
    chunk: list[str] = []
    for case, _ in reader.scan(found.snapshot.identity.cases, prefix):
        chunk.append(case)
        if len(chunk) == _CHUNK:
            yield from _rows(reader, track, chunk)
            chunk = []
    yield from _rows(reader, track, chunk)


def _rows(reader: Reader, track: Track, cases: list[str]) -> Iterator[StepRow]:
    keys = [key for case in cases for key in step_keys(reader, track, case)]
    values = {key: reader.find(track.values, key) for key in keys}
    stored = dict(reader.values(oid for oid in values.values() if oid is not None))
    for key in keys:
        value = values[key]
        failure = None if value is not None else reader.find(track.failures, key)
        if value is not None:
            yield StepRow(
                key=key,
                track=track.id,
                outcome="ok",
                value_oid=value.hex(),
                excerpt=excerpt(stored[value]),
            )
        elif failure is not None:
            error = reader.repository.load(failure, Step).error
            message = f"{error.category}: {error.type}: {error.message}" if error is not None else ""
            yield StepRow(key=key, track=track.id, outcome="failed", value_oid=None, excerpt=message[:200])
        else:
            yield StepRow(key=key, track=track.id, outcome="blocked", value_oid=None, excerpt="")


def _count(reader: Reader, root: bytes, prefix: str) -> int:
    return sum(1 for _ in reader.scan(root, prefix))
