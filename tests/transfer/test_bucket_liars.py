"""A server that ignores conditions is found out before a ref depends on it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from obstore.store import MemoryStore

from tests.support.buckets import Server, localbucket, moto, opener, rclone, seaweedfs
from tests.support.proxy import proxy
from tests.support.pushing import push
from tests.support.stores import store_run
from themis_vcs.errors import RemoteError
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.bucket.endpoint import BucketEndpoint
from themis_vcs.transfer.bucket.probe import Conditions, probe
from themis_vcs.transfer.bucket.storage import Bucket

if TYPE_CHECKING:
    from obstore import UpdateVersion


@pytest.mark.parametrize("server", [moto, seaweedfs])
def test_a_server_that_honours_conditions_is_trusted(server: Callable[[], Server]) -> None:
    there = opener(server().url)()
    assert probe(there.bucket) == Conditions(create_twice=True, replace_stale=True, replace_absent=True)
    assert list(there.bucket.list()) == []


def refuses(there: BucketEndpoint) -> RemoteError:
    with Repository.memory() as source, pytest.raises(RemoteError, match="ignores conditions") as caught:
        push(source, there, store_run(source, 2).run, None)
    assert there.refs() == {}
    assert not there.root.exists
    assert "single-writer" in (caught.value.hint or "")
    return caught.value


def test_rclone_is_refused() -> None:
    assert "create only if absent" in refuses(opener(rclone().url)()).message


def test_localbucket_is_refused() -> None:
    assert "replace only this version" in refuses(opener(localbucket().url)()).message


@pytest.mark.parametrize(
    ("header", "ignored"),
    [
        ("if-none-match", "create only if absent"),
        ("if-match", "replace only this version; replace only what exists"),
    ],
)
def test_a_proxy_that_takes_a_condition_away_is_refused(header: str, ignored: str) -> None:
    with proxy(moto().url, strip=frozenset({header})) as between:
        assert f"({ignored})" in refuses(opener(between.url)()).message


def test_a_server_that_refuses_and_writes_all_the_same_is_refused() -> None:
    class TwoFaced(Bucket):
        def put_if(self, key: str, data: bytes, version: UpdateVersion | None) -> UpdateVersion | None:
            written = super().put_if(key, data, version)
            if written is None:
                self.put(key, io.BytesIO(data))
            return written

    store = MemoryStore()
    assert "replace only this version" in refuses(BucketEndpoint(TwoFaced(store, store, "memory"))).message


def test_whoever_writes_alone_may_use_it(tmp_path: Path) -> None:
    place = opener(rclone().url, single_writer=True)
    with Repository.memory() as source:
        first = store_run(source, 3)
        push(source, place(), first.run, None)
        second = store_run(source, 4, parent=first.run)
        push(source, place(), second.run, first.run)
        assert place().refs() == {"names/demo": second.run}
        assert place().missing([first.run, second.run]) == []
