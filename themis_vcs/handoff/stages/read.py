"""Taking in the lines of a stage bundle: nothing in them is believed before it has been checked (STAGE-10).

What was checked goes to a `Sink`; the first pass over a file has one that keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

from themis_vcs.errors import DataError
from themis_vcs.handoff.stages.boundary import TYPES
from themis_vcs.handoff.stages.cursor import Cursor, L, Placed
from themis_vcs.handoff.stages.lines import (
    FORMAT,
    Candidates,
    CaseLine,
    DatasetLine,
    End,
    Head,
    InputLine,
    Line,
    Payload,
    Record,
    StagePart,
    TrackPart,
    component,
)
from themis_vcs.handoff.stages.payloads import check_hash, check_order, encoded, oid_said, payload_bytes
from themis_vcs.model import tree
from themis_vcs.model.codec import encode
from themis_vcs.model.derivation import STAGES
from themis_vcs.model.objects import Identity, Object, Run, Snapshot, Stage, Step, Track, dump
from themis_vcs.model.oid import Oid, oid_of
from themis_vcs.model.tree import case_key, case_of
from themis_vcs.model.tree.casekey import quote
from themis_vcs.pipeline.snapshot import run_id_of


class Sink(Protocol):
    """What becomes of objects that were checked; each comes after all that it refers to."""

    def keep(self, oid: Oid, payload: bytes, label: str) -> None:
        """Take an object."""

    def tree(self, entries: Iterable[tuple[str, Oid]]) -> Oid:
        """Take a tree, and return its root."""

    def step(self, oid: Oid, payload: bytes, step: Step) -> None:
        """Take a step."""


class Checked:
    """The sink that keeps nothing."""

    def keep(self, oid: Oid, payload: bytes, label: str) -> None:
        pass

    def tree(self, entries: Iterable[tuple[str, Oid]]) -> Oid:
        return tree.build(entries).root

    def step(self, oid: Oid, payload: bytes, step: Step) -> None:
        pass


class Arrived(NamedTuple):
    """The run of a bundle, its oid, and the stage whose boundary it is."""

    oid: Oid
    run: Run
    stage: str


def read(lines: Iterable[Placed[Line]], sink: Sink) -> Arrived:
    """Check all lines of a bundle and hand on what they hold. DataError names the line and the field."""
    return _Reading(lines, sink).whole()


class _Reading:
    """One bundle on its way in. `_carried` are the oids of the values so far."""

    def __init__(self, lines: Iterable[Placed[Line]], sink: Sink) -> None:
        self._cursor, self._sink = Cursor(lines), sink
        self._carried: set[Oid] = set()
        self._cases: set[str] = set()
        self._trees = {tree.EMPTY[0]}
        self._candidates = Candidates()

    def whole(self) -> Arrived:
        where, head = self._cursor.take(Head)
        identity = self._identity(where, head)
        snapshot = Snapshot(identity, head.snapshot.provenance)
        self._check_stages(where, head)
        for name, root, built in (
            ("datasets", identity.datasets, self._sink.tree(self._datasets())),
            ("cases", identity.cases, self._sink.tree(self._all_cases())),
        ):
            if root != built:
                what = f"the {name} before it are not those that snapshot.identity names"
                raise DataError(f"{self._cursor.where}: {what}")
            self._trees.add(root)
        snapshot_oid = self._keep(snapshot, where, "snapshot")
        stages = [self._stage(where, number, part) for number, part in enumerate(head.stages)]
        self._end()
        run = Run(
            run_id=oid_said(where, "run_id", head.run_id),
            name=head.run.name,
            snapshot=snapshot_oid,
            stages=stages,
            completed_through=head.run.completed_through,
            status=head.run.status,
            parents=[],
            reason=head.run.reason,
            time=head.run.time,
            who=head.run.who,
            work=head.run.work,
        )
        oid = self._keep(run, where, "run")
        check_hash(where, "run.hash", head.run.hash, oid)
        return Arrived(oid, run, head.stage)

    def _identity(self, where: str, head: Head) -> Identity:
        if head.format != FORMAT:
            raise DataError(f"{where}: format: {head.format!r:.80} is not {FORMAT}")
        said = head.snapshot.identity
        cases, datasets = (
            oid_said(where, f"snapshot.identity.{name}", getattr(said, name)) for name in ("cases", "datasets")
        )
        identity = Identity(cases, datasets, said.revisions, said.stages)
        check_hash(where, "run_id", head.run_id, encoded(lambda: run_id_of(identity), where, "snapshot.identity"))
        return identity

    def _check_stages(self, where: str, head: Head) -> None:
        names = [part.name for part in head.stages]
        if not names or names != [stage for stage in STAGES if stage in names] or names[-1] != head.stage:
            known = ", ".join(STAGES)
            raise DataError(f"{where}: stages: expected stages in order, the last {head.stage!r:.40} (of {known})")

    def _datasets(self) -> Iterator[tuple[str, Oid]]:
        for where, line, key in self._in_order(DatasetLine, lambda line: quote(line.dataset_id)):
            data = line.payload.data
            said = data.get("dataset_id") if isinstance(data, dict) else None
            if line.payload.type != "dataset" or said != line.dataset_id:
                raise DataError(f"{where}: payload: is not of the dataset {line.dataset_id!r:.80}")
            yield key, self._value(where, line.payload, line.hash)

    def _all_cases(self) -> Iterator[tuple[str, Oid]]:
        for where, line, key in self._in_order(CaseLine, lambda line: case_key(line.dataset_id, line.case_id)):
            data = line.payload.data
            said = data.get("case_id") if isinstance(data, dict) else None
            if line.payload.type != "case" or said != line.case_id:
                raise DataError(f"{where}: payload: is not the case {line.case_id!r:.80}")
            self._cases.add(key)
            yield key, self._value(where, line.payload, line.hash)

    def _in_order(self, kind: type[L], key_of: Callable[[L], str]) -> Iterator[tuple[str, L, str]]:
        last = ""
        for where, line in self._cursor.all(kind):
            try:
                key = key_of(line)
            except DataError as error:
                raise DataError(f"{where}: {error.message}") from error
            check_order(where, last, key)
            last = key
            yield where, line, key

    def _stage(self, where: str, number: int, part: StagePart) -> Oid:
        tracks = [
            self._track(where, f"stages[{number}].tracks[{place}]", part.name, track)
            for place, track in enumerate(part.tracks)
        ]
        oid = self._keep(Stage(part.name, tracks), where, f"stages[{number}]")
        check_hash(where, f"stages[{number}].hash", part.hash, oid)
        return oid

    def _track(self, where: str, field: str, stage: str, part: TrackPart) -> Track:
        """Read the records of a track, and return what they make. `where` and `field` are those of it in the head."""
        ref = component(part.component, where, f"{field}.component")
        params = payload_bytes(where, part.params, f"{field}.params")
        params_oid = oid_of(params)
        self._sink.keep(params_oid, params, "value:params")
        inputs = [
            (name, oid_said(where, f"{field}.inputs[{number}]", root))
            for number, (name, root) in enumerate(part.inputs)
        ]
        self._input_trees()
        for number, (name, root) in enumerate(inputs):
            if root not in self._trees:
                what = f"{field}.inputs[{number}]: no lines before {self._cursor.where} make this tree of {name}"
                raise DataError(f"{where}: {what}")
        entries: tuple[list[tuple[str, Oid]], ...] = ([], [], [])
        last = ""
        while isinstance(line := self._cursor.peek(), Record | InputLine):
            if isinstance(line, Record) and (line.stage, line.track) != (stage, part.id):
                break
            if isinstance(line, InputLine):
                place, found = self._cursor.take(InputLine)
                self._value(place, found.payload, found.hash)
                continue
            place, record = self._cursor.take(Record)
            key = self._key(place, record, part.fanout)
            check_order(place, last, key)
            last = key
            value, step = self._record(place, record, key, ref.id, params_oid)
            if value is None:
                entries[2].append((key, step))
            else:
                entries[0].append((key, value))
                entries[1].append((key, step))
        self._cursor.expect_more(f"the end of {stage} {part.id}")
        roots = [self._sink.tree(each) for each in entries]
        for name, root in zip(("values", "steps", "failures"), roots, strict=True):
            if getattr(part, name) != root.hex():
                what = f"the records of {stage} {part.id} before it are not those that {field}.{name} of the head names"
                raise DataError(f"{self._cursor.where}: {what}", hint="a record is missing, or was added or altered")
        self._trees.add(roots[0])
        return Track(part.id, ref, params_oid, part.fanout, inputs, *roots)

    def _input_trees(self) -> None:
        """Read the trees that the next track was made from and that no stage of the bundle has made."""
        while isinstance(line := self._cursor.peek(), InputLine) and line.tree is not None:
            said, entries, last = line.tree, list[tuple[str, Oid]](), ""
            while isinstance(line, InputLine) and line.tree == said:
                where, found = self._cursor.take(InputLine)
                key = self._case_key(where, found.dataset_id, found.case_id, found.index)
                check_order(where, last, key)
                last = key
                entries.append((key, self._value(where, found.payload, found.hash)))
                line = self._cursor.peek()
            root = self._sink.tree(entries)
            if root.hex() != said:
                raise DataError(f"{self._cursor.where}: tree: the lines before it do not make {said}")
            self._trees.add(root)

    def _case_key(self, where: str, dataset_id: str | None, case_id: str | None, index: int | None) -> str:
        try:
            key = case_key(dataset_id or "", case_id or "", index)
        except DataError as error:
            raise DataError(f"{where}: {error.message}") from error
        if (case := case_of(key)) not in self._cases:
            raise DataError(f"{where}: case_id: {case!r:.200} is no case of this bundle")
        return key

    def _key(self, where: str, record: Record, fanout: int) -> str:
        key = self._case_key(where, record.dataset_id, record.case_id, record.index)
        if record.index is not None and record.index >= fanout:
            raise DataError(f"{where}: index: {record.index} where there are {fanout} of each case")
        return key

    def _record(self, where: str, record: Record, key: str, component_id: str, params: Oid) -> tuple[Oid | None, Oid]:
        if (record.payload is None) != (record.hash is None) or (record.payload is None) != (record.error is not None):
            raise DataError(f"{where}: payload: a record has either payload and hash, or error")
        value = None
        if record.payload is not None and record.hash is not None:
            if record.payload.type not in TYPES[record.stage]:
                expected = " or ".join(TYPES[record.stage])
                raise DataError(f"{where}: payload.type: {record.payload.type!r:.40} where {expected} has to stand")
            value = self._value(where, record.payload, record.hash)
        if self._candidates.of(record.stage, key, record.payload) != record.candidate_id:
            raise DataError(f"{where}: candidate_id: {record.candidate_id!r:.80} is not that of the candidate")
        said = record.step
        inputs = []
        for number, each in enumerate(said.inputs):
            oid = oid_said(where, f"step.inputs[{number}]", each)
            if oid not in self._carried:
                raise DataError(f"{where}: step.inputs[{number}]: no line before has the value {each}")
            inputs.append(oid)
        step = Step(
            stage=record.stage,
            component=component_id,
            fingerprint=oid_said(where, "step.fingerprint", said.fingerprint),
            params=params,
            inputs=inputs,
            case=key,
            seed=said.seed,
            value=value,
            error=record.error,
            observations=said.observations,
            origin=said.origin,
        )
        doubtful = step if step.origin or step.error else step.observations
        payload = encoded(lambda: encode("step", step, doubtful), where, "step")
        oid = oid_of(payload)
        check_hash(where, "step_hash", record.step_hash, oid)
        self._sink.step(oid, payload, step)
        return value, oid

    def _value(self, where: str, payload: Payload, said: str) -> Oid:
        """Check a value against the hash that stands beside it, and hand it on."""
        encoded = payload_bytes(where, payload, "payload")
        oid = oid_of(encoded)
        check_hash(where, "hash", said, oid)
        if oid not in self._carried:
            self._carried.add(oid)
            self._sink.keep(oid, encoded, f"value:{payload.type}")
        return oid

    def _keep(self, obj: Object, where: str, field: str) -> Oid:
        payload = encoded(lambda: dump(obj), where, field)
        oid = oid_of(payload)
        self._sink.keep(oid, payload, type(obj).__name__.lower())
        return oid

    def _end(self) -> None:
        count = self._cursor.count
        where, end = self._cursor.take(End)
        if end.lines != count:
            raise DataError(f"{where}: lines: {end.lines:,} where {count:,} stand before it")
        if self._cursor.peek() is not None:
            raise DataError(f"{self._cursor.where}: more lines follow the end")
