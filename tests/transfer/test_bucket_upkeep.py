"""Compaction and garbage collection keep all that anybody could reach."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.buckets import moto, opener, seaweedfs
from tests.support.pushing import problems, push
from tests.support.stores import store_run, store_tag
from themis_vcs.errors import Corrupt, RemoteError, UsageError
from themis_vcs.model.objects import load
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.bucket import endpoint
from themis_vcs.transfer.bucket.endpoint import BucketEndpoint
from themis_vcs.transfer.bucket.index import pack_key
from themis_vcs.transfer.bucket.probe import probe
from themis_vcs.transfer.bucket.root import PackEntry
from themis_vcs.transfer.bucket.upkeep import compact, gc
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer
from themis_vcs.transfer.unpack import PackReader

Place = Callable[[], BucketEndpoint]


@pytest.fixture(params=["moto", "seaweedfs"])
def place(request: pytest.FixtureRequest) -> Place:
    return opener({"moto": moto, "seaweedfs": seaweedfs}[request.param]().url)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Repository]:
    """A store on disk: only there are dictionaries."""
    with Repository.init(tmp_path / "source") as opened:
        yield opened


def line(source: Repository, there: BucketEndpoint, length: int, cases: int = 3) -> bytes:
    """Push a line of runs, each in a pack of its own; return the last."""
    before = None
    for draw in range(length):
        run = store_run(source, cases + draw, draw=draw, parent=before).run
        push(source, there, run, before)
        before = run
    assert before is not None
    return before


def keys(there: BucketEndpoint) -> set[str]:
    return {each.key for each in there.bucket.list()}


def entries(there: BucketEndpoint) -> list[PackEntry]:
    return there.refresh().root.known().packs


def test_many_packs_become_one(place: Place, source: Repository) -> None:
    run = line(source, place(), 8)
    there = place()
    before = [oid for index in there.refresh().indexes for oid in index.oids()]
    assert compact(there) == (8, 1)
    assert place().refs() == {"names/demo": run}
    assert place().missing(before) == []
    assert problems(place(), source, [run]) == []
    assert compact(there) == (0, 0)


def test_what_is_compacted_is_a_pack_like_others(place: Place, source: Repository) -> None:
    """PACK-1, PACK-2: children first, and dictionaries before those who use them."""
    line(source, place(), 4, cases=700)
    there = place()
    names = [oid for index in there.refresh().indexes for oid in index.dictionaries()]
    assert names
    compact(there)
    (entry,) = entries(there)
    data = there.bucket.get_range(pack_key(entry), 0, entry.size)
    reader = PackReader(io.BytesIO(data))
    assert len(list(reader)) == entry.objects
    assert reader.needs == {}
    assert reader.hash.hex() == entry.hash


def test_dictionaries_that_only_other_packs_need_stay(place: Place, source: Repository) -> None:
    run = store_run(source, 700).run
    source.flush()
    end = StoreEndpoint(source)
    oids = [oid for oid, _ in source.walk([run])]
    compressed = [item for item in end.objects(oids) if item.dictionary is not None]
    assert compressed
    # Two small packs with the dictionaries, and a large one that has the same objects and only names the dictionaries.
    place().take(compressed[:1], end)
    place().take(compressed[-1:], end)
    place().take(list(end.objects(oids)), end)
    there = place()
    *_, large = sorted(each.size for each in entries(there))
    assert compact(there, small=large).before == 2
    with Repository.memory() as copy:
        transfer(place(), StoreEndpoint(copy), [RefUpdate("names/demo", run)], message="fetch")
        assert {oid for oid, _ in copy.walk([run])} == set(oids)


def test_every_compaction_keeps_all(place: Place, source: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    run = line(source, place(), 3, cases=700)
    there = place()
    largest = max(each.size for each in entries(there))
    monkeypatch.setattr(endpoint, "PACK_BYTES", 10_000)
    compact(there, small=largest)
    assert problems(place(), source, [run]) == []
    compact(there, small=largest + 1)
    assert problems(place(), source, [run]) == []
    assert len(entries(there)) > 3


def test_a_push_during_a_compaction_is_kept(place: Place, source: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    run = line(source, place(), 3)
    later = store_run(source, 9, draw=9, parent=run).run
    there = place()
    change = there.root.change

    def late(*arguments: object) -> None:
        push(source, place(), later, run)
        change(*arguments)

    monkeypatch.setattr(there.root, "change", late)
    compact(there)
    assert place().refs() == {"names/demo": later}
    assert problems(place(), source, [later]) == []


def test_of_two_who_compact_one_does(place: Place, source: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    run = line(source, place(), 3)
    there = place()
    change = there.root.change

    def late(*arguments: object) -> None:
        compact(place())
        change(*arguments)

    monkeypatch.setattr(there.root, "change", late)
    with pytest.raises(RemoteError, match="somebody else"):
        compact(there)
    assert len(entries(there)) == 1
    assert problems(place(), source, [run]) == []


def test_who_reads_during_a_compaction_and_its_garbage_finds_all(place: Place, source: Repository) -> None:
    run = line(source, place(), 5)
    there = place()
    assert there.refs() == {"names/demo": run}
    assert there.missing([run]) == []
    other = place()
    compact(other)
    assert gc(other, grace_seconds=0)
    with Repository.memory() as copy:
        transfer(there, StoreEndpoint(copy), [RefUpdate("names/demo", run)], message="fetch")
        assert {oid for oid, _ in copy.walk([run])} == {oid for oid, _ in source.walk([run])}


def test_garbage_is_what_nobody_lists(place: Place, source: Repository) -> None:
    run = line(source, place(), 4)
    there = place()
    old = {pack_key(each) for each in entries(there)}
    probe(there.bucket)
    there.bucket.put("probe-" + 32 * "0", io.BytesIO(b"left over"))
    there.bucket.put("notes.txt", io.BytesIO(b"not ours"))
    compact(there)
    doomed = gc(there, grace_seconds=0, dry_run=True)
    assert len(doomed) == 9
    assert old < set(doomed) < keys(there)
    assert gc(there) == []
    assert sorted(gc(there, grace_seconds=0)) == sorted(doomed)
    (entry,) = entries(there)
    assert keys(there) == {"root.json", "notes.txt", f"packs/{entry.name}.pack", f"packs/{entry.name}.idx"}
    assert problems(place(), source, [run]) == []


def test_a_pack_that_is_not_listed_yet_is_protected_by_the_grace(place: Place, source: Repository) -> None:
    run = line(source, place(), 1)
    there = place()
    later = store_run(source, 5, draw=5, parent=run).run
    items = StoreEndpoint(source).objects([oid for oid, _ in source.walk([later])])
    (unlisted,) = list(there.upload(items, StoreEndpoint(source)))
    time.sleep(1.1)
    assert gc(place(), grace_seconds=60) == []
    there.root.change(lambda root: root.listing(unlisted))
    assert place().missing([later]) == []


def test_a_bucket_without_root_is_not_emptied(place: Place, source: Repository) -> None:
    line(source, place(), 1)
    there = place()
    there.bucket.delete("root.json")
    before = keys(there)
    with pytest.raises(Corrupt, match="no root.json"):
        gc(there, grace_seconds=0)
    assert keys(there) == before


def test_a_negative_grace_is_refused(place: Place) -> None:
    with pytest.raises(UsageError):
        gc(place(), grace_seconds=-1)


def test_unreachable_objects_are_compacted_too(place: Place, source: Repository) -> None:
    """BUCKET-3: somebody may be about to move a ref to what they saw there."""
    run = line(source, place(), 2)
    tag = store_tag(source, run)
    there = place()
    there.take(StoreEndpoint(source).objects([tag]), StoreEndpoint(source))
    there.move([RefUpdate("names/demo", None, run)], "push")
    compact(there)
    there.move([RefUpdate("tags/v1", tag, None)], "push")
    assert [load(each.payload).name for each in place().objects([tag])] == ["v1"]


def test_what_is_listed_while_garbage_is_collected_stays(
    place: Place, source: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = line(source, place(), 1)
    there = place()
    later = store_run(source, 5, draw=5, parent=run).run
    items = StoreEndpoint(source).objects([oid for oid, _ in source.walk([later])])
    (unlisted,) = list(there.upload(items, StoreEndpoint(source)))
    collector = place().refresh()
    listed = collector.bucket.list

    def late() -> Iterator[object]:
        yield from list(listed())
        there.root.change(lambda root: root.listing(unlisted))

    monkeypatch.setattr(collector.bucket, "list", late)
    assert gc(collector, grace_seconds=0) == []
    assert place().missing([later]) == []
