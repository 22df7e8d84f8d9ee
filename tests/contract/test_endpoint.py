"""What every endpoint promises, whatever lies behind it: one suite for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.endpoints import ENDPOINTS, Opened
from tests.support.signing import new_signer
from tests.support.stores import store_run, store_tag
from themis_vcs.errors import RefConflict, ThemisError
from themis_vcs.model.objects import Stage, Tag, Value
from themis_vcs.model.oid import Oid, oid_of
from themis_vcs.signing.sign import sign
from themis_vcs.store.backend import ANY, RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.endpoint import ATTACHED, Endpoint, Transferred
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import lacking, transfer


@pytest.fixture(params=sorted(ENDPOINTS))
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    """Open the endpoint anew: two openings are two clients of the same thing."""
    with ENDPOINTS[request.param](tmp_path / "there") as opened:
        yield opened


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Repository]:
    with Repository.init(tmp_path / "here") as opened:
        yield opened


@contextmanager
def closing(opened: Opened) -> Iterator[Endpoint]:
    endpoint = opened()
    try:
        yield endpoint
    finally:
        endpoint.close()


def push(here: Repository, there: Opened, *names: str) -> Transferred:
    with closing(there) as endpoint:
        updates = [RefUpdate(name, here.ref(name)) for name in names or ("names/demo",)]
        return transfer(StoreEndpoint(here), endpoint, updates, message="push")


def test_what_was_never_used_has_no_refs_and_lacks_everything(there: Opened) -> None:
    with closing(there) as endpoint:
        assert endpoint.refs() == {}
        assert endpoint.missing([bytes(32), b"\1" * 32]) == [bytes(32), b"\1" * 32]
        assert endpoint.name


def test_what_a_ref_reaches_arrives_with_it_and_comes_back(there: Opened, here: Repository, tmp_path: Path) -> None:
    run = store_run(here, 700)
    tag = store_tag(here, run.run)
    sent = push(here, there, "names/demo", "tags/v1")
    reached = [oid for oid, _ in here.walk([tag])]
    assert sent.objects == len(reached)
    with Repository.init(tmp_path / "other") as other, closing(there) as endpoint:
        assert endpoint.refs() == {"names/demo": run.run, "tags/v1": tag}
        assert endpoint.missing(reached) == []
        updates = [RefUpdate(name, oid) for name, oid in endpoint.refs().items()]
        assert transfer(endpoint, StoreEndpoint(other), updates, message="fetch").objects == len(reached)
        assert {oid: other.read(oid) for oid in reached} == {oid: here.read(oid) for oid in reached}
        keys, steps = zip(*here.backend.derivations(), strict=True)
        assert other.derivations_for(keys) == list(steps)
        assert dict(other.refs("runs/")) == dict(here.refs("runs/"))


def test_nothing_new_is_nothing_sent(there: Opened, here: Repository) -> None:
    store_run(here)
    push(here, there)
    assert push(here, there) == Transferred(0, 0)


def test_a_change_sends_what_changed(there: Opened, here: Repository) -> None:
    first = store_run(here, 700)
    push(here, there)
    before = {oid for oid, _ in here.walk([first.run])}
    changed = store_run(here, 701, parent=first.run)
    new = {oid for oid, _ in here.walk([changed.run])} - before
    assert push(here, there).objects == len(new)


def test_a_change_brings_back_what_changed(there: Opened, here: Repository, tmp_path: Path) -> None:
    first = store_run(here, 700)
    push(here, there)
    with Repository.init(tmp_path / "other") as other:
        with closing(there) as endpoint:
            transfer(endpoint, StoreEndpoint(other), [RefUpdate("names/demo", first.run)], message="fetch")
        changed = store_run(here, 701, parent=first.run)
        push(here, there)
        new = {oid for oid, _ in here.walk([changed.run])} - {oid for oid, _ in here.walk([first.run])}
        with closing(there) as endpoint:
            found = transfer(endpoint, StoreEndpoint(other), [RefUpdate("names/demo", changed.run)], message="fetch")
        assert found.objects == len(new)
        assert [oid for oid, _ in other.walk([changed.run])] == [oid for oid, _ in here.walk([changed.run])]


def test_a_line_of_runs_arrives_whole(there: Opened, here: Repository, tmp_path: Path) -> None:
    parent = None
    for draw in range(70):
        parent = store_run(here, 3, draw=draw, parent=parent).run
    assert parent is not None
    push(here, there)
    with Repository.init(tmp_path / "other") as other, closing(there) as endpoint:
        transfer(endpoint, StoreEndpoint(other), [RefUpdate("names/demo", parent)], message="fetch")
        assert {oid for oid, _ in other.walk([parent])} == {oid for oid, _ in here.walk([parent])}


def test_refs_move_together_or_not_at_all(there: Opened, here: Repository) -> None:
    first = store_run(here, 2)
    tag = store_tag(here, first.run)
    push(here, there)
    second = store_run(here, 3, parent=first.run)
    with closing(there) as endpoint:
        endpoint.take(lacking(StoreEndpoint(here), endpoint, [second.run, tag]), StoreEndpoint(here))
        updates = [RefUpdate("tags/v1", tag, None), RefUpdate("names/demo", second.run, second.run[::-1])]
        with pytest.raises(RefConflict) as caught:
            endpoint.move(updates, "push")
        assert (caught.value.name, caught.value.actual) == ("names/demo", first.run)
        assert endpoint.refs() == {"names/demo": first.run}
        endpoint.move([updates[0], RefUpdate("names/demo", second.run, first.run)], "push")
        assert endpoint.refs() == {"names/demo": second.run, "tags/v1": tag}


def test_a_move_that_was_made_is_made_again_without_harm(there: Opened, here: Repository) -> None:
    run = store_run(here, 2)
    push(here, there)
    with closing(there) as endpoint:
        endpoint.move([RefUpdate("names/demo", run.run, None)], "push")
        assert endpoint.refs() == {"names/demo": run.run}


def test_a_ref_is_taken_away(there: Opened, here: Repository) -> None:
    run = store_run(here, 2)
    push(here, there)
    with closing(there) as endpoint:
        with pytest.raises(RefConflict):
            endpoint.move([RefUpdate("names/demo", None, bytes(32))], "push")
        endpoint.move([RefUpdate("names/demo", None, run.run)], "push")
    with closing(there) as endpoint:
        assert endpoint.refs() == {}


def test_of_two_clients_the_second_is_told_where_the_ref_is(there: Opened, here: Repository) -> None:
    first, second = store_run(here, 2), store_run(here, 2, draw=1)
    with closing(there) as one, closing(there) as other:
        for endpoint, run in ((one, first), (other, second)):
            endpoint.take(lacking(StoreEndpoint(here), endpoint, [run.run]), StoreEndpoint(here))
        one.move([RefUpdate("names/demo", first.run, None)], "push")
        with pytest.raises(RefConflict) as caught:
            other.move([RefUpdate("names/demo", second.run, None)], "push")
        assert caught.value.actual == first.run


def test_no_ref_moves_to_what_is_not_there(there: Opened, here: Repository) -> None:
    run = store_run(here, 2)
    with closing(there) as endpoint:
        with pytest.raises(ThemisError):
            endpoint.move([RefUpdate("names/demo", run.run, ANY)], "push")
        assert endpoint.refs() == {}


@pytest.mark.parametrize("name", ["names/demo", "tags/v1"])
def test_a_ref_points_to_an_object_of_its_kind(there: Opened, here: Repository, name: str) -> None:
    stage = store_run(here, 2).stage
    assert isinstance(here.get(stage), Stage)
    with closing(there) as endpoint:
        endpoint.take(lacking(StoreEndpoint(here), endpoint, [stage]), StoreEndpoint(here))
        with pytest.raises(ThemisError, match="kind"):
            endpoint.move([RefUpdate(name, stage, None)], "push")
        assert endpoint.refs() == {}


@pytest.mark.parametrize(
    "name", ["runs/00/head", "remotes/origin/demo", "names/../demo", "names", "names/-x", "store/../x"]
)
def test_only_names_and_tags_can_be_moved_from_outside(there: Opened, here: Repository, name: str) -> None:
    run = store_run(here, 2)
    push(here, there)
    with closing(there) as endpoint:
        with pytest.raises(ThemisError, match="ref"):
            endpoint.move([RefUpdate(name, run.run)], "push")
        assert endpoint.refs() == {"names/demo": run.run}


def test_what_arrived_before_a_failure_is_not_sent_again(there: Opened, here: Repository) -> None:
    run = store_run(here, 700)
    source = StoreEndpoint(here)
    with closing(there) as endpoint:
        items = list(lacking(source, endpoint, [run.run]))
        endpoint.take(items[:500], source)
    with closing(there) as endpoint:
        assert endpoint.refs() == {}
        again = transfer(source, endpoint, [RefUpdate("names/demo", run.run, None)], message="push")
    assert again.objects == len(items) - 500


def test_an_object_of_many_megabytes_goes_both_ways(there: Opened, here: Repository, tmp_path: Path) -> None:
    large = here.put(Value("parsed", [f"{number:024d}" for number in range(500_000)]))
    tag = here.put(Tag("v1", large, "", 0, "somebody"))
    here.commit([RefUpdate("tags/v1", tag)], message="tag")
    push(here, there, "tags/v1")
    with Repository.init(tmp_path / "other") as other, closing(there) as endpoint:
        transfer(endpoint, StoreEndpoint(other), [RefUpdate("tags/v1", tag)], message="fetch")
        assert oid_of(other.read(large)) == large


def signed(here: Repository) -> dict[str, Oid]:
    """Sign names/demo, and return the refs that say so."""
    run = store_run(here, 2)
    sign(here, {"names/demo": run.run}, new_signer())
    return {ref: oid for prefix in ATTACHED for ref, oid in here.refs(prefix)}


def test_signatures_and_the_id_of_the_store_arrive_and_come_back(
    there: Opened, here: Repository, tmp_path: Path
) -> None:
    along = signed(here)
    assert len(along) == 2
    push(here, there, "names/demo", *along)
    with Repository.init(tmp_path / "other") as other, closing(there) as endpoint:
        found = endpoint.refs()
        assert found == {"names/demo": here.ref("names/demo"), **along}
        transfer(endpoint, StoreEndpoint(other), [RefUpdate(*each) for each in found.items()], message="fetch")
        assert {ref: other.read(oid) for ref, oid in along.items()} == {r: here.read(o) for r, o in along.items()}


@pytest.mark.parametrize("name", ["signatures/{key}/names/other", "signatures/{other}/names/demo", "store/other"])
def test_no_signature_is_taken_in_under_a_ref_that_it_is_not_about(there: Opened, here: Repository, name: str) -> None:
    (ref, oid), (_, store) = sorted(signed(here).items())
    name = name.format(key=ref.split("/")[1], other="0" * 32)
    with closing(there) as endpoint:
        endpoint.take(lacking(StoreEndpoint(here), endpoint, [oid, store]), StoreEndpoint(here))
        with pytest.raises(ThemisError, match="ref"):
            endpoint.move([RefUpdate(name, store if name.startswith("store/") else oid)], "push")
        assert endpoint.refs() == {}


@pytest.mark.parametrize("name", ["signatures/{key}/names/demo", "store/id"])
def test_no_other_value_is_taken_in_as_a_signature_or_an_id(there: Opened, here: Repository, name: str) -> None:
    ref = next(iter(signed(here)))
    other = here.put(Value("parsed", {"id": bytes(16)}))
    with closing(there) as endpoint:
        endpoint.take(lacking(StoreEndpoint(here), endpoint, [other]), StoreEndpoint(here))
        with pytest.raises(ThemisError, match="ref"):
            endpoint.move([RefUpdate(name.format(key=ref.split("/")[1]), other)], "push")
        assert endpoint.refs() == {}


def test_what_is_not_there_cannot_be_fetched(there: Opened) -> None:
    with closing(there) as endpoint, pytest.raises(ThemisError, match="00000000"):
        list(endpoint.objects([bytes(32)]))
