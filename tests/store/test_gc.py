"""What a collection deletes, and what it keeps: by refs, by reflogs, by age, and by who works meanwhile."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.support.damage import REFUSED, damage_frame, overwrite
from tests.support.stores import Stored, store_run
from themis_vcs.errors import Corrupt, StoreBusy
from themis_vcs.model.derivation import key_of
from themis_vcs.model.objects import Step, Value
from themis_vcs.store import ages
from themis_vcs.store import gc as collecting
from themis_vcs.store.backend import ANY, RefUpdate
from themis_vcs.store.fsck import fsck
from themis_vcs.store.gc import DAY, Policy, gc
from themis_vcs.store.layout import Layout
from themis_vcs.store.repository import Repository

NOW = Policy(grace=0, reflog=0)


def demo(path: Path, cases: int = 20, draw: int = 0) -> Stored:
    with Repository.init(path) as repository:
        return store_run(repository, cases, draw=draw)


def drop(path: Path, *names: str) -> None:
    """Take refs away."""
    with Repository.open(path) as repository:
        refs = [RefUpdate(name, None, ANY) for name, _ in repository.refs() if not names or name in names]
        repository.commit(refs, message="drop")


def has(path: Path, oid: bytes) -> bool:
    with Repository.open(path, readonly=True) as repository:
        return repository.has(oid)


def test_what_refs_reach_stays_and_the_rest_goes_with_its_rows(path: Path) -> None:
    with Repository.init(path) as repository:
        kept = store_run(repository, 30)
        lost = repository.put(Value("params", {"nobody": "needs this"}))
        step = Step("generate", "x", bytes(32), lost, [], "a/b", None, lost)
        oid = repository.put(step)
        repository.record(key_of(step), oid)
        repository.flush()
        before = set(repository.backend.oids())
    found = gc(path, NOW)
    assert (found.objects, found.kinds) == (2, {"step generate": 1, "value": 1})
    with Repository.open(path) as repository:
        assert set(repository.backend.oids()) == before - {lost, oid}
        assert repository.derivation(key_of(step)) is None
        assert len(list(repository.walk([kept.run]))) > 60
    assert [each for each in fsck(path).findings if each.severity != "note"] == []


def test_all_of_a_store_without_refs_goes_and_the_file_has_room_again(path: Path) -> None:
    demo(path, 400)
    drop(path)
    found = gc(path, NOW)
    with Repository.open(path) as repository:
        assert list(repository.backend.oids()) == []
        assert list(repository.backend.derivations()) == []
        assert repository.statistics().segments == 1
    assert found.free_bytes > found.file_bytes / 2
    assert fsck(path).damaged is False


def test_a_dry_run_says_what_would_go_and_changes_nothing(path: Path) -> None:
    stored = demo(path)
    drop(path)
    data = Layout(path).data.read_bytes()
    planned = gc(path, NOW, dry_run=True)
    assert Layout(path).data.read_bytes() == data
    done = gc(path, NOW)
    assert (planned.objects, planned.kinds, planned.bytes) == (done.objects, done.kinds, done.bytes)
    assert planned.dry_run and not done.dry_run
    assert not has(path, stored.run)


def test_what_is_young_stays_with_all_below_it(path: Path) -> None:
    stored = demo(path)
    drop(path)
    found = gc(path, Policy(grace=1, reflog=0))
    assert found.objects == 0
    assert found.kept["young"] > 40
    assert has(path, stored.run)


def test_what_is_older_than_the_grace_goes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now - 3 * DAY)
    old = demo(path)
    monkeypatch.setattr(time, "time_ns", lambda: now - DAY)
    young = demo(path, draw=1)
    monkeypatch.undo()
    drop(path)
    gc(path, Policy(grace=2, reflog=0))
    assert not has(path, old.values["demo/case-0000"])
    assert has(path, young.values["demo/case-0000"])
    assert has(path, old.params), "the younger run needs it"


def test_a_clock_that_jumps_back_makes_nothing_older(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo(path)
    monkeypatch.setattr(time, "time_ns", lambda: 1)
    wrong = demo(path, draw=1)
    demo(path, draw=2)
    monkeypatch.undo()
    drop(path)
    assert gc(path, Policy(grace=1, reflog=0)).objects == 0
    assert has(path, wrong.run)


def test_segments_of_an_unknown_age_are_young(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ages, "note", lambda writer, now: None)
    demo(path)
    monkeypatch.undo()
    drop(path)
    assert gc(path, Policy(grace=0.0001, reflog=0)).objects == 0


def test_what_a_young_entry_of_a_reflog_names_stays(path: Path) -> None:
    stored = demo(path)
    drop(path)
    assert gc(path, Policy(grace=0, reflog=1)).objects == 0
    assert has(path, stored.run)
    found = gc(path, NOW)
    assert found.moves == 6, "two of each of three refs"
    assert not has(path, stored.run)
    assert not fsck(path).damaged


def test_the_last_entry_of_a_ref_stays_and_its_log_ends_where_it_points(path: Path) -> None:
    first = demo(path)
    second = demo(path, draw=1)
    assert gc(path, NOW).moves == 3
    with Repository.open(path) as repository:
        entries = repository.reflog("names/demo")
        assert [(entry.old, entry.new) for entry in entries] == [(first.run, second.run)]
        store_run(repository, 20, draw=2)
        assert len(repository.reflog("names/demo")) == 2
    assert not fsck(path).damaged


def test_nothing_goes_while_somebody_works(path: Path) -> None:
    demo(path)
    drop(path)
    with Repository.open(path) as repository, repository.working():
        with pytest.raises(StoreBusy, match=r"another part of this process is writing"):
            gc(path, Policy(grace=0, reflog=0, wait=0.2))
        assert repository.statistics().objects > 40
    assert gc(path, NOW).objects > 40


def test_two_collections_do_not_meet(path: Path) -> None:
    demo(path)
    with collecting.alone(path, 1), pytest.raises(StoreBusy, match="another process collects"):
        gc(path, Policy(wait=0.1))


def test_what_a_writer_came_to_need_between_two_steps_stays(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = demo(path, 30)
    drop(path)
    monkeypatch.setattr(collecting, "_AT_ONCE", 1)
    steps: list[int] = []

    def one_step(what: str, done: int) -> None:
        if what == "deleting":
            steps.append(done)
        if steps == [1]:  # The run is gone, and its stage is about to go.
            with Repository.open(path) as repository, repository.working():
                new = repository.put(Step("generate", "y", bytes(32), stored.params, [], "c", None, stored.params))
                update = RefUpdate("names/again", repository.put(Value("x", 1)))
                assert repository.has(stored.steps["demo/case-0001"])
                repository.commit([update, RefUpdate("names/step", stored.steps["demo/case-0001"])], message="x")
                assert new

    gc(path, NOW, progress=one_step)
    with Repository.open(path) as repository:
        found = repository.load(stored.steps["demo/case-0001"], Step)
        assert repository.load(found.value or b"", Value).type == "generation"
        assert not repository.has(stored.steps["demo/case-0002"])
    assert not fsck(path).damaged


def test_who_works_again_does_not_take_for_there_what_was_deleted_meanwhile(path: Path) -> None:
    with Repository.init(path) as repository:
        value = repository.put(Value("params", {"a": 1}))
        repository.flush()
        gc(path, NOW)
        assert not repository.has(value)
        step = repository.put(Step("generate", "x", bytes(32), value, [], "a/b", None, value))
        with pytest.raises(Exception, match="is not in this store"):
            repository.flush()
        assert not repository.has(step)


def test_a_damaged_object_that_is_needed_stops_it_before_anything_goes(path: Path) -> None:
    stored = demo(path)
    with Repository.open(path) as repository:
        lost = repository.put(Value("x", "garbage"))
        repository.flush()
        damage_frame(repository, stored.stage)
    with pytest.raises(Corrupt, match="is damaged, and is needed"):
        gc(path, NOW)
    assert has(path, lost)


def test_the_last_segment_stays_so_that_no_number_is_used_twice(path: Path) -> None:
    demo(path, 200)
    with Repository.open(path) as repository:
        before = repository.statistics().segments
        assert before > 1
    drop(path)
    gc(path, NOW)
    demo(path, draw=9)
    drop(path)
    assert gc(path, Policy(grace=1, reflog=0)).objects == 0, "the new objects would look old under an old number"


def test_a_segment_that_is_mostly_dead_is_written_anew(path: Path) -> None:
    with Repository.init(path) as repository:
        oids = [repository.put(Value("text", random.Random(number).randbytes(1_000))) for number in range(600)]
        repository.flush()
        kept = oids[::10]
        for number, oid in enumerate(kept):
            repository.commit([RefUpdate(f"names/n{number}", oid)], message="keep")
        before = repository.statistics()
    found = gc(path, NOW)
    assert found.objects == len(oids) - len(kept)
    with Repository.open(path) as repository:
        assert repository.statistics().segments < before.segments
        assert [oid for oid, _ in repository.backend.get_many(kept)] == kept
    assert fsck(path).damaged is False


@pytest.mark.parametrize(("table", "key"), [("derivations", b""), ("tracks", b"track-1"), ("local", b"written:")])
def test_nothing_is_deleted_where_a_table_that_would_change_is_damaged(path: Path, table: str, key: bytes) -> None:
    stored = demo(path)
    with Repository.open(path) as repository:
        store_run(repository, 3, draw=1)
        key = key or next(iter(repository.backend.derivations()))[0]
        moves = repository.reflog("names/demo")
    overwrite(Layout(path).data, key, REFUSED)
    with pytest.raises(Corrupt, match=f"table {table} is damaged, so nothing was deleted"):
        gc(path, NOW)
    with Repository.open(path, readonly=True) as repository:
        assert repository.reflog("names/demo") == moves
        assert repository.has(stored.run)


def test_the_last_move_of_a_ref_stays_with_what_it_came_from(path: Path) -> None:
    """What the help of `themis gc --reflog 0` promises."""
    with Repository.init(path) as repository:
        first, second, third = (repository.put(Value("x", number)) for number in range(3))
        for oid in (first, second, third):
            repository.commit([RefUpdate("names/x", oid, ANY)], message="move")
    assert gc(path, NOW).kept == {"refs": 1, "reflog": 1}
    assert (has(path, first), has(path, second), has(path, third)) == (False, True, True)
