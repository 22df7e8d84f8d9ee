"""Forgotten runs on their way: what was made from them is taken in, they themselves are not, and it is known why."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import msgspec
import pytest

from tests.support.forgetting import forgotten, secret_run
from tests.support.packs import assembled, framed
from themis_vcs.errors import MissingReference, Rejected
from themis_vcs.model.objects import Run, Value
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.fsck import fsck
from themis_vcs.store.repository import Repository
from themis_vcs.store.tombstones import ref_of
from themis_vcs.transfer.history import runs_behind
from themis_vcs.transfer.receive import receive
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer


class Stores:
    """A store with three runs of a line, and a copy of it from before the second was forgotten."""

    def __init__(self, directory: Path) -> None:
        self.path, self.before, self.fresh = directory / "here", directory / "before", directory / "fresh"
        with Repository.init(self.path) as repository:
            self.line: list[Oid] = []
            for number in (1, 2, 3):
                self.line.append(secret_run(repository, self.line[-1] if self.line else None, number, f"v{number}"))
            repository.snapshot(self.before)
        forgotten(self.path, self.line[1])


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


def send(source: Path, target: Repository, *names: str) -> None:
    with Repository.open(source, readonly=True) as repository:
        refs = StoreEndpoint(repository).refs()
        chosen = {ref: oid for ref, oid in refs.items() if not names or ref.startswith(names)}
        updates = [RefUpdate(ref, oid) for ref, oid in chosen.items()]
        transfer(StoreEndpoint(repository), StoreEndpoint(target), updates, message="test")


def test_what_was_made_from_a_forgotten_run_travels_with_the_tombstone(stores: Stores) -> None:
    with Repository.init(stores.fresh) as target:
        send(stores.path, target)
        assert target.ref("names/main") == stores.line[2]
        assert target.forgotten() == {stores.line[1]}
        assert [oid for oid, _ in runs_behind(target, stores.line[2])] == [stores.line[2]]
        assert stores.line[1] not in dict(target.walk([stores.line[2]]))
    assert not fsck(stores.fresh).damaged


def test_without_the_tombstone_such_a_run_is_refused(stores: Stores) -> None:
    with Repository.init(stores.fresh) as target, pytest.raises(Exception, match="missing|not in this store"):
        send(stores.path, target, "names/")


def test_a_forgotten_run_is_not_taken_in_again(stores: Stores) -> None:
    with Repository.open(stores.path) as target:
        with Repository.open(stores.before) as there:
            there.commit([RefUpdate("names/old", stores.line[1])], message="x")
        with pytest.raises(Rejected, match=r"names/old: it was forgotten here \(tombstones/.*it has a secret"):
            send(stores.before, target, "names/old")
        assert not target.has(stores.line[1])
        send(stores.before, target, "names/main")
        assert not target.has(stores.line[1])


def test_it_is_taken_in_again_where_that_is_wanted_and_its_tombstone_goes(stores: Stores) -> None:
    with Repository.open(stores.before) as there:
        there.commit([RefUpdate("names/old", stores.line[1])], message="x")
    with Repository.open(stores.path) as target:
        target.takes_forgotten = True
        send(stores.before, target, "names/old")
        assert target.load(stores.line[1], Run).run_id == bytes([2]) * 32
        assert target.ref(ref_of(stores.line[1])) is None
    assert fsck(stores.path).findings == []


def test_a_tombstone_that_arrives_takes_nothing_away(stores: Stores) -> None:
    with Repository.open(stores.before) as target:
        send(stores.path, target)
        assert target.has(stores.line[1])
        assert target.forgotten() == set()
    assert fsck(stores.before).findings == []


def test_a_tombstone_excuses_nothing_but_a_run_before_another(stores: Stores) -> None:
    """A hostile one names a stage, so that a run without it would pass for whole."""
    with Repository.open(stores.path) as repository:
        lost = bytes([9]) * 32
        stone = repository.put(Value("tombstone", {}))
        repository.commit([RefUpdate(ref_of(lost), stone)], message="x")
        run = repository.load(stores.line[2], Run)
        hostile = msgspec.structs.replace(run, stages=[lost], parents=[])
        with pytest.raises(MissingReference):
            receive(BytesIO(assembled([framed(hostile)])), repository)
