"""What one run takes over from another is found by their trees, and only saves questions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.experiments import dataset, experiment
from tests.support.stores import store_run
from themis_vcs import InMemoryRunStore
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.inherited import inherited
from themis_vcs.transfer.sharing import Insistence, plan_push, push
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer


def names(repository: Repository) -> Oid:
    oid = repository.ref("names/demo")
    assert oid is not None
    return oid


def test_all_of_it_is_reached_by_the_old_run_and_what_is_shared_is_most_of_it() -> None:
    store = InMemoryRunStore()
    experiment(200, name="demo").run(store=store)
    old = names(store.repository)
    experiment(datasets=[dataset(200, c7={"input": "other"})], name="demo").run(store=store)
    new = names(store.repository)
    reached = {oid for oid, _ in store.repository.walk([old])}
    found = set(inherited(store.repository, old, new))
    assert found <= reached
    below = {oid for oid, _ in store.repository.walk([new])} & reached
    assert len(found & below) > 10
    assert set(inherited(store.repository, old, old)) == set()


@pytest.mark.parametrize(("before", "after"), [(3, 2_000), (2_000, 3), (1, 9_999), (9_999, 1), (0, 3), (3, 0)])
def test_trees_of_other_heights_only_share_less(before: int, after: int) -> None:
    with Repository.memory() as repository:
        old, new = store_run(repository, before).run, store_run(repository, after).run
        assert inherited(repository, old, new) <= {oid for oid, _ in repository.walk([old])}


def test_a_push_asks_about_little_and_sends_the_same(tmp_path: Path) -> None:
    asked: dict[bool, int] = {}
    sent: dict[bool, int] = {}
    for knowing in (False, True):
        with Repository.memory() as here, Repository.init(tmp_path / str(knowing)) as there:
            end = _Counting(there)
            first = store_run(here, 2_000)
            transfer(StoreEndpoint(here), end, [RefUpdate("names/demo", first.run)], message="push")
            store_run(here, 2_001, parent=first.run)
            end.asked = 0
            if knowing:
                changes = plan_push(here, end.refs(), {"names/demo": names(here)}, "", Insistence())
                sent[knowing] = push(here, end, changes).brought.objects
            else:
                update = RefUpdate("names/demo", names(here))
                sent[knowing] = transfer(StoreEndpoint(here), end, [update], message="push").objects
            asked[knowing] = end.asked
            assert there.ref("names/demo") == names(here)
            assert {oid for oid, _ in there.walk([names(here)])} == {oid for oid, _ in here.walk([names(here)])}
    assert sent[True] == sent[False]
    assert asked[True] < asked[False] / 2


class _Counting(StoreEndpoint):
    asked = 0

    def missing(self, oids: list[Oid]) -> list[Oid]:
        self.asked += len(oids)
        return super().missing(oids)
