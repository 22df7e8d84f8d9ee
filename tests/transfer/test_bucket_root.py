"""A change of `root.json` is made once, whatever the answers say, and what others write is kept (BUCKET-4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import pytest
from obstore.store import MemoryStore

from themis_vcs.errors import RefConflict, RemoteError
from themis_vcs.store.backend import RefUpdate
from themis_vcs.transfer.bucket import root as root_module
from themis_vcs.transfer.bucket.root import REMEMBERED, Root, RootFile
from themis_vcs.transfer.bucket.storage import Bucket, Refused

if TYPE_CHECKING:
    from obstore import UpdateVersion

ONE, TWO, THREE = b"\1" * 32, b"\2" * 32, b"\3" * 32
REF = "names/demo"
Put = Callable[[], "UpdateVersion | None"]


class Scripted(Bucket):
    """A bucket in memory. `answers` stand in for the next writes, each given the real one, or None to pass."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store, store, "memory")
        self.answers: list[Callable[[Put], UpdateVersion | None] | None] = []
        self.reads: list[Exception] = []
        self.writes = 0

    def put_if(self, key: str, data: bytes, version: UpdateVersion | None) -> UpdateVersion | None:
        self.writes += 1
        answer = self.answers.pop(0) if self.answers else None

        def real() -> UpdateVersion | None:
            return Bucket.put_if(self, key, data, version)

        return real() if answer is None else answer(real)

    def get(self, key: str, limit: int) -> tuple[bytes, UpdateVersion] | None:
        if self.reads:
            raise self.reads.pop(0)
        return super().get(key, limit)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root_module.time, "sleep", lambda seconds: None)


def moving(new: bytes | None, expected: bytes | None) -> Callable[[Root], Root]:
    return lambda root: root.moved([RefUpdate(REF, new, expected)])


def elsewhere(store: MemoryStore, new: bytes | None, expected: bytes | None) -> None:
    """Move the ref as another client."""
    RootFile(Bucket(store, store, "other")).change(moving(new, expected))


def at(store: MemoryStore) -> Root:
    return RootFile(Bucket(store, store, "judge")).read()


def test_a_change_whose_answer_is_lost_was_made_though_others_went_on(store: MemoryStore) -> None:
    bucket = Scripted(store)

    def lost(put: Put) -> None:
        put()
        elsewhere(store, TWO, ONE)
        raise RemoteError("no answer")

    bucket.answers = [lost]
    RootFile(bucket).change(moving(ONE, None))
    assert at(store).oids() == {REF: TWO}
    assert bucket.writes == 1


def test_a_change_that_came_twice_was_made(store: MemoryStore) -> None:
    bucket = Scripted(store)
    bucket.answers = [lambda put: (put(), put())[1]]
    RootFile(bucket).change(moving(ONE, None))
    assert at(store).oids() == {REF: ONE}
    assert bucket.writes == 1


def test_a_write_that_arrives_late_counts(store: MemoryStore) -> None:
    bucket = Scripted(store)
    late: list[Put] = []

    def delayed(put: Put) -> None:
        late.append(put)
        raise RemoteError("no answer")

    def meanwhile(put: Put) -> UpdateVersion | None:
        late[0]()
        elsewhere(store, TWO, ONE)
        return put()

    bucket.answers = [delayed, meanwhile]
    RootFile(bucket).change(moving(ONE, None))
    assert at(store).oids() == {REF: TWO}


def test_a_write_that_is_refused_without_reason_is_tried_again(store: MemoryStore) -> None:
    bucket = Scripted(store)
    bucket.answers = [lambda put: None]
    RootFile(bucket).change(moving(ONE, None))
    assert at(store).oids() == {REF: ONE}
    assert bucket.writes == 2


def test_what_others_wrote_is_kept(store: MemoryStore) -> None:
    mine = RootFile(Bucket(store, store, "memory"))
    mine.read()
    elsewhere(store, TWO, None)
    mine.change(lambda root: root.moved([RefUpdate("names/other", ONE, None)]))
    assert at(store).oids() == {REF: TWO, "names/other": ONE}


def test_who_comes_second_is_told_where_the_ref_is(store: MemoryStore) -> None:
    mine = RootFile(Bucket(store, store, "memory"))
    mine.read()
    elsewhere(store, TWO, None)
    with pytest.raises(RefConflict) as caught:
        mine.change(moving(ONE, None))
    assert caught.value.actual == TWO
    assert at(store).oids() == {REF: TWO}


def test_what_cannot_be_read_back_is_unknown(store: MemoryStore) -> None:
    bucket = Scripted(store)
    file = RootFile(bucket)
    file.read()

    def lost(put: Put) -> None:
        bucket.reads = [RemoteError("no connection")]
        raise RemoteError("no answer")

    bucket.answers = [lost]
    with pytest.raises(RemoteError, match="unknown whether root.json was written") as caught:
        file.change(moving(ONE, None))
    assert "run the command again" in (caught.value.hint or "")


def test_who_may_not_write_is_told_at_once(store: MemoryStore) -> None:
    def forbidden(put: Put) -> None:
        raise Refused("HTTP 403")

    bucket = Scripted(store)
    bucket.answers = [forbidden] * 5
    with pytest.raises(Refused, match="403"):
        RootFile(bucket).change(moving(ONE, None))
    assert bucket.writes == 1


def test_a_server_that_fails_again_and_again_is_given_up(store: MemoryStore) -> None:
    def failing(put: Put) -> None:
        raise RemoteError("HTTP 500")

    bucket = Scripted(store)
    bucket.answers = [failing] * 9
    with pytest.raises(RemoteError, match="500"):
        RootFile(bucket).change(moving(ONE, None))
    assert bucket.writes == 3


def test_a_race_that_is_always_lost_ends(store: MemoryStore) -> None:
    bucket = Scripted(store)
    bucket.answers = [lambda put: None] * 1_000
    with pytest.raises(RemoteError, match="others wrote root.json"):
        RootFile(bucket).change(moving(ONE, None))


def test_nothing_to_change_is_nothing_written(store: MemoryStore) -> None:
    elsewhere(store, ONE, None)
    bucket = Scripted(store)
    RootFile(bucket).change(moving(ONE, None))
    assert bucket.writes == 0


def test_the_last_writes_are_remembered(store: MemoryStore) -> None:
    before = None
    for number in range(REMEMBERED + 8):
        elsewhere(store, bytes([number]) * 32, before)
        before = bytes([number]) * 32
    assert len(set(at(store).writes)) == REMEMBERED


def test_a_root_that_would_be_too_large_is_not_written(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root_module, "MAX_BYTES", 200)
    with pytest.raises(Refused, match="would have") as caught:
        RootFile(Bucket(store, store, "memory")).change(
            lambda root: msgspec.structs.replace(root, refs={f"names/{n}": "0" * 64 for n in range(9)})
        )
    assert "compact" in (caught.value.hint or "")
