"""What a bucket does as an endpoint beyond what every endpoint promises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from obstore.store import MemoryStore

from tests.support.pushing import push
from tests.support.stores import store_run
from themis_vcs.errors import MissingReference
from themis_vcs.store.backend import RefUpdate, Stored
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.bucket import endpoint
from themis_vcs.transfer.bucket.endpoint import BucketEndpoint
from themis_vcs.transfer.bucket.storage import Bucket
from themis_vcs.transfer.endpoint import Transferred
from themis_vcs.transfer.store_endpoint import StoreEndpoint


@pytest.fixture
def there() -> BucketEndpoint:
    store = MemoryStore()
    return BucketEndpoint(Bucket(store, store, "memory"))


def test_what_a_ref_shall_point_to_and_is_not_there_is_named(there: BucketEndpoint) -> None:
    with pytest.raises(MissingReference) as caught:
        there.move([RefUpdate("names/demo", b"\1" * 32, None)], "push")
    assert caught.value.oid == b"\1" * 32


def test_progress_is_told_pack_by_pack(there: BucketEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "PACK_BYTES", 4_000)
    told: list[Transferred] = []
    with Repository.memory() as source:
        end = StoreEndpoint(source)
        run = store_run(source, 30).run
        sent = there.take(end.objects([oid for oid, _ in source.walk([run])]), end, told.append)
    assert len(told) == len(there.root.known().packs) > 2
    assert told == sorted(told)
    assert told[-1] == sent


def test_an_interrupted_push_leaves_no_file_open(there: BucketEndpoint) -> None:
    """An open file would be a ResourceWarning, and so a failure of this test."""
    with Repository.memory() as source, pytest.raises(KeyError):
        end = StoreEndpoint(source)
        run = store_run(source, 30).run

        def failing() -> Iterator[Stored]:
            yield from end.objects([run])
            raise KeyError

        there.take(failing(), end)


def test_the_same_bytes_are_listed_once(there: BucketEndpoint) -> None:
    with Repository.memory() as source:
        end = StoreEndpoint(source)
        items = list(end.objects([store_run(source, 3).params]))
        there.take(items, end)
        there.take(items, end)
        assert len(there.root.known().packs) == 1
        assert there.missing([items[0].frame.oid]) == []


def test_what_was_closed_can_be_asked_again(there: BucketEndpoint) -> None:
    with Repository.memory() as source:
        run = store_run(source, 3).run
        push(source, there, run, None)
    there.close()
    assert there.missing([run]) == []
    assert there.refs() == {"names/demo": run}
