"""What every backend promises (`themis_vcs.store.backend`), run for memory and for LMDB."""

from __future__ import annotations

import os
import random
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from themis_vcs.errors import ObjectNotFound, RefConflict, StorageError, UsageError
from themis_vcs.model.oid import oid_of
from themis_vcs.store.backend import ANY, Backend, Batch, Entry, Foreign, ReflogEntry, RefUpdate
from themis_vcs.store.lmdb import LmdbBackend


def entry(content: bytes, label: str = "") -> Entry:
    return Entry(oid_of(content), content, label)


def entries(count: int, seed: int = 0, label: str = "") -> list[Entry]:
    draw = random.Random(seed)
    return [entry(draw.randbytes(draw.randint(1, 300)) + b"%d" % number, label) for number in range(count)]


A, B, C = entry(b"aaa"), entry(b"bbb"), entry(b"ccc")


def move(name: str, new: bytes | None, expected: object = ANY) -> Batch:
    return Batch(refs=[RefUpdate(name, new, expected)], message="moved", who="me", time=5)  # type: ignore[arg-type]


def test_an_object_comes_back_as_it_was_stored(backend: Backend) -> None:
    backend.apply(Batch(objects=[A, B]))
    assert backend.get(A.oid) == b"aaa"


def test_apply_counts_only_objects_that_are_new(backend: Backend) -> None:
    assert backend.apply(Batch(objects=[A, B, A])) == 2
    assert backend.apply(Batch(objects=[B, C])) == 1
    assert backend.apply(Batch(objects=[B, C])) == 0


def test_an_absent_object_is_not_found_by_its_oid(backend: Backend) -> None:
    with pytest.raises(ObjectNotFound) as caught:
        backend.get(A.oid)
    assert caught.value.oid == A.oid


@pytest.mark.parametrize(
    "payload", [b"", b"x", b"\0" * 200_000, os.urandom(300_000)], ids=["empty", "one", "zeros", "random"]
)
def test_payloads_of_any_size_are_kept(backend: Backend, payload: bytes) -> None:
    stored = entry(payload, "label")
    backend.apply(Batch(objects=[A, stored, B]))
    assert backend.get(stored.oid) == payload


def test_get_many_answers_in_the_order_asked_for(backend: Backend) -> None:
    stored = entries(1500)
    backend.apply(Batch(objects=stored))
    asked = [each.oid for each in random.Random(1).sample(stored, 1200)] + [stored[0].oid] * 2
    assert [oid for oid, _ in backend.get_many(asked)] == asked


def test_get_many_yields_what_precedes_an_absent_object(backend: Backend) -> None:
    backend.apply(Batch(objects=[A, B]))
    found = backend.get_many([A.oid, C.oid])
    assert next(found) == (A.oid, b"aaa")
    with pytest.raises(ObjectNotFound):
        next(found)


def test_everything_is_yielded_once(backend: Backend) -> None:
    stored = entries(700)
    for start in range(0, 700, 70):
        backend.apply(Batch(objects=stored[start : start + 90]))
    assert sorted(backend.everything()) == sorted((each.oid, each.payload) for each in stored)


def test_everything_keeps_the_order_of_arrival(backend: Backend) -> None:
    stored = entries(50)
    backend.apply(Batch(objects=stored[:20]))
    backend.apply(Batch(objects=stored[20:]))
    assert [oid for oid, _ in backend.everything()] == [each.oid for each in stored]


def test_has_and_missing_agree(backend: Backend) -> None:
    backend.apply(Batch(objects=[A, C]))
    assert backend.has(A.oid)
    assert not backend.has(B.oid)
    assert backend.missing([B.oid, A.oid, B.oid, bytes(32)]) == [B.oid, bytes(32)]


@pytest.mark.parametrize("length", [0, 1, 2, 8, 9, 31, 32])
def test_oids_are_found_by_prefix_in_order(backend: Backend, length: int) -> None:
    stored = sorted(each.oid for each in entries(1300))
    backend.apply(Batch(objects=entries(1300)))
    prefix = stored[42][:length]
    assert list(backend.oids(prefix)) == [oid for oid in stored if oid.startswith(prefix)]


def test_a_prefix_of_nothing_yields_nothing(backend: Backend) -> None:
    assert list(backend.oids()) == []
    backend.apply(Batch(objects=[A]))
    assert list(backend.oids(bytes([A.oid[0] ^ 1]))) == []


def test_derivations_are_answered_in_order_with_gaps(backend: Backend) -> None:
    backend.apply(Batch(objects=[A, B], derivations={b"k1" * 16: A.oid, b"k2" * 16: B.oid}))
    assert backend.derivations_for([b"k2" * 16, b"no" * 16, b"k1" * 16]) == [B.oid, None, A.oid]
    assert backend.derivation(b"k1" * 16) == A.oid


def test_a_later_derivation_replaces_an_earlier_one(backend: Backend) -> None:
    backend.apply(Batch(derivations={b"k": A.oid}))
    backend.apply(Batch(derivations={b"k": B.oid}))
    assert list(backend.derivations()) == [(b"k", B.oid)]


def test_derivations_are_listed_by_key(backend: Backend) -> None:
    rows = {random.Random(number).randbytes(32): entry(b"%d" % number).oid for number in range(1200)}
    backend.apply(Batch(derivations=rows))
    assert list(backend.derivations()) == sorted(rows.items())


def test_tracks_and_local_facts_are_kept(backend: Backend) -> None:
    backend.apply(Batch(tracks={b"t": b"value", b"e": b""}, local={"fact": b"yes"}))
    assert (backend.track(b"t"), backend.track(b"e"), backend.track(b"x")) == (b"value", b"", None)
    assert list(backend.tracks()) == [(b"e", b""), (b"t", b"value")]
    assert (backend.local("fact"), backend.local("other")) == (b"yes", None)
    backend.apply(Batch(local={"faction": b"no", "e": b""}))
    assert list(backend.facts("fact")) == [("fact", b"yes"), ("faction", b"no")]


def test_a_ref_points_where_it_was_moved_last(backend: Backend) -> None:
    backend.apply(move("names/x", A.oid, None))
    backend.apply(move("names/x", B.oid, A.oid))
    assert backend.ref("names/x") == B.oid
    assert backend.ref("names/y") is None


def test_refs_are_listed_by_name_under_a_prefix(backend: Backend) -> None:
    for name in ("tags/b", "names/b", "names/a", "names/ab"):
        backend.apply(move(name, A.oid))
    assert [name for name, _ in backend.refs("names/")] == ["names/a", "names/ab", "names/b"]
    assert len(list(backend.refs())) == 4


def test_a_ref_elsewhere_than_expected_is_a_conflict_with_both_values(backend: Backend) -> None:
    backend.apply(move("names/x", A.oid))
    with pytest.raises(RefConflict) as caught:
        backend.apply(move("names/x", C.oid, B.oid))
    assert (caught.value.expected, caught.value.actual) == (B.oid, A.oid)


@pytest.mark.parametrize("expected", [None, C.oid])
def test_one_conflict_means_that_nothing_of_a_batch_is_applied(backend: Backend, expected: bytes | None) -> None:
    backend.apply(move("names/x", A.oid))
    batch = Batch(
        objects=[B],
        derivations={b"k": B.oid},
        tracks={b"t": b"1"},
        local={"l": b"1"},
        refs=[RefUpdate("names/new", B.oid, None), RefUpdate("names/x", B.oid, expected)],
        message="m",
    )
    with pytest.raises(RefConflict):
        backend.apply(batch)
    assert not backend.has(B.oid)
    assert backend.derivation(b"k") is None
    assert backend.track(b"t") is None
    assert backend.local("l") is None
    assert dict(backend.refs()) == {"names/x": A.oid}
    assert len(backend.reflog("names/x")) == 1


def test_a_ref_that_has_its_new_value_counts_as_moved_and_leaves_no_trace(backend: Backend) -> None:
    backend.apply(move("names/x", A.oid))
    backend.apply(move("names/x", A.oid, B.oid))
    assert len(backend.reflog("names/x")) == 1


def test_an_absent_ref_can_be_deleted_again(backend: Backend) -> None:
    backend.apply(move("names/x", None, A.oid))
    assert backend.reflog("names/x") == []


def test_the_reflog_has_every_move_newest_first_and_outlives_the_ref(backend: Backend) -> None:
    for number, new in enumerate((A.oid, B.oid, None, C.oid)):
        backend.apply(Batch(refs=[RefUpdate("names/x", new)], message=f"m{number}", who="me", time=number))
    assert backend.reflog("names/x") == [
        ReflogEntry(None, C.oid, 3, "me", "m3"),
        ReflogEntry(B.oid, None, 2, "me", "m2"),
        ReflogEntry(A.oid, B.oid, 1, "me", "m1"),
        ReflogEntry(None, A.oid, 0, "me", "m0"),
    ]
    assert backend.reflog("names/other") == []


def test_reflogs_of_names_that_begin_alike_are_kept_apart(backend: Backend) -> None:
    for name in ("names/x", "names/x1", "names/x-1"):
        backend.apply(move(name, A.oid))
    assert len(backend.reflog("names/x")) == 1


@pytest.mark.parametrize("name", ["x", "names/", "names/.x", "names/x.lock", "Names/é", "a//b", "names/con"])
def test_a_name_that_no_ref_can_have_is_refused(backend: Backend, name: str) -> None:
    with pytest.raises(UsageError):
        backend.apply(move(name, A.oid))


def test_one_batch_cannot_move_a_ref_twice(backend: Backend) -> None:
    with pytest.raises(UsageError):
        backend.apply(Batch(refs=[RefUpdate("names/x", A.oid), RefUpdate("names/x", B.oid)]))
    assert backend.ref("names/x") is None


def test_an_oid_of_another_length_is_refused_as_a_target(backend: Backend) -> None:
    with pytest.raises(UsageError):
        backend.apply(move("names/x", b"short"))


def test_statistics_count_what_is_there(backend: Backend) -> None:
    backend.apply(Batch(objects=[A, B], derivations={b"k": A.oid}, tracks={b"t": b""}))
    backend.apply(move("names/x", A.oid))
    found = backend.statistics()
    assert (found.objects, found.derivations, found.tracks, found.refs) == (2, 1, 1, 1)


def test_a_closed_backend_says_so(backend: Backend) -> None:
    backend.close()
    backend.close()
    with pytest.raises(StorageError, match="closed"):
        backend.get(A.oid)
    with pytest.raises(StorageError, match="closed"):
        backend.apply(Batch(objects=[A]))


def test_threads_that_compete_for_a_ref_never_lose_an_update(backend: Backend) -> None:
    winners: list[int] = []

    def compete(number: int) -> None:
        for step in range(12):
            mine = entry(b"%d-%d" % (number, step))
            while True:
                old = backend.ref("names/x")
                try:
                    backend.apply(Batch(objects=[mine], refs=[RefUpdate("names/x", mine.oid, old)]))
                except RefConflict:
                    continue
                winners.append(number)
                break

    threads = [threading.Thread(target=compete, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = backend.reflog("names/x")
    assert len(log) == len(winners) == 48
    assert all(later.old == earlier.new for later, earlier in pairwise(log))


def test_many_records_of_a_label_are_all_readable_once_they_share_a_dictionary(backend: Backend) -> None:
    draw = random.Random(3)
    words = [draw.randbytes(4).hex() for _ in range(300)]
    stored = [entry(" ".join(draw.choices(words, k=60)).encode(), "text") for _ in range(1600)]
    for start in range(0, 1600, 400):
        backend.apply(Batch(objects=stored[start : start + 400]))
    assert dict(backend.get_many([each.oid for each in stored])) == {each.oid: each.payload for each in stored}


def test_foreign_objects_are_kept_as_they_lay(backend: Backend, tmp_path: Path) -> None:
    stored = [entry(b"generation %d of some words that come again" % number, "value:x") for number in range(1_200)]
    other = LmdbBackend(tmp_path / "other", create=True)
    for start in range(0, 1_200, 300):
        other.apply(Batch(objects=stored[start : start + 300]))
    foreign = [
        Foreign(found.frame, None if found.dictionary is None else other.get(found.dictionary))
        for found in other.stored([each.oid for each in stored])
    ]
    other.close()
    assert any(each.dictionary for each in foreign)
    assert backend.apply(Batch(foreign=foreign[:700])) >= 700
    assert backend.apply(Batch(foreign=foreign)) >= 500
    assert backend.apply(Batch(foreign=foreign)) == 0
    assert dict(backend.get_many(each.oid for each in stored)) == {each.oid: each.payload for each in stored}


def test_objects_are_told_with_their_frames(backend: Backend) -> None:
    backend.apply(Batch(objects=[A, B]))
    assert [(found.frame.oid, found.payload) for found in backend.stored([B.oid, A.oid])] == [
        (B.oid, B.payload),
        (A.oid, A.payload),
    ]
    with pytest.raises(ObjectNotFound):
        list(backend.stored([C.oid]))
