"""Connections between a store and a server that break: at every request, and every 64 KB, in either direction.

Whatever was acknowledged is there, no ref moves before what it reaches has arrived, and a repeat sends nothing of what
did. Usually a sample of the places; THEMIS_FAULTS=full takes all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from tests.support.cutting import proxy
from tests.support.killing import FULL, Tally
from tests.support.serving import Serving, serving
from tests.support.stores import store_run
from themis_vcs.errors import RemoteError
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer import wire_endpoint
from themis_vcs.transfer.endpoint import Transferred
from themis_vcs.transfer.http import client
from themis_vcs.transfer.http.client import HttpWire, open_http
from themis_vcs.transfer.send import packs
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer

CASES = 2_000 if FULL else 1_000
EVERY = 64 << 10


@pytest.fixture(autouse=True)
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a push has several requests, and none of them is made twice by the client itself."""
    monkeypatch.setattr(
        wire_endpoint, "packs", lambda *arguments, **options: packs(*arguments, **{**options, "limit": EVERY})
    )
    monkeypatch.setattr(client, "ATTEMPTS", 1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Repository, Oid]]:
    with Repository.init(tmp_path_factory.mktemp("cuts") / "here") as here:
        yield here, store_run(here, CASES).run


def push(here: Repository, run: Oid, url: str) -> Transferred:
    with closing(open_http(url)) as endpoint:
        return transfer(StoreEndpoint(here), endpoint, [RefUpdate("names/demo", run)], message="push")


def fetch(there: Repository, run: Oid, url: str) -> Transferred:
    with closing(open_http(url)) as endpoint:
        return transfer(endpoint, StoreEndpoint(there), [RefUpdate("names/demo", run)], message="fetch")


def sampled(places: list[int]) -> list[int]:
    """Return all in the full dose, else the first, one in the middle, and the last."""
    return places if FULL else sorted({places[0], places[len(places) // 2], places[-1]})


def problems(store: Path, run: Oid, again: Any) -> list[str]:
    """Look at the store that was sent to, then let `again` repeat what broke."""
    found = []
    with Repository.open(store) as there:
        arrived = {oid for oid, _ in there.backend.everything()}
        if there.ref("names/demo") is not None:
            list(there.walk([run]))  # Corrupt if anything is missing
        sent = again(there)
        if there.ref("names/demo") != run:
            found.append("the ref has not moved")
        reached = {oid for oid, _ in there.walk([run])}
        if sent.objects != len(reached - arrived):
            found.append(f"a repeat sent {sent.objects} objects, and {len(reached - arrived)} were missing")
    return found


def cut_push(here: Repository, run: Oid, directory: Path, cuts: dict[str, int]) -> tuple[list[str], str]:
    Repository.init(directory).close()
    with serving(directory, "--quiet") as server:
        with proxy(server.address, **cuts) as between:
            try:
                push(here, run, between.url)
                kind = "done all the same"
            except RemoteError:
                kind = "broken off"
        return problems(directory, run, lambda there: push(here, run, server.url)), kind


def measured(here: Repository, run: Oid, server: Serving, directory: Path) -> dict[str, int]:
    """How many bytes go each way for a push, and then for a fetch."""
    with proxy(server.address) as between:
        push(here, run, between.url)
        pushed = dict(between.counts)
    with proxy(server.address) as between, Repository.init(directory) as there:
        fetch(there, run, between.url)
        fetched = dict(between.counts)
    return {f"push {way}": size for way, size in pushed.items()} | {
        f"fetch {way}": size for way, size in fetched.items()
    }


def test_a_push_that_is_cut_anywhere(source: tuple[Repository, Oid], tmp_path: Path) -> None:
    tally = Tally("a push over HTTP that is cut")
    Repository.init(tmp_path / "whole").close()
    with serving(tmp_path / "whole", "--quiet") as server:
        sizes = measured(*source, server, tmp_path / "fetched")
    assert sizes["push up"] > 3 * EVERY
    places = [("cut_up", at) for at in sampled([*range(100, sizes["push up"], EVERY), sizes["push up"] - 20])]
    places += [("cut_down", at) for at in sampled([*range(40, sizes["push down"], EVERY), sizes["push down"] - 20])]
    for number, (way, at) in enumerate(places):
        found, kind = cut_push(*source, tmp_path / f"there-{number}", {way: at})
        tally.add(f"{way} at {at:,}", found, kind)
    text = tally.report()
    assert tally.failures == [], text
    assert tally.counts["broken off"] >= len(places) // 2


def test_a_push_that_is_cut_at_every_request(
    source: tuple[Repository, Oid], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the request has been carried out, and before the answer has come."""
    tally = Tally("a push over HTTP that loses an answer")
    asked: list[str] = []
    turn = Lock()
    lost = -1

    def lossy(wire: HttpWire, question: str, *rest: Any, once: Any = HttpWire._once) -> bytearray:
        with turn:  # a pack is sent beside the questions
            number = len(asked)
            asked.append(question)
        answer: bytearray = once(wire, question, *rest)
        if number == lost:
            raise RemoteError("lost")
        return answer

    monkeypatch.setattr(HttpWire, "_once", lossy)
    Repository.init(tmp_path / "whole").close()
    with serving(tmp_path / "whole", "--quiet") as server:
        push(*source, server.url)
    for number in sampled(list(range(len(asked)))):
        question, directory = asked[number], tmp_path / f"there-{number}"
        everything = list(asked)
        Repository.init(directory).close()
        with serving(directory, "--quiet") as server:
            asked.clear()
            lost = number
            with pytest.raises(RemoteError):
                push(*source, server.url)
            lost = -1
            again = partial(push, *source, server.url)
            tally.add(f"{question} {number}", problems(directory, source[1], lambda _, again=again: again()), question)
        asked[:] = everything
    text = tally.report()
    assert tally.failures == [], text


def test_a_fetch_that_is_cut_anywhere(source: tuple[Repository, Oid], tmp_path: Path) -> None:
    tally = Tally("a fetch over HTTP that is cut")
    here, run = source
    Repository.init(tmp_path / "there").close()
    with serving(tmp_path / "there", "--quiet") as server:
        sizes = measured(here, run, server, tmp_path / "fetched")
        places = [
            ("cut_down", at) for at in sampled([*range(100, sizes["fetch down"], EVERY), sizes["fetch down"] - 20])
        ]
        places += [("cut_up", at) for at in sampled(list(range(40, sizes["fetch up"], EVERY)))]
        for number, (way, at) in enumerate(places):
            directory = tmp_path / f"here-{number}"
            with (
                Repository.init(directory) as mine,
                proxy(server.address, **{way: at}) as between,
                pytest.raises(RemoteError),
            ):
                fetch(mine, run, between.url)
            found = problems(directory, run, lambda mine: fetch(mine, run, server.url))
            tally.add(f"{way} at {at:,}", found, way)
    text = tally.report()
    assert tally.failures == [], text


def test_a_server_that_is_killed_in_the_midst(source: tuple[Repository, Oid], tmp_path: Path) -> None:
    tally = Tally("a push to a server that is killed")
    here, run = source
    for number in range(20 if FULL else 2):
        directory = tmp_path / f"there-{number}"
        Repository.init(directory).close()
        seen: list[Transferred] = []
        with serving(directory, "--quiet") as server, closing(open_http(server.url)) as endpoint:
            kill = server.process.kill
            fatal = 1 + number % 3

            def progress(sent: Transferred, seen: Any = seen, kill: Any = kill, fatal: int = fatal) -> None:
                seen.append(sent)
                if len(seen) == fatal:
                    kill()

            update = [RefUpdate("names/demo", run)]
            with pytest.raises(RemoteError):
                transfer(StoreEndpoint(here), endpoint, update, message="push", progress=progress)
        with Repository.open(directory) as there:
            acknowledged = seen[-1].objects
            found = [] if len(list(there.backend.everything())) >= acknowledged else ["what was acknowledged is lost"]
        with serving(directory, "--quiet") as server:
            url = server.url
            found += problems(directory, run, lambda there, url=url: push(here, run, url))
        tally.add(f"pack {len(seen)}", found)
    text = tally.report()
    assert tally.failures == [], text


@pytest.mark.parametrize("number", [2, 15])
def test_a_server_that_is_stopped_in_the_midst_finishes_what_it_does(
    source: tuple[Repository, Oid], tmp_path: Path, number: int
) -> None:
    here, run = source
    Repository.init(tmp_path / "there").close()
    with serving(tmp_path / "there") as server, closing(open_http(server.url)) as endpoint:
        stopped = []

        def progress(sent: Transferred) -> None:
            if not stopped:
                stopped.append(sent)
                server.process.send_signal(number)

        with pytest.raises(RemoteError):
            transfer(StoreEndpoint(here), endpoint, [RefUpdate("names/demo", run)], message="push", progress=progress)
        assert server.stop(0) == 0
        assert "Traceback" not in server.log
    with Repository.open(tmp_path / "there") as there:
        assert there.ref("names/demo") is None
        assert len(list(there.backend.everything())) >= stopped[0].objects
    with serving(tmp_path / "there") as server:
        assert problems(tmp_path / "there", run, lambda _: push(here, run, server.url)) == []
