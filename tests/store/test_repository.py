from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.support.records import values
from tests.support.stores import store_run
from themis_vcs.errors import (
    Corrupt,
    EncodingError,
    MissingReference,
    ObjectNotFound,
    RefConflict,
    RevisionNotFound,
    StorageError,
    WrongKind,
)
from themis_vcs.model.objects import Blob, Run, Stage, Tag, Value, dump
from themis_vcs.model.oid import oid_of
from themis_vcs.store.backend import ANY, RefUpdate
from themis_vcs.store.group import MAX_BYTES, MAX_OBJECTS
from themis_vcs.store.repository import Repository

ABSENT = bytes(31) + b"\1"


def test_an_object_can_be_loaded_before_it_is_written(any_repository: Repository) -> None:
    oid = any_repository.put(Value("case", {"n": 1}))
    assert not any_repository.backend.has(oid)
    assert any_repository.has(oid)
    assert any_repository.load(oid, Value).data == {"n": 1}
    assert list(any_repository.read_many([oid])) == [(oid, dump(Value("case", {"n": 1})))]
    assert any_repository.missing([oid, ABSENT]) == [ABSENT]


def test_flush_makes_it_durable(any_repository: Repository) -> None:
    oid = any_repository.put(Value("case", {"n": 1}))
    any_repository.flush()
    assert any_repository.backend.has(oid)
    assert any_repository.objects_added == 1


def test_a_full_group_is_written_by_itself(any_repository: Repository) -> None:
    for number in range(MAX_OBJECTS):
        oid = any_repository.put(Value("case", number))
    assert any_repository.backend.has(oid)


def test_a_heavy_group_is_written_by_itself(any_repository: Repository) -> None:
    for number in range(3):
        oid = any_repository.put(Value("case", str(number) * (MAX_BYTES // 3)))
    assert any_repository.backend.has(oid)


def test_what_is_put_again_adds_nothing(any_repository: Repository) -> None:
    for _ in range(2):
        any_repository.put(Value("case", 1))
        any_repository.flush()
    assert any_repository.objects_added == 1


def test_an_object_without_what_it_refers_to_does_not_enter(any_repository: Repository) -> None:
    oid = any_repository.put(Blob(3, chunks=[ABSENT]))
    with pytest.raises(MissingReference) as caught:
        any_repository.flush()
    assert (caught.value.oid, caught.value.user) == (ABSENT, oid)
    assert not any_repository.has(oid)


def test_objects_above_the_one_at_fault_leave_with_it_and_the_others_are_kept(any_repository: Repository) -> None:
    fine = any_repository.put(Value("case", 1))
    lower = any_repository.put(Blob(3, chunks=[ABSENT]))
    upper = any_repository.put(Blob(3, chunks=[lower]))
    any_repository.record(b"key", upper)
    with pytest.raises(MissingReference):
        any_repository.flush()
    any_repository.flush()
    assert any_repository.missing([fine, lower, upper]) == [lower, upper]
    assert any_repository.derivation(b"key") is None


def test_a_ref_cannot_point_to_what_is_not_here(any_repository: Repository) -> None:
    with pytest.raises(MissingReference):
        any_repository.commit([RefUpdate("names/x", ABSENT, None)], message="")
    assert any_repository.ref("names/x") is None


def test_a_derivation_cannot_name_a_step_that_is_not_here(any_repository: Repository) -> None:
    any_repository.record(b"key", ABSENT)
    with pytest.raises(MissingReference):
        any_repository.flush()


@pytest.mark.parametrize("known", [True, False], ids=["given", "read from the payload"])
def test_references_of_a_raw_payload_are_checked(any_repository: Repository, known: bool) -> None:
    payload = dump(Blob(3, chunks=[ABSENT]))
    any_repository.put_payload(oid_of(payload), payload, "blob", [ABSENT] if known else None)
    with pytest.raises(MissingReference):
        any_repository.flush()


def test_a_parent_may_be_put_before_its_child_in_one_group(any_repository: Repository) -> None:
    child = Value("case", 1)
    any_repository.put(Blob(3, chunks=[oid_of(dump(child))]))
    any_repository.put(child)
    any_repository.flush()
    assert any_repository.objects_added == 2


def test_commit_moves_refs_with_the_objects_and_says_who(any_repository: Repository) -> None:
    oid = any_repository.put(Value("case", 1))
    any_repository.commit([RefUpdate("names/x", oid, None)], message="first", tracks={b"t": b"v"}, local={"l": b"1"})
    entry = any_repository.reflog("names/x")[0]
    assert (entry.new, entry.message) == (oid, "first")
    assert "@" in entry.who and entry.time > 1_600_000_000 * 10**9
    assert (any_repository.track(b"t"), any_repository.local("l")) == (b"v", b"1")


def test_after_a_conflict_what_was_put_can_be_committed_again(any_repository: Repository) -> None:
    first, second = any_repository.put(Value("case", 1)), any_repository.put(Value("case", 2))
    any_repository.commit([RefUpdate("names/x", first, None)], message="")
    third = any_repository.put(Value("case", 3))
    with pytest.raises(RefConflict):
        any_repository.commit([RefUpdate("names/x", third, second)], message="")
    assert not any_repository.backend.has(third)
    any_repository.commit([RefUpdate("names/x", third, first)], message="")
    assert any_repository.load(third, Value).data == 3


def test_derivations_are_seen_before_they_are_written(any_repository: Repository) -> None:
    oid = any_repository.put(Value("case", 1))
    any_repository.record(b"a", oid)
    assert any_repository.derivations_for([b"b", b"a"]) == [None, oid]
    any_repository.flush()
    assert any_repository.derivation(b"a") == oid


def test_a_value_without_an_encoding_is_refused_with_its_path(any_repository: Repository) -> None:
    with pytest.raises(EncodingError, match="\\$"):
        any_repository.put(Value("case", {"when": object()}))
    any_repository.flush()
    assert any_repository.objects_added == 0


def test_loading_another_kind_names_both_and_the_object(any_repository: Repository) -> None:
    oid = any_repository.put(Value("case", 1))
    with pytest.raises(WrongKind) as caught:
        any_repository.load(oid, Run)
    assert caught.value.oid == oid


def test_what_a_person_names_is_not_found_and_what_an_object_names_is_damage(any_repository: Repository) -> None:
    with pytest.raises(ObjectNotFound):
        any_repository.get(ABSENT)
    with pytest.raises(Corrupt):
        any_repository.load(ABSENT, Stage)
    with pytest.raises(Corrupt):
        list(any_repository.read_many([ABSENT]))


def test_walk_yields_everything_reached_once_and_children_first(any_repository: Repository) -> None:
    stored = store_run(any_repository, 300)
    walked = [oid for oid, _ in any_repository.walk([stored.run])]
    assert (
        len(walked)
        == len(set(walked))
        == any_repository.statistics().objects - any_repository.statistics().dictionaries
    )
    place = {oid: number for number, oid in enumerate(walked)}
    assert walked[-1] == stored.run
    assert all(place[stored.values[key]] < place[step] for key, step in stored.steps.items())


def test_walk_yields_an_object_once_that_is_reached_from_several_levels(any_repository: Repository) -> None:
    lower = any_repository.put(Blob(1, data=b"x"))
    middle = any_repository.put(Blob(1, chunks=[lower]))
    upper = any_repository.put(Blob(3, chunks=[middle, lower, middle]))
    assert [oid for oid, _ in any_repository.walk([upper, lower])] == [lower, middle, upper]


def test_walk_leaves_out_what_only_skipped_objects_reach(any_repository: Repository) -> None:
    stored = store_run(any_repository, 5)
    walked = {oid for oid, _ in any_repository.walk([stored.run], skip=lambda oid: oid == stored.stage)}
    assert stored.snapshot in walked
    assert not walked & {stored.stage, *stored.values.values()}


def test_walk_goes_deeper_than_the_interpreter_could_recurse(any_repository: Repository) -> None:
    oid = any_repository.put(Value("case", 0))
    for number in range(3000):
        oid = any_repository.put(Tag(f"t{number}", oid, "", 1, "me"))
    assert sum(1 for _ in any_repository.walk([oid])) == 3001


def test_walk_says_what_is_missing(any_repository: Repository) -> None:
    with pytest.raises(Corrupt) as caught:
        list(any_repository.walk([ABSENT]))
    assert caught.value.oid == ABSENT


def test_a_prefix_names_the_one_object_that_begins_so(any_repository: Repository) -> None:
    oids = [any_repository.put(Value("case", number)) for number in range(2000)]
    any_repository.flush()
    assert any_repository.resolve_prefix(oids[7].hex()[:11]) == oids[7]
    with pytest.raises(RevisionNotFound, match="no object"):
        any_repository.resolve_prefix("0000000000")


def test_an_ambiguous_prefix_lists_the_candidates(any_repository: Repository) -> None:
    seen: dict[str, bytes] = {}
    for number in range(3000):
        oid = any_repository.put(Value("case", number))
        if (earlier := seen.setdefault(oid.hex()[:4], oid)) != oid:
            break
    any_repository.flush()
    with pytest.raises(RevisionNotFound) as caught:
        any_repository.resolve_prefix(oid.hex()[:4])
    assert oid.hex()[:12] in caught.value.message and earlier.hex()[:12] in caught.value.message


def test_close_writes_and_then_refuses(path: Path) -> None:
    repository = Repository.init(path)
    oid = repository.put(Value("case", 1))
    repository.close()
    repository.close()
    with pytest.raises(StorageError, match="closed"):
        repository.put(Value("case", 2))
    with Repository.open(path) as again:
        assert again.has(oid)


def test_work_is_kept_when_the_block_ends_in_an_error(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Repository.init(path) as repository:
        oid = repository.put(Value("case", 1))
        raise KeyboardInterrupt
    with Repository.open(path) as again:
        assert again.has(oid)


def test_reading_only_refuses_to_write(path: Path) -> None:
    Repository.init(path).close()
    with Repository.open(path, readonly=True) as repository:
        for write in (
            lambda: repository.put(Value("case", 1)),
            lambda: repository.record(b"k", ABSENT),
            lambda: repository.commit([RefUpdate("names/x", None, ANY)], message=""),
        ):
            with pytest.raises(StorageError, match="reading only"):
                write()


def test_threads_that_put_and_read_at_once_lose_nothing(any_repository: Repository) -> None:
    found: list[bool] = []

    def work(number: int) -> None:
        oids = []
        for step in range(1500):
            child = any_repository.put(Value("case", f"{number}-{step}"))
            oids.append(any_repository.put(Blob(1, chunks=[child])))
            if step % 50 == 0:
                any_repository.load(oids[step // 2], Blob)
            if step % 400 == 399:
                any_repository.flush()
        found.append(any_repository.missing(oids) == [])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    any_repository.flush()
    assert found == [True] * 4
    assert any_repository.objects_added == 4 * 1500 * 2


def test_more_than_is_read_at_once_comes_whole_and_in_order(path: Path) -> None:
    with Repository.init(path) as repository:
        large = [repository.put(Value("noise", os.urandom(1 << 20))) for _ in range(20)]
        small = [repository.put(value) for value in values(2_500)]
        wanted = [oid for pair in zip(large, small[:20], strict=True) for oid in pair] + small[20:]
        assert [oid for oid, _ in repository.read_many(wanted)] == wanted
        assert [oid_of(item.payload) for item in repository.stored(wanted)] == wanted
