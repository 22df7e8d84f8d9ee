"""Random histories of a store on disk, checked against plain dictionaries after every step.

THEMIS_HISTORIES sets their number (10 by default; 500 is the full dose).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from themis_vcs.errors import MissingReference, RefConflict
from themis_vcs.model.objects import Blob, Value
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import ANY, RefUpdate
from themis_vcs.store.fsck import fsck
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.repository import Repository

NAMES = st.sampled_from(["names/a", "names/b", "tags/v1", "runs/0/head"])
LABELS = st.sampled_from(["x", "y"])


class StoreMachine(RuleBasedStateMachine):
    """Two handles of one store, opened and closed as they come, and what they should hold."""

    stored = Bundle("stored")

    @initialize()
    def create(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="themis-state-"))
        self.path = self.directory / "store"
        backend = LmdbBackend(self.path, create=True, map_size=1 << 16)
        self.repository = Repository(backend, self.path)
        self.other = Repository.open(self.path)
        self.objects: dict[Oid, Value | Blob] = {}
        self.pending: dict[Oid, Value | Blob] = {}
        self.refs: dict[str, Oid] = {}
        self.moves: dict[str, list[tuple[Oid | None, Oid | None]]] = {}
        self.derivations: dict[bytes, Oid] = {}
        self.pending_derivations: dict[bytes, Oid] = {}

    def _written(self) -> None:
        self.objects.update(self.pending)
        self.derivations.update(self.pending_derivations)
        self.pending, self.pending_derivations = {}, {}

    @rule(target=stored, label=LABELS, text=st.text(alphabet="ab ", max_size=4), repeat=st.sampled_from([1, 40, 3000]))
    def put_value(self, label: str, text: str, repeat: int) -> Oid:
        value = Value(label, text * repeat)
        oid = self.repository.put(value)
        self.pending[oid] = value
        return oid

    @rule(target=stored, count=st.integers(1, 700), start=st.integers(0, 2000))
    def put_many(self, count: int, start: int) -> object:
        oids = []
        for number in range(start, start + count):
            value = Value("x", {"answer": f"the answer to question {number} is {number * 7}", "ok": number % 3 == 0})
            oids.append(self.repository.put(value))
            self.pending[oids[-1]] = value
        return multiple(*oids[:3])

    @rule(target=stored, children=st.lists(stored, max_size=4))
    def put_parent(self, children: list[Oid]) -> Oid:
        blob = Blob(len(children), chunks=children) if children else Blob(0)
        oid = self.repository.put(blob)
        self.pending[oid] = blob
        return oid

    @rule(child=stored)
    def put_parent_of_nothing(self, child: Oid) -> None:
        self.repository.flush()
        self._written()
        absent = bytes(31) + b"\1"
        self.repository.put(Blob(2, chunks=[child, absent]))
        try:
            self.repository.flush()
        except MissingReference as error:
            assert error.oid == absent
        else:
            raise AssertionError("a parent entered without its child")

    @rule(key=st.binary(min_size=1, max_size=40), step=stored)
    def record(self, key: bytes, step: Oid) -> None:
        self.repository.record(key, step)
        self.pending_derivations[key] = step

    @rule()
    def flush(self) -> None:
        self.repository.flush()
        self._written()

    @rule(name=NAMES, target_oid=stored | st.none(), right=st.booleans())
    def move(self, name: str, target_oid: Oid | None, right: bool) -> None:
        old = self.refs.get(name)
        expected = old if right else bytes(32)
        try:
            self.repository.commit([RefUpdate(name, target_oid, expected)], message="move")
        except RefConflict:
            assert not right and target_oid != old
            return
        self._written()
        if target_oid != old:
            assert right
            self.moves.setdefault(name, []).append((old, target_oid))
            self._point(name, target_oid)

    @rule(names=st.lists(NAMES, min_size=2, max_size=3, unique=True), target_oid=stored)
    def move_several(self, names: list[str], target_oid: Oid) -> None:
        self.repository.commit([RefUpdate(name, target_oid, ANY) for name in names], message="set")
        self._written()
        for name in names:
            if self.refs.get(name) != target_oid:
                self.moves.setdefault(name, []).append((self.refs.get(name), target_oid))
                self._point(name, target_oid)

    def _point(self, name: str, target: Oid | None) -> None:
        if target is None:
            del self.refs[name]
        else:
            self.refs[name] = target

    @rule()
    def swap_handles(self) -> None:
        self.repository.flush()
        self._written()
        self.repository, self.other = self.other, self.repository

    @rule()
    def reopen(self) -> None:
        self.repository.close()
        self._written()
        self.repository = Repository.open(self.path)

    @rule()
    def continue_in_a_snapshot(self) -> None:
        self.repository.flush()
        self._written()
        copy = self.directory / "copy"
        self.repository.snapshot(copy)
        self.repository.close()
        self.other.close()
        shutil.rmtree(self.path)
        copy.rename(self.path)
        self.repository, self.other = Repository.open(self.path), Repository.open(self.path)

    @invariant()
    def refs_are_as_in_the_model(self) -> None:
        assert dict(self.other.refs()) == self.refs
        for name in self.moves:
            assert [(entry.old, entry.new) for entry in self.other.reflog(name)] == self.moves[name][::-1]

    @invariant()
    def objects_are_as_in_the_model(self) -> None:
        visible = self.objects | self.pending
        sample = list(visible)[:: max(1, len(visible) // 20)]
        assert [self.repository.get(oid) for oid in sample] == [visible[oid] for oid in sample]
        assert self.other.missing(self.objects) == []
        # A group that is full is written without being asked.
        found = dict(self.other.backend.derivations())
        assert self.derivations.keys() <= found.keys()
        for key, step in found.items():
            assert step in (self.derivations.get(key), self.pending_derivations.get(key))

    def teardown(self) -> None:
        if hasattr(self, "repository"):
            self.repository.close()
            self._written()
            self.other.close()
            report = fsck(self.path)
            with Repository.open(self.path, readonly=True) as repository:
                found = {oid: repository.get(oid) for oid in self.objects}
                count = repository.statistics().objects - repository.statistics().dictionaries
            shutil.rmtree(self.directory)
            assert found == self.objects
            assert count == len(self.objects)
            assert report.findings == []


StoreMachine.TestCase.settings = settings(
    max_examples=int(os.environ.get("THEMIS_HISTORIES", "10")),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
test_store = StoreMachine.TestCase
