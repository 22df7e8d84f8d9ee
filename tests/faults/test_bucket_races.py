"""Clients of one bucket that move refs at the same time: of one ref one wins, and no move is lost.

THEMIS_FAULTS=full: 200 rounds on moto and 20 on SeaweedFS, of 2 and of 16 clients, instead of 25 and 5 of 2.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from tests.support.buckets import Server, moto, new_prefix, opener, seaweedfs
from tests.support.killing import FULL, Tally
from tests.support.pushing import REF, outcome, problems, push
from tests.support.stores import store_run
from themis_vcs.model.oid import Oid
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.bucket.upkeep import compact

SERVERS = {"moto": moto, "seaweedfs": seaweedfs}
ROUNDS = {"moto": 200, "seaweedfs": 20} if FULL else {"moto": 25, "seaweedfs": 5}
COMPACTED = 10
"""After so many rounds there is one pack again."""
CLIENTS = (2, 16) if FULL else (2,)


@pytest.mark.parametrize("clients", CLIENTS)
@pytest.mark.parametrize("kind", SERVERS)
def test_of_those_who_push_to_one_ref_one_wins(kind: str, clients: int, tmp_path: Path) -> None:
    server: Server = SERVERS[kind]()
    tally = Tally(f"{clients} clients push to one ref on {kind}")
    place = opener(server.url, new_prefix(), cache=tmp_path)
    ends = [place() for _ in range(clients)]
    barrier = Barrier(clients)
    head: Oid | None = None
    with Repository.memory() as source, ThreadPoolExecutor(clients) as threads:
        for number in range(ROUNDS[kind]):
            draws = [number * clients + each for each in range(clients)]
            runs = [store_run(source, 2, draw=draw, parent=head).run for draw in draws]

            def one(client: int, runs: list[Oid] = runs, expected: Oid | None = head) -> str:
                barrier.wait()
                return outcome(lambda: push(source, ends[client], runs[client], expected))

            said = list(threads.map(one, range(clients)))
            found = [] if sorted(said) == ["conflict"] * (clients - 1) + ["done"] else [f"{said}"]
            winners = [run for run, each in zip(runs, said, strict=True) if each == "done"]
            found += problems(place(), source, winners)
            tally.add(f"round {number}", found, *said)
            head = place().refs()[REF]
            if number % COMPACTED == COMPACTED - 1:
                compact(place())
    text = tally.report()
    assert tally.failures == [], text


@pytest.mark.parametrize("kind", SERVERS)
def test_of_those_who_push_to_different_refs_all_win(kind: str) -> None:
    server: Server = SERVERS[kind]()
    clients, rounds = 6, ROUNDS[kind] // 5
    place = opener(server.url, new_prefix())
    with Repository.memory() as source, ThreadPoolExecutor(clients) as threads:
        runs = [
            [store_run(source, 2, draw=100 * each + number).run for number in range(rounds)] for each in range(clients)
        ]

        def one(client: int) -> None:
            end, before = place(), None
            for run in runs[client]:
                push(source, end, run, before, f"names/client-{client}")
                before = run

        list(threads.map(one, range(clients)))
        there = place()
        assert there.refs() == {f"names/client-{each}": runs[each][-1] for each in range(clients)}
        assert there.missing([run for each in runs for run in each]) == []
