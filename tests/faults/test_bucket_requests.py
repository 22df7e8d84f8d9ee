"""A push to a bucket of which any one request is lost, answered wrongly or comes twice, or all from one on are lost.

It may fail and say that it may have happened, but it never says that it was done when it was not, nor that there was a
conflict when there was none; no ref points to what is not there; and the next push finishes it.

THEMIS_FAULTS=full tries every request with every fault, about 350, instead of 102.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.buckets import moto, new_prefix, opener
from tests.support.killing import Tally, sample
from tests.support.large_push import large
from tests.support.proxy import CUT, DROP, FAIL, FAULTS, TWICE, proxy
from tests.support.pushing import outcome, problems, push
from tests.support.stores import Stored, store_run
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.bucket import endpoint
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import lacking

ONWARDS = "all requests are lost from here on"
EVERY = (*FAULTS, ONWARDS)
LANES = 6


@pytest.fixture(scope="module")
def source() -> Iterator[Repository]:
    with Repository.memory() as opened:
        yield opened


@pytest.fixture(scope="module")
def first(source: Repository) -> Stored:
    return store_run(source, 30)


@pytest.fixture(scope="module")
def second(source: Repository, first: Stored) -> Stored:
    return store_run(source, 40, draw=1, parent=first.run)


@pytest.fixture(autouse=True)
def packs_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "PACK_BYTES", 4_000)


@pytest.mark.parametrize("again", [False, True], ids=["into nothing", "onto what is there"])
def test_a_request_of_a_push_goes_wrong(source: Repository, first: Stored, second: Stored, again: bool) -> None:
    before, run = (first.run, second.run) if again else (None, first.run)

    def trial(kind: str, number: int) -> tuple[list[str], str, int]:
        url = new_prefix()
        clean = opener(moto().url, url)
        if before is not None:
            push(source, clean(), before, None)
        with proxy(moto().url) as between:
            hit = (lambda at: CUT if at >= number else "") if kind == ONWARDS else lambda at: kind * (at == number)
            there = opener(between.url, url)()
            between.begin(hit)
            said = outcome(lambda: push(source, there, run, before))
            requests = between.begun
        found = ["a conflict with nobody"] if said == "conflict" else []
        found += problems(clean(), source, [run] if said == "done" else [before, run])
        lacks = sum(1 for _ in lacking(StoreEndpoint(source), clean(), [run]))
        sent = push(source, clean(), run, before).objects
        if sent != lacks:
            found.append(f"{sent} objects were sent again, {lacks} were not there")
        found += problems(clean(), source, [run])
        return found, said, requests

    requests = trial("", -1)[2]
    assert requests > 12
    tally = Tally(f"a request of a push {'onto what is there' if again else 'into nothing'} goes wrong")
    trials = sample([(kind, number) for kind in EVERY for number in range(requests)], 45)
    with ThreadPoolExecutor(LANES) as lanes:
        for (kind, number), (found, said, _) in zip(trials, lanes.map(lambda each: trial(*each), trials), strict=True):
            tally.add(f"{kind}, request {number}", found, said)
    text = tally.report()
    assert tally.failures == [], text
    assert tally.counts["done"] > 0 < tally.counts["unknown"]


def test_a_request_of_a_push_in_parts_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "PACK_BYTES", 64 << 20)
    items = list(large(17))
    oids = [item.frame.oid for item in items]

    def trial(kind: str, number: int) -> tuple[list[str], str, int]:
        url = new_prefix()
        with proxy(moto().url) as between, Repository.memory() as nothing:
            there = opener(between.url, url)()
            between.begin(lambda at: kind * (at == number))
            said = outcome(lambda: there.take(items, StoreEndpoint(nothing)))
            requests = between.begun
        clean = opener(moto().url, url)()
        lacks = clean.missing(oids)
        found = ["it was not done"] if said == "done" and lacks else []
        arrived = set(oids) - set(lacks)
        found += [] if {each.frame.oid for each in clean.objects(sorted(arrived))} == arrived else ["not all is there"]
        return found, said, requests

    requests = trial("", -1)[2]
    tally = Tally("a request of a push in parts goes wrong")
    for kind, number in sample([(kind, number) for kind in (DROP, FAIL, TWICE) for number in range(requests)], 12):
        found, said, _ = trial(kind, number)
        tally.add(f"{kind}, request {number}", found, said)
    text = tally.report()
    assert tally.failures == [], text
