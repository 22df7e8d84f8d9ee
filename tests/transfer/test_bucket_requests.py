"""How many requests a bucket takes, and what is downloaded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.buckets import moto, new_prefix, opener
from tests.support.large_push import large
from tests.support.proxy import Proxy, proxy
from tests.support.stores import store_run
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.bucket.endpoint import BucketEndpoint
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer


@pytest.fixture(scope="module")
def counting() -> Iterator[Proxy]:
    with proxy(moto().url) as running:
        yield running


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Repository]:
    with Repository.init(tmp_path / "here") as opened:
        yield opened


def push(here: Repository, there: BucketEndpoint) -> None:
    transfer(StoreEndpoint(here), there, [RefUpdate("names/demo", here.ref("names/demo"))], message="push")


def test_a_push_of_nothing_new_is_one_request(counting: Proxy, here: Repository) -> None:
    place = opener(counting.url)
    store_run(here, 50)
    push(here, place())
    counting.begin()
    push(here, place())
    assert [request.method for request in counting.requests] == ["GET"]


def test_a_push_downloads_only_root_and_indexes(counting: Proxy, here: Repository, tmp_path: Path) -> None:
    place = opener(counting.url)
    first = store_run(here, 700)
    push(here, place())
    store_run(here, 701, parent=first.run)
    counting.begin()
    push(here, place())
    read = [request.path.rpartition("/")[2] for request in counting.requests if request.method == "GET"]
    assert {name.rpartition(".")[2] for name in read if not name.startswith("probe-")} == {"json", "idx"}
    assert len(counting.requests) <= 14


def test_indexes_that_are_here_are_not_downloaded(counting: Proxy, here: Repository, tmp_path: Path) -> None:
    url = new_prefix()
    place = opener(counting.url, url, cache=tmp_path / "cache")
    run = store_run(here, 20)
    push(here, opener(counting.url, url)())
    assert place().missing([run.run]) == []
    kept = list((tmp_path / "cache").iterdir())
    assert [file.suffix for file in kept] == [".idx"]
    assert kept[0].stat().st_mode & 0o777 == 0o600
    counting.begin()
    assert place().missing([run.run]) == []
    assert [request.path.rpartition("/")[2] for request in counting.requests] == ["root.json"]


def test_an_index_that_was_damaged_here_is_downloaded_again(here: Repository, tmp_path: Path) -> None:
    place = opener(moto().url, cache=tmp_path / "cache")
    run = store_run(here, 20)
    push(here, place())
    (kept,) = (tmp_path / "cache").iterdir()
    sound = kept.read_bytes()
    kept.write_bytes(bytes([sound[0] ^ 1]) + sound[1:])
    assert place().missing([run.run, sound[:32]]) == []
    assert kept.read_bytes() == sound


def test_64_megabytes_are_sent_in_20_requests(counting: Proxy) -> None:
    there = opener(counting.url)()
    counting.begin()
    with Repository.memory() as nothing:
        sent = there.take(large(64), StoreEndpoint(nothing))
    assert sent.size > 64 << 20
    assert len(counting.requests) < 20, counting.requests  # One more moves a ref.


def test_memory_does_not_grow_with_what_is_sent() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.large_push", moto().url, new_prefix(), "200"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) <= 200, f"{done.stdout} MB"


def test_a_fetch_of_a_run_is_few_requests(counting: Proxy, here: Repository) -> None:
    place = opener(counting.url)
    store_run(here, 700)
    push(here, place())
    with Repository.memory() as other:
        counting.begin()
        transfer(place(), StoreEndpoint(other), [RefUpdate("names/demo", here.ref("names/demo"))], message="fetch")
    # One for root.json, one for the index, then one for each round of the walk and for each dictionary.
    assert len(counting.requests) <= 20, counting.requests
