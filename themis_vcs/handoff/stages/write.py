"""What a run holds up to a boundary, as the lines of a stage bundle. The store is only read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice

from themis_vcs.analysis.reading import Reader
from themis_vcs.handoff.stages.boundary import Part
from themis_vcs.handoff.stages.lines import (
    FORMAT,
    Candidates,
    CaseLine,
    DatasetLine,
    End,
    Head,
    IdentityPart,
    InputLine,
    Line,
    Payload,
    Record,
    RunPart,
    SnapshotPart,
    StagePart,
    StepPart,
    TrackPart,
    plain,
)
from themis_vcs.model import tree
from themis_vcs.model.objects import Run, Snapshot, Step, Track, Value, dump, load
from themis_vcs.model.oid import Oid, oid_of
from themis_vcs.model.tree import split_key
from themis_vcs.store.repository import Repository

_CHUNK = 500


def write(repository: Repository, part: Part) -> Iterator[Line]:
    """Yield the lines of a stage bundle in order. Corrupt where the store is damaged."""
    return _Writing(repository, part).lines()


class _Writing:
    """One bundle on its way out. `carried` are the values that a line has."""

    def __init__(self, repository: Repository, part: Part) -> None:
        self._repository, self._part = repository, part
        self._reader = Reader(repository)
        self._snapshot = repository.load(part.run.snapshot, Snapshot)
        self._carried: set[Oid] = set()
        self._trees = {tree.EMPTY[0], self._snapshot.identity.cases, self._snapshot.identity.datasets}
        self._candidates = Candidates()

    def lines(self) -> Iterator[Line]:
        count = 0
        for count, line in enumerate(self._all_but_the_end(), start=1):  # noqa: B007
            yield line
        yield End(count)

    def _all_but_the_end(self) -> Iterator[Line]:
        identity = self._snapshot.identity
        yield self._head()
        for _, oid, payload in self._values(identity.datasets):
            yield DatasetLine(dataset_id=payload.data["dataset_id"], payload=payload, hash=oid.hex())
        for key, oid, payload in self._values(identity.cases):
            dataset_id, case_id, _ = split_key(key)
            yield CaseLine(dataset_id=dataset_id, case_id=case_id, payload=payload, hash=oid.hex())
        for stage in self._part.stages:
            for track in stage.tracks:
                yield from self._input_trees(track)
                yield from self._records(stage.name, track)
                self._trees.add(track.values)

    def _head(self) -> Head:
        run, identity = self._part.run, self._snapshot.identity
        return Head(
            format=FORMAT,
            stage=self._part.stages[-1].name,
            run_id=run.run_id.hex(),
            snapshot=SnapshotPart(
                IdentityPart(identity.cases.hex(), identity.datasets.hex(), identity.revisions, plain(identity.stages)),
                plain(self._snapshot.provenance),
            ),
            run=_run_part(run),
            stages=[
                StagePart(stage.name, oid.hex(), [self._track_part(track) for track in stage.tracks])
                for stage, oid in zip(self._part.stages, run.stages, strict=True)
            ],
        )

    def _track_part(self, track: Track) -> TrackPart:
        return TrackPart(
            id=track.id,
            component=plain(track.component),
            params=_payload(self._repository.read(track.params)),
            fanout=track.fanout,
            inputs=[(name, root.hex()) for name, root in track.inputs],
            values=track.values.hex(),
            steps=track.steps.hex(),
            failures=track.failures.hex(),
        )

    def _values(self, root: Oid) -> Iterator[tuple[str, Oid, Payload]]:
        """Yield the entries of a tree of values, with what they hold."""
        entries = self._reader.scan(root)
        while chunk := list(islice(entries, _CHUNK)):
            payloads = dict(self._repository.read_many(dict.fromkeys(oid for _, oid in chunk)))
            self._carried.update(payloads)
            for key, oid in chunk:
                yield key, oid, _payload(payloads[oid])

    def _input_trees(self, track: Track) -> Iterator[InputLine]:
        """Yield what the trees hold that a track was made from, where no stage of the bundle has made them."""
        for root in dict.fromkeys(root for _, root in track.inputs if root not in self._trees):
            self._trees.add(root)
            for key, oid, payload in self._values(root):
                dataset_id, case_id, index = split_key(key)
                yield InputLine(root.hex(), dataset_id, case_id, index, payload, oid.hex())

    def _records(self, stage: str, track: Track) -> Iterator[Line]:
        entries = merge(self._reader.scan(track.steps), self._reader.scan(track.failures))
        while chunk := list(islice(entries, _CHUNK)):
            receipts = dict(self._repository.read_many(oid for _, oid in chunk))
            steps = [(key, oid, load(receipts[oid], Step)) for key, oid in chunk]
            yield from self._inputs([step for _, _, step in steps])
            values = dict(
                self._repository.read_many(dict.fromkeys(step.value for _, _, step in steps if step.value is not None))
            )
            self._carried.update(values)
            for key, oid, step in steps:
                payload = None if step.value is None else _payload(values[step.value])
                yield self._record(stage, track, key, oid, step, payload)

    def _inputs(self, steps: Sequence[Step]) -> Iterator[Line]:
        """Yield what steps were made from and nothing has carried yet."""
        needed = dict.fromkeys(oid for step in steps for oid in step.inputs if oid not in self._carried)
        for oid, payload in self._repository.read_many(needed):
            self._carried.add(oid)
            yield InputLine(None, None, None, None, _payload(payload), oid.hex())

    def _record(self, stage: str, track: Track, key: str, oid: Oid, step: Step, payload: Payload | None) -> Record:
        dataset_id, case_id, index = split_key(key)
        return Record(
            stage=stage,
            track=track.id,
            dataset_id=dataset_id,
            case_id=case_id,
            index=index,
            candidate_id=self._candidates.of(stage, key, payload),
            payload=payload,
            hash=None if step.value is None else step.value.hex(),
            error=step.error,
            step=StepPart(
                fingerprint=step.fingerprint.hex(),
                inputs=[each.hex() for each in step.inputs],
                seed=step.seed,
                observations=step.observations,
                origin=step.origin,
            ),
            step_hash=oid.hex(),
        )


def _payload(payload: bytes) -> Payload:
    value = load(payload, Value)
    return Payload(value.type, value.data)


def _run_part(run: Run) -> RunPart:
    return RunPart(
        name=run.name,
        completed_through=run.completed_through,
        status=run.status,
        reason=run.reason,
        time=run.time,
        who=run.who,
        work=run.work,
        hash=oid_of(dump(run)).hex(),
    )
