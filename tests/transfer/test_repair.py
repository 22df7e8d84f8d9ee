"""What a repair brings back, from what is left and from another store, and what it says of the rest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.damage import ABORTED, REFUSED, copy_of, damage_frame, overwrite
from tests.support.stores import store_run
from themis_vcs.errors import StoreBusy
from themis_vcs.model.objects import Step, Value
from themis_vcs.model.oid import Oid
from themis_vcs.store import segments
from themis_vcs.store.backend import Batch, RefUpdate
from themis_vcs.store.fsck import fsck
from themis_vcs.store.gc import Policy, gc
from themis_vcs.store.layout import Layout
from themis_vcs.store.lmdb import DERIVATIONS, LmdbBackend
from themis_vcs.store.repository import Repository
from themis_vcs.store.tables import Writer
from themis_vcs.transfer.repair import Repaired, repair
from themis_vcs.transfer.store_endpoint import StoreEndpoint


class Stores:
    """A store and a healthy copy of it."""

    def __init__(self, tmp_path: Path) -> None:
        self.path, self.other = tmp_path / "store", tmp_path / "other"
        with Repository.init(self.path) as repository:
            store_run(repository, 20)
            self.run = store_run(repository, 40, draw=1)
            self.oids = set(repository.backend.oids())
            self.refs = dict(repository.refs())
            self.derivations = dict(repository.backend.derivations())
        copy_of(self.path, self.other)

    def damage(self, *oids: Oid, offset: int = 60) -> None:
        with Repository.open(self.path) as repository:
            for oid in oids:
                damage_frame(repository, oid, offset)

    def change(self, body: object) -> None:
        backend = LmdbBackend(self.path)
        backend.environment.write(body)  # type: ignore[arg-type]
        backend.close()

    def repaired(self, *, alone: bool = False) -> Repaired:
        if alone:
            return repair(self.path, None)
        with Repository.open(self.other, readonly=True) as other:
            return repair(self.path, StoreEndpoint(other))

    def is_whole(self) -> bool:
        """Whether all is there again, and fsck says so."""
        with Repository.open(self.path, readonly=True) as repository:
            same = set(repository.backend.oids()) >= self.oids and dict(repository.refs()) == self.refs
            for oid in self.oids:
                repository.read(oid)
            derived = {key[:32] for key, _ in repository.backend.derivations()}
        return (
            same
            and derived == self.derivations.keys()
            and not any(finding.severity != "note" for finding in fsck(self.path).findings)
        )


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


def test_nothing_is_touched_where_nothing_is_wrong(stores: Stores) -> None:
    data = Layout(stores.path).data.read_bytes()
    found = stores.repaired()
    assert (found.fetched, found.quarantine) == (0, None)
    assert Layout(stores.path).data.read_bytes() == data


def test_exactly_what_is_damaged_comes_from_the_other(stores: Stores) -> None:
    lost = [stores.run.values["demo/case-0003"], stores.run.stage, stores.run.steps["demo/case-0007"]]
    stores.damage(*lost)
    found = stores.repaired()
    assert found.fetched == len(lost)
    assert found.quarantine is not None and (found.quarantine / "data.mdb").stat().st_size > 0
    assert not found.after.damaged
    assert stores.is_whole()


def test_a_frame_that_is_damaged_beyond_recognition_comes_back(stores: Stores) -> None:
    stores.damage(stores.run.values["demo/case-0003"], stores.run.stage, stores.run.run, offset=3)
    assert stores.repaired().fetched == 3
    assert stores.is_whole()


def test_what_the_other_does_not_have_is_named_with_who_needs_it(stores: Stores) -> None:
    lost = stores.run.values["demo/case-0003"]
    stores.damage(lost, stores.run.values["demo/case-0004"])
    with Repository.init(stores.other.with_name("poor")) as poor:
        poor.put(Value("generation", {"final_output": "The sum of 4 and 1 is 5; draw 1.", "artifacts": {}}))
        poor.flush()
        found = repair(stores.path, StoreEndpoint(poor))
    assert found.fetched == 1
    lacking = [finding for finding in found.after.findings if finding.severity == "damage"]
    assert [(finding.code, finding.oid) for finding in lacking] == [("missing", lost)]
    assert "names/demo" in lacking[0].users
    assert fsck(stores.path).damaged


def test_rows_of_the_index_are_made_again_without_anybody_else(stores: Stores) -> None:
    def body(writer: Writer) -> None:
        segments.forget(writer, list(segments.rows(writer.cursor(segments.INDEX)))[::3])

    stores.change(body)
    found = stores.repaired(alone=True)
    assert found.reindexed > 10
    assert stores.is_whole()


def test_derivations_are_made_again_from_steps(stores: Stores) -> None:
    def body(writer: Writer) -> None:
        keys = [bytes(key) for key, _ in writer.cursor(DERIVATIONS)]
        writer.put(DERIVATIONS, keys[0], bytes(40))
        writer.put(DERIVATIONS, keys[1][:31] + b"x", bytes(writer.get(DERIVATIONS, keys[1]) or b""))
        writer.delete(DERIVATIONS, keys[1])

    stores.change(body)
    assert stores.repaired(alone=True).derived == 2
    assert stores.is_whole()


LAST = b"names/demo\0" + (2).to_bytes(8, "big")


@pytest.mark.parametrize("page", [REFUSED, ABORTED], ids=["refused", "aborted"])
@pytest.mark.parametrize("table", ["derivations", "refs", "reflog", "meta"])
def test_a_table_that_cannot_be_read_is_made_again_from_the_rest(stores: Stores, table: str, page: bytes) -> None:
    step, ref = next(iter(stores.derivations)), b"names/demo" + stores.run.run
    key = {"derivations": step, "refs": ref, "reflog": LAST, "meta": b"format"}[table]
    overwrite(Layout(stores.path).data, key, page)
    found = stores.repaired(alone=True)
    assert found.refs == (sorted(stores.refs) if table == "refs" else [])
    assert stores.is_whole()


@pytest.mark.parametrize("page", [REFUSED, ABORTED], ids=["refused", "aborted"])
def test_objects_that_no_table_leads_to_are_found_in_the_bytes_of_the_file(stores: Stores, page: bytes) -> None:
    # In a leaf page of the table of segments: a large value of a key of 4 bytes, which is 1.
    overwrite(Layout(stores.path).data, bytes([1, 0, 4, 0, 0, 0, 0, 1]), page)
    found = stores.repaired(alone=True)
    assert found.reindexed >= len(stores.oids)
    assert stores.is_whole()


def test_a_ref_goes_back_to_where_its_log_ends(stores: Stores) -> None:
    stores.change(lambda writer: writer.put("refs", b"names/demo", bytes(40)))
    found = stores.repaired(alone=True)
    assert found.refs == ["names/demo"]
    assert stores.is_whole()


def test_a_ref_whose_last_move_is_damaged_too_is_not_guessed(stores: Stores) -> None:
    def body(writer: Writer) -> None:
        writer.put("refs", b"names/demo", bytes(40))
        writer.put("reflog", b"names/demo\0" + (2).to_bytes(8, "big"), bytes(80))

    stores.change(body)
    found = stores.repaired(alone=True)
    assert (found.refs, found.lost_refs) == ([], ["names/demo"])
    with Repository.open(stores.path) as repository:
        assert repository.ref("names/demo") is None
        assert repository.ref("runs/" + bytes(range(32)).hex() + "/head") == stores.run.run
    assert not fsck(stores.path).damaged


def test_a_log_with_a_gap_goes_on_behind_it(stores: Stores) -> None:
    with Repository.open(stores.path) as repository:
        store_run(repository, 3, draw=2)
        stores.refs = dict(repository.refs())
    stores.change(lambda writer: writer.put("reflog", b"names/demo\0" + (2).to_bytes(8, "big"), bytes(80)))
    stores.repaired(alone=True)
    with Repository.open(stores.path) as repository:
        assert len(repository.reflog("names/demo")) == 1
    assert stores.is_whole()


def _at_one_after_another(stores: Stores, values: list[Value]) -> list[Oid]:
    """Let `names/other` be at these one after another, and then delete it."""
    with Repository.open(stores.path) as repository:
        oids = [repository.put(value) for value in values]
        repository.flush()
        for place, new in enumerate([*oids, None]):
            repository.backend.apply(Batch(refs=[RefUpdate("names/other", new)], message=f"move {place}"))
    return oids


def test_moves_to_what_is_gone_for_good_leave_the_reflog_and_the_others_stay(stores: Stores) -> None:
    oids = _at_one_after_another(stores, [Value("x", number) for number in range(4)])
    stores.damage(oids[1], oids[3])
    found = stores.repaired(alone=True)
    assert found.moves == {"names/other": 2}
    with Repository.open(stores.path) as repository:
        moves = repository.reflog("names/other")[::-1]
    assert [(move.old, move.new, move.message) for move in moves] == [
        (None, oids[0], "move 0"),
        (None, oids[2], "move 2"),
        (None, None, "move 4"),
    ]
    assert stores.is_whole()
    gc(stores.path, Policy(grace=0, reflog=0))


def test_moves_to_what_lacks_something_that_is_gone_leave_the_reflog(stores: Stores) -> None:
    with Repository.open(stores.path) as repository:
        value = repository.put(Value("x", "gone"))
        step = repository.put(Step("generate", "x", bytes(32), value, [], "a/b", None, value))
        repository.flush()
        repository.backend.apply(Batch(refs=[RefUpdate("names/other", step)]))
        repository.backend.apply(Batch(refs=[RefUpdate("names/other", stores.run.run)]))
        damage_frame(repository, value)
    found = stores.repaired(alone=True)
    assert (found.moves, found.dropped) == ({"names/other": 1}, 1)
    stores.refs["names/other"] = stores.run.run
    assert stores.is_whole()


def test_no_move_to_what_a_ref_reaches_leaves_a_reflog(stores: Stores) -> None:
    with Repository.open(stores.path) as repository:
        before = repository.reflog("names/demo")
    stores.damage(stores.run.run)
    found = stores.repaired(alone=True)
    assert found.moves == {}
    with Repository.open(stores.path) as repository:
        assert repository.reflog("names/demo") == before
    assert [finding.oid for finding in found.after.findings if finding.severity == "damage"] == [stores.run.run]


def test_a_move_stays_when_the_other_has_what_it_led_to(stores: Stores) -> None:
    oids = _at_one_after_another(stores, [Value("x", number) for number in range(3)])
    copy_of(stores.path, stores.other)
    stores.damage(oids[1])
    found = stores.repaired()
    assert (found.fetched, found.moves) == (1, {})
    assert stores.is_whole()


def test_garbage_that_lacks_something_does_not_keep_a_store_damaged(stores: Stores) -> None:
    with Repository.open(stores.path) as repository:
        value = repository.put(Value("x", "nobody needs it"))
        step = repository.put(Step("generate", "x", bytes(32), value, [], "a/b", None, value))
        repository.flush()
        damage_frame(repository, value)
    found = stores.repaired()
    assert found.dropped == 1
    with Repository.open(stores.path) as repository:
        assert not repository.has(step)
    assert stores.is_whole()


def test_what_was_deleted_does_not_come_back(stores: Stores) -> None:
    with Repository.open(stores.path) as repository:
        gone = repository.put(Value("x", "garbage"))
        repository.flush()
    assert gc(stores.path, Policy(grace=0, reflog=1)).objects == 1
    stores.damage(stores.run.stage)
    stores.repaired()
    with Repository.open(stores.path) as repository:
        assert not repository.has(gone)
    assert stores.is_whole()


def test_a_store_that_somebody_has_open_is_left_alone(stores: Stores) -> None:
    stores.damage(stores.run.stage)
    with Repository.open(stores.path), pytest.raises(StoreBusy, match="this process has the store open"):
        stores.repaired(alone=True)
    assert stores.repaired().fetched == 1


def test_the_remains_of_a_repair_that_was_killed_are_no_hindrance(stores: Stores) -> None:
    stores.damage(stores.run.stage)
    shutil.copytree(stores.other, stores.path / "repair")
    assert stores.repaired().fetched == 1
    assert not (stores.path / "repair").exists()
    assert stores.is_whole()


def test_findings_are_kept_with_what_went_to_quarantine(stores: Stores) -> None:
    stores.damage(stores.run.stage)
    found = stores.repaired()
    assert found.quarantine is not None
    assert stores.run.stage.hex() in (found.quarantine / "findings.json").read_text()
