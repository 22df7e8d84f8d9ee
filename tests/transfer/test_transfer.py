"""Objects and refs from one store to another, of every pair of kinds of stores."""

from __future__ import annotations

import io
import random
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.experiments import dataset, experiment
from tests.support.packs import framed, mutated, read_all, whole_pack
from tests.support.stores import store_run
from themis_vcs import InMemoryRunStore, LmdbRunStore
from themis_vcs.errors import Corrupt, FormatError, MalformedPack, MissingReference, RefConflict, RemoteError
from themis_vcs.model.objects import Tag, Value
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import ANY, Anything, RefUpdate, Stored
from themis_vcs.store.fsck import fsck
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.endpoint import Progress, Source, Transferred
from themis_vcs.transfer.pack import PackWriter
from themis_vcs.transfer.receive import receive
from themis_vcs.transfer.send import packs
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import lacking
from themis_vcs.transfer.transfer import transfer as between


@pytest.fixture(params=["memory", "lmdb"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repository]:
    with Repository.memory() if request.param == "memory" else Repository.init(tmp_path / "source") as opened:
        yield opened


@pytest.fixture(params=["memory", "lmdb"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repository]:
    with Repository.memory() if request.param == "memory" else Repository.init(tmp_path / "target") as opened:
        yield opened


def transfer(source: Repository, target: Repository, updates: list[RefUpdate], *, message: str) -> Transferred:
    return between(StoreEndpoint(source), StoreEndpoint(target), updates, message=message)


def _lacking(source: Repository, target: Repository, run: Oid) -> Iterator[Stored]:
    return lacking(StoreEndpoint(source), StoreEndpoint(target), [run])


def _update(source: Repository, name: str = "names/demo", expected: Oid | Anything | None = ANY) -> RefUpdate:
    return RefUpdate(name, source.ref(name), expected)


def _everything(repository: Repository) -> dict[bytes, bytes]:
    return dict(repository.backend.everything())


def test_what_a_ref_reaches_arrives_with_it(source: Repository, target: Repository) -> None:
    run = store_run(source, 700)
    transfer(source, target, [_update(source)], message="pull")
    assert target.ref("names/demo") == run.run
    reached = [oid for oid, _ in source.walk([run.run])]
    assert [oid for oid, _ in target.walk([run.run])] == reached
    assert all(target.read(oid) == source.read(oid) for oid in reached)


def test_what_arrived_is_found_by_its_derivation(source: Repository, target: Repository) -> None:
    run = store_run(source)
    transfer(source, target, [_update(source)], message="pull")
    keys = dict(source.backend.derivations())
    assert set(keys.values()) == set(run.steps.values())
    assert target.derivations_for(list(keys)) == list(keys.values())
    target.trust = "local"
    assert target.derivations_for(list(keys)) == [None] * len(keys)


def test_nothing_new_is_nothing_sent_and_read(source: Repository, target: Repository) -> None:
    store_run(source)
    transfer(source, target, [_update(source)], message="pull")
    assert transfer(source, target, [_update(source)], message="pull") == (0, 0)


def test_a_change_sends_what_changed(source: Repository, target: Repository) -> None:
    first = store_run(source, 700)
    transfer(source, target, [_update(source)], message="pull")
    before = set(_everything(source))
    changed = store_run(source, 701, parent=first.run)
    source.flush()
    new = {oid for oid, _ in source.walk([changed.run])} - before
    assert transfer(source, target, [_update(source)], message="pull").objects == len(new)
    assert target.ref("names/demo") == changed.run


def test_a_ref_that_moved_refuses_before_anything_is_sent(source: Repository, target: Repository) -> None:
    store_run(source)
    here = store_run(target, 2, draw=1)
    before = _everything(target)
    with pytest.raises(RefConflict):
        transfer(source, target, [_update(source, expected=None)], message="push")
    assert _everything(target) == before
    assert target.ref("names/demo") == here.run


def test_a_repeat_after_a_failure_sends_only_what_did_not_arrive(
    source: Repository, target: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store_run(source, 700)
    source.flush()
    wanted = sum(1 for _ in _lacking(source, target, run.run))
    made = packs(StoreEndpoint(source), _lacking(source, target, run.run), limit=4_000)
    arrived = sum(receive(next(made), target).objects for _ in range(3))
    assert target.ref("names/demo") is None
    again = transfer(source, target, [_update(source)], message="pull")
    assert again.objects == wanted - arrived > 0


def test_dictionaries_come_along_once(tmp_path: Path) -> None:
    with Repository.init(tmp_path / "source") as source, Repository.init(tmp_path / "target") as target:
        run = store_run(source, 3_000)
        for again in range(2):
            transfer(source, target, [RefUpdate(f"names/n{again}", run.run)], message="pull")
        assert target.statistics().dictionaries == source.statistics().dictionaries > 0
        assert target.statistics().objects >= len(list(source.walk([run.run])))
    report = fsck(tmp_path / "target")
    assert report.findings == []


def test_a_dictionary_that_the_receiver_has_is_only_named(tmp_path: Path) -> None:
    """PACK-2"""
    with Repository.init(tmp_path / "source") as source, Repository.init(tmp_path / "target") as target:
        first = store_run(source, 3_000)
        transfer(source, target, [_update(source)], message="pull")
        changed = store_run(source, 3_001, parent=first.run)
        source.flush()
        thin = next(packs(StoreEndpoint(source), _lacking(source, target, changed.run), knows=target.has))
        whole = next(packs(StoreEndpoint(source), _lacking(source, target, changed.run)))
        assert len(thin.getvalue()) < len(whole.getvalue()) - 4_000
        with Repository.memory() as stranger, pytest.raises(MalformedPack, match="dictionary .* is not here"):
            receive(thin, stranger)
        thin.seek(0)
        assert receive(thin, target).new == 12


def test_a_run_that_was_brought_is_reused_like_one_s_own(tmp_path: Path) -> None:
    there, here = InMemoryRunStore(), LmdbRunStore(tmp_path / "here")
    experiment(6, name="demo").run(store=there)
    transfer(there.repository, here.repository, [_update(there.repository)], message="pull")
    found = experiment(6, name="demo").run(store=here)
    assert {stage: counts.built for stage, counts in found.stages.items()} == dict.fromkeys(found.stages, 0)
    assert found.objects_added == 0
    changed = experiment(datasets=[dataset(6, c2={"input": "other"})], name="demo").run(store=here)
    assert changed.stages["generate"].built == 1
    here.repository.close()


def test_a_pack_that_needs_what_is_not_here_is_refused_whole(target: Repository) -> None:
    absent = framed(Value("parsed", 1))
    tag = framed(Tag("v1", absent.oid, "", 0, "somebody"))
    sink = io.BytesIO()
    writer = PackWriter(sink.write)
    writer.add(framed(Value("parsed", 2)))
    writer.add(tag)
    writer.finish()
    with pytest.raises(MissingReference) as caught:
        receive(io.BytesIO(sink.getvalue()), target)
    assert (caught.value.oid, caught.value.user) == (absent.oid, tag.oid)
    assert _everything(target) == {}


def test_of_a_malformed_pack_nothing_is_stored(target: Repository) -> None:
    data, _ = whole_pack()
    draw = random.Random(3)
    for _ in range(150):
        changed = mutated(data, draw)
        with suppress(Corrupt, FormatError, MissingReference):
            receive(io.BytesIO(changed), target)
            # What is let in is what was packed: the change was one without effect.
            assert [each.payload for each in read_all(changed)] == [each.payload for each in read_all(data)]
            return
        assert _everything(target) == {}


def test_what_compresses_too_well_for_a_pack_travels_raw(source: Repository, target: Repository) -> None:
    oid = source.put(Value("parsed", "a" * 10_000_000))
    tag = source.put(Tag("v1", oid, "", 0, "somebody"))
    source.flush()
    transfer(source, target, [RefUpdate("tags/v1", tag)], message="pull")
    assert target.read(oid) == source.read(oid)


class _Forgetful(StoreEndpoint):
    """A target in which somebody deletes what it said to have, before the first pack arrives."""

    def __init__(self, repository: Repository, times: int, error: Exception) -> None:
        super().__init__(repository)
        self.times, self._error = times, error

    def take(self, items: Iterable[Stored], source: Source, progress: Progress | None = None) -> Transferred:
        self.times -= 1
        if self.times >= 0:
            list(items)
            raise self._error
        return super().take(items, source, progress)


def _elsewhere(code: str) -> RemoteError:
    error = RemoteError("there")
    error.failure = code
    return error


@pytest.mark.parametrize("error", [MissingReference(bytes(32), None), _elsewhere("missing-reference")])
def test_a_target_that_has_lost_what_it_had_is_sent_it_once_more(error: Exception) -> None:
    with Repository.memory() as source, Repository.memory() as target:
        run = store_run(source, 4).run
        update = RefUpdate("names/demo", run)
        between(StoreEndpoint(source), _Forgetful(target, 1, error), [update], message="push")
        assert target.ref("names/demo") == run
        with pytest.raises(type(error)):
            between(StoreEndpoint(source), _Forgetful(target, 2, error), [update._replace(name="names/x")], message="p")


def test_other_failures_are_not_repeated() -> None:
    with Repository.memory() as source, Repository.memory() as target:
        update = RefUpdate("names/demo", store_run(source, 4).run)
        endpoint = _Forgetful(target, 1, _elsewhere("storage"))
        with pytest.raises(RemoteError):
            between(StoreEndpoint(source), endpoint, [update], message="push")
        assert endpoint.times == 0
