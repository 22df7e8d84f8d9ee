"""Segments and the index: STORE-12, STORE-13, STORE-22, STORE-24."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.damage import damage_frame
from themis_vcs.errors import Corrupt, ObjectNotFound
from themis_vcs.model.oid import oid_of
from themis_vcs.store import segments
from themis_vcs.store.backend import Batch, Entry, Record
from themis_vcs.store.dictionaries import Trained
from themis_vcs.store.frames import HEADER_BYTES, SEGMENT_BYTES, Frame, compress
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.repository import Repository
from themis_vcs.store.tables import Writer, fields


def entry(payload: bytes) -> Entry:
    return Entry(oid_of(payload), payload)


def sizes(backend: LmdbBackend) -> list[int]:
    with backend.environment.reading() as reader:
        return [len(value) for _, value in reader.cursor(segments.SEGMENTS)]


@pytest.fixture
def backend(path: Path) -> LmdbBackend:
    return LmdbBackend(path, create=True)


def test_a_batch_fills_segments_of_sixteen_pages(backend: LmdbBackend) -> None:
    backend.apply(Batch(objects=[entry(os.urandom(4000)) for _ in range(100)]))
    assert max(sizes(backend)) <= SEGMENT_BYTES
    assert all(size > SEGMENT_BYTES - 4000 - HEADER_BYTES for size in sizes(backend)[:-1])


def test_a_frame_that_fills_a_segment_is_alone_in_it(backend: LmdbBackend) -> None:
    large = os.urandom(3 * SEGMENT_BYTES)
    backend.apply(Batch(objects=[entry(b"a"), entry(large), entry(b"b")]))
    assert sizes(backend) == [HEADER_BYTES + 1, HEADER_BYTES + len(large), HEADER_BYTES + 1]
    assert backend.get(oid_of(large)) == large


def test_segments_are_never_written_again(backend: LmdbBackend) -> None:
    backend.apply(Batch(objects=[entry(b"a")]))
    backend.apply(Batch(objects=[entry(b"b")]))
    assert len(sizes(backend)) == 2


def test_objects_whose_oids_begin_alike_are_told_apart(backend: LmdbBackend) -> None:
    """Oids cannot be made to collide, so the rows are written by hand."""
    alike = [b"same begi" + bytes([number]) * 23 for number in range(3)]
    made = [Frame(oid, 0, 0, 1, bytes([number])) for number, oid in enumerate(alike)]

    def write(writer: Writer) -> None:
        segments.append(writer, made[:2])
        segments.append(writer, made[2:])

    backend.environment.write(write)
    with backend.environment.reading() as reader:
        finder = segments.Finder(reader)
        found = [finder.frame(place).data for oid in alike if (place := finder.find(oid)) is not None]
        absent = finder.find(b"same begi" + b"z" * 23)
    assert found == [b"\0", b"\1", b"\2"]
    assert absent is None
    assert list(backend.oids(b"same begi" + b"\1")) == [alike[1]]


@pytest.mark.parametrize(
    "offset", [0, 20, 32, 36, 41, 60], ids=["oid", "oid's end", "codec", "length", "stored", "data"]
)
def test_a_damaged_object_is_named_by_get_and_stored_anew_by_the_next_put(backend: LmdbBackend, offset: int) -> None:
    victim = entry(b"the victim " * 30)
    before, after = entry(b"before" * 50), entry(b"after" * 50)
    backend.apply(Batch(objects=[before, victim, after]))
    damage_frame(Repository(backend), victim.oid, offset)
    with pytest.raises(Corrupt) as caught:
        backend.get(victim.oid)
    assert caught.value.oid == victim.oid
    assert not backend.has(victim.oid)
    assert backend.apply(Batch(objects=[victim])) == 1
    assert backend.get(victim.oid) == victim.payload
    assert backend.has(victim.oid)
    assert [oid for oid, _ in backend.everything()] == [before.oid, after.oid, victim.oid]
    fresh = LmdbBackend(backend.layout.path)
    assert fresh.get(victim.oid) == victim.payload


def test_an_object_with_a_damaged_name_is_stored_anew_without_being_read_first(backend: LmdbBackend) -> None:
    victim = entry(b"the victim " * 30)
    backend.apply(Batch(objects=[victim]))
    damage_frame(Repository(backend), victim.oid, 3)
    assert backend.missing([victim.oid]) == [victim.oid]
    assert backend.apply(Batch(objects=[victim])) == 1
    assert backend.get(victim.oid) == victim.payload


def test_an_index_row_that_leads_nowhere_is_damage_of_its_object(backend: LmdbBackend) -> None:
    victim, other = entry(b"victim" * 9), entry(b"other" * 9)
    backend.apply(Batch(objects=[victim]))
    backend.apply(Batch(objects=[other]))

    def write(writer: Writer) -> None:
        segments.forget(writer, list(segments.rows(writer.cursor(segments.INDEX), victim.oid[:8])))
        row = segments.row_of(victim.oid, (9, 0))
        writer.cursor(segments.INDEX).putmulti([(segments.INDEX_KEY, row)])

    backend.environment.write(write)
    with pytest.raises(Corrupt) as caught:
        backend.get(victim.oid)
    assert caught.value.oid == victim.oid
    with pytest.raises(Corrupt):
        list(backend.everything())


def test_an_index_that_lost_a_row_is_noticed_by_a_full_read(backend: LmdbBackend) -> None:
    backend.apply(Batch(objects=[entry(b"%d" % number) for number in range(20)]))
    with pytest.raises(ObjectNotFound):
        backend.get(bytes(32))
    frame = compress([bytes(32)], [b"x"])[0]

    def write(writer: Writer) -> None:
        row = segments.row_of(frame.oid, (1, 7))
        writer.cursor(segments.INDEX).putmulti([(segments.INDEX_KEY, row)])

    backend.environment.write(write)
    with pytest.raises(Corrupt):
        list(backend.everything())


def test_what_another_process_stores_while_a_group_is_compressed_is_stored_once(
    backend: LmdbBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = LmdbBackend(backend.layout.path)
    objects = [entry(b"object %d" % number) for number in range(40)]
    compress_first = backend.compressor.compress

    def overtaken(entries: Sequence[Record]) -> tuple[list[Frame], list[Trained]]:
        other.apply(Batch(objects=objects[:25]))
        return compress_first(entries)

    monkeypatch.setattr(backend.compressor, "compress", overtaken)
    assert backend.apply(Batch(objects=objects)) == 15
    assert sorted(oid for oid, _ in backend.everything()) == sorted(each.oid for each in objects)


def test_a_key_or_a_row_of_another_size_is_damage() -> None:
    layout = struct.Struct(">I")
    assert fields(layout, b"\0\0\1\0") == (256,)
    for data in (b"", b"\0\0\1", b"\0\0\0\0\0"):
        with pytest.raises(Corrupt, match="where there must be 4"):
            fields(layout, data)
    with pytest.raises(Corrupt):
        segments.location_of(b"short")
