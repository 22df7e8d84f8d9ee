"""What fsck finds, how it names it, and what it does not make a fuss about."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.damage import ABORTED, PAGE, REFUSED, damage_frame, overwrite, read_all
from tests.support.records import values
from tests.support.stores import Stored, store_run, store_tag
from themis_vcs.errors import Corrupt, FormatError, NoStore, RevisionNotFound
from themis_vcs.model import codec
from themis_vcs.model.objects import Value, dump
from themis_vcs.model.oid import oid_of
from themis_vcs.store import reading, segments
from themis_vcs.store.backend import Batch, Entry
from themis_vcs.store.findings import Report
from themis_vcs.store.frames import compress
from themis_vcs.store.fsck import fsck
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.repository import Repository
from themis_vcs.store.seal import sealed
from themis_vcs.store.tables import Writer
from themis_vcs.store.writelock import WriteLock


@pytest.fixture
def stored(path: Path) -> Stored:
    with Repository.init(path) as repository:
        return store_run(repository, 30)


def change(path: Path, body: Callable[[Writer], None]) -> None:
    """Change tables behind the store's back."""
    backend = LmdbBackend(path)
    backend.environment.write(body)
    backend.close()


def codes(report: Report) -> list[tuple[str, str]]:
    return sorted((finding.severity, finding.code) for finding in report.findings)


def test_a_sound_store_has_no_findings_and_everything_is_counted(path: Path, stored: Stored) -> None:
    with Repository.open(path) as repository:
        store_tag(repository, stored.run)
        statistics = repository.statistics()
    counted: list[int] = []
    report = fsck(path, counted.append)
    assert report.findings == []
    assert (report.objects, report.refs, report.segments) == (statistics.objects, statistics.refs, statistics.segments)
    assert counted == sorted(counted)


def test_an_empty_store_is_sound(path: Path) -> None:
    Repository.init(path).close()
    assert fsck(path).findings == []


def test_a_store_in_use_is_checked_as_it_is(path: Path, stored: Stored) -> None:
    stop = threading.Event()
    with Repository.open(path) as repository:

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                store_run(repository, 5, draw=number)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            assert [fsck(path).findings for _ in range(3)] == [[]] * 3
        finally:
            stop.set()
            thread.join()


def test_what_is_no_store_or_a_newer_one_is_said_as_such(path: Path) -> None:
    with pytest.raises(NoStore):
        fsck(path)
    Repository.init(path).close()
    (path / "format").write_text("themis-store 2\n")
    with pytest.raises(FormatError, match="format 2"):
        fsck(path)


def test_a_damaged_value_is_named_with_the_objects_and_refs_that_need_it(path: Path, stored: Stored) -> None:
    key, victim = next(iter(stored.values.items()))
    with Repository.open(path) as repository:
        damage_frame(repository, victim)
    report = fsck(path)
    assert codes(report) == [("damage", "object")]
    finding = report.findings[0]
    assert finding.oid == victim
    assert stored.steps[key].hex() in finding.users
    assert {"names/demo", f"runs/{bytes(range(32)).hex()}/generate"} <= set(finding.users)
    assert report.damaged


def test_damage_that_no_ref_reaches_is_still_damage(path: Path, stored: Stored) -> None:
    with Repository.open(path) as repository:
        alone = repository.put(Value("case", "nobody needs me"))
        repository.flush()
        damage_frame(repository, alone)
    assert [(finding.oid, finding.users) for finding in fsck(path).findings] == [(alone, ())]


def test_an_object_that_is_not_there_is_named_with_its_users(path: Path, stored: Stored) -> None:
    victim = stored.snapshot

    def remove(writer: Writer) -> None:
        segments.forget(writer, list(segments.rows(writer.cursor(segments.INDEX), victim[:8])))

    change(path, remove)
    report = fsck(path)
    assert codes(report) == [("damage", "index")]
    assert report.findings[0].oid == victim
    assert stored.run.hex() in report.findings[0].users and "names/demo" in report.findings[0].users


def test_an_object_that_was_never_stored_is_missing(path: Path) -> None:
    parent = dump_parent(absent := oid_of(b"never stored"))
    backend = LmdbBackend(path, create=True)
    backend.apply(Batch(objects=[parent]))
    backend.close()
    found = fsck(path).findings
    assert [(each.code, each.oid, each.users) for each in found] == [("missing", absent, (parent.oid.hex(),))]


def dump_parent(child: bytes) -> Entry:
    from themis_vcs.model.objects import Blob

    payload = dump(Blob(1, chunks=[child]))
    return Entry(oid_of(payload), payload)


def test_an_index_row_that_leads_nowhere_is_damage(path: Path, stored: Stored) -> None:
    victim = stored.snapshot

    def move(writer: Writer) -> None:
        old = list(segments.rows(writer.cursor(segments.INDEX), victim[:8]))
        segments.forget(writer, old)
        place, offset = segments.location_of(old[0])
        row = segments.row_of(victim, (place, offset + 1))
        writer.cursor(segments.INDEX).putmulti([(segments.INDEX_KEY, row)])

    change(path, move)
    report = fsck(path)
    assert report.damaged
    assert victim.hex()[:16] in " ".join(finding.message for finding in report.findings)


@pytest.mark.parametrize("wrong", ["id", "offset", "segment behind the last", "place of another object"])
def test_a_wrong_index_row_of_an_object_that_nothing_needs_is_damage(path: Path, stored: Stored, wrong: str) -> None:
    with Repository.open(path) as repository:
        alone = repository.put(Value("case", "nobody needs me"))

    def spoil(writer: Writer) -> None:
        (row,) = segments.rows(writer.cursor(segments.INDEX), alone[:8])
        number, offset = segments.location_of(row)
        (other,) = segments.rows(writer.cursor(segments.INDEX), stored.snapshot[:8])
        spoiled = {
            "id": segments.row_of(bytes([alone[0] ^ 1]) + alone[1:], (number, offset)),
            "offset": segments.row_of(alone, (number, offset + 1)),
            "segment behind the last": segments.row_of(alone, (number + 9, offset)),
            "place of another object": segments.row_of(alone, segments.location_of(other)),
        }
        segments.forget(writer, [row])
        writer.cursor(segments.INDEX).putmulti([(segments.INDEX_KEY, spoiled[wrong])])

    change(path, spoil)
    message = f"object {alone.hex()} is sound, but the index does not lead to it"
    assert [(each.severity, each.oid, each.message) for each in fsck(path).findings] == [("damage", alone, message)]


def test_a_payload_that_is_not_canonical_is_damage_though_its_hash_is_right(path: Path) -> None:
    payload = b"\x93\x01\xa5value\x82\xa4data\xcd\x00\x01\xa4type\xa1x"
    backend = LmdbBackend(path, create=True)
    backend.apply(Batch(objects=[Entry(oid_of(payload), payload)]))
    backend.close()
    assert [(each.code, each.oid) for each in fsck(path).findings] == [("object", oid_of(payload))]


def test_an_object_of_a_newer_format_is_a_note(path: Path) -> None:
    payload = codec.encode("value", {"data": 1, "type": "x"}).replace(b"\x93\x01", b"\x93\x02")
    backend = LmdbBackend(path, create=True)
    backend.apply(Batch(objects=[Entry(oid_of(payload), payload)]))
    backend.close()
    assert codes(fsck(path)) == [("note", "format")]


@pytest.mark.parametrize("bit", range(0, 8 * 40, 29))
def test_a_flipped_bit_in_a_ref_row_is_found_and_names_the_ref(path: Path, stored: Stored, bit: int) -> None:
    def flip(writer: Writer) -> None:
        row = bytearray(bytes(writer.get("refs", b"names/demo") or b""))
        row[bit // 8] ^= 1 << bit % 8
        writer.put("refs", b"names/demo", bytes(row))

    change(path, flip)
    assert ("row", "names/demo") in {(finding.code, finding.ref) for finding in fsck(path).findings}
    with Repository.open(path) as repository, pytest.raises(Corrupt) as caught:
        repository.ref("names/demo")
    assert caught.value.ref == "names/demo"


def test_a_flipped_bit_in_the_name_of_a_ref_is_damage_and_not_another_ref(path: Path, stored: Stored) -> None:
    def rename(writer: Writer) -> None:
        row = bytes(writer.get("refs", b"names/demo") or b"")
        writer.delete("refs", b"names/demo")
        writer.put("refs", b"names/demn", row)

    change(path, rename)
    assert fsck(path).damaged
    with Repository.open(path) as repository:
        for read in (
            lambda: repository.ref("names/demo"),
            lambda: repository.ref("names/demn"),
            lambda: list(repository.refs()),
        ):
            with pytest.raises(Corrupt):
                read()


@pytest.mark.parametrize(
    ("table", "key"),
    [("derivations", None), ("tracks", b"track-1"), ("local", b"run"), ("reflog", None), ("meta", b"format")],
)
def test_every_table_has_seals(path: Path, stored: Stored, table: str, key: bytes | None) -> None:
    def flip(writer: Writer) -> None:
        cursor = writer.cursor(table)
        cursor.first()
        at = key or bytes(cursor.key())
        row = bytearray(bytes(writer.get(table, at) or b""))
        row[-1] ^= 1
        writer.put(table, at, bytes(row))

    change(path, flip)
    assert fsck(path).damaged


def test_a_reflog_with_a_gap_is_damage(path: Path, stored: Stored) -> None:
    with Repository.open(path) as repository:
        for draw in (1, 2):
            store_run(repository, 3, draw=draw)

    def remove(writer: Writer) -> None:
        writer.delete("reflog", b"names/demo\0" + (2).to_bytes(8, "big"))

    change(path, remove)
    assert [(each.code, each.ref) for each in fsck(path).findings] == [("ref", "names/demo")]
    with Repository.open(path) as repository, pytest.raises(Corrupt, match="gap"):
        repository.reflog("names/demo")


def test_a_reflog_that_lost_its_end_is_damage(path: Path, stored: Stored) -> None:
    def remove(writer: Writer) -> None:
        writer.delete("reflog", b"names/demo\0" + (1).to_bytes(8, "big"))

    change(path, remove)
    assert fsck(path).damaged


def test_a_ref_to_an_object_that_is_not_there_is_damage(path: Path, stored: Stored) -> None:
    absent = oid_of(b"absent")

    def point(writer: Writer) -> None:
        record = codec.pack([None, absent, 1, "me", "m"])
        entry = b"names/x\0" + (1).to_bytes(8, "big")
        writer.put("refs", b"names/x", sealed("refs", b"names/x", absent))
        writer.put("reflog", entry, sealed("reflog", entry, record))

    change(path, point)
    found = fsck(path).findings
    assert [(each.code, each.oid) for each in found] == [("missing", absent)]
    assert "names/x" in found[0].users


def test_the_remains_of_a_replaced_frame_are_a_note(path: Path, stored: Stored) -> None:
    victim = stored.params
    with Repository.open(path) as repository:
        damage_frame(repository, victim)
        with pytest.raises(Corrupt):
            repository.load(victim, Value)
        repository.put(Value("params", {"prompt": "{input}"}))
        repository.flush()
        assert repository.load(victim, Value).data == {"prompt": "{input}"}
    report = fsck(path)
    assert codes(report) == [("note", "leftover")]
    assert not report.damaged


def test_one_damaged_dictionary_is_one_finding(path: Path) -> None:
    with Repository.init(path) as repository:
        for value in values(700, types=["generation"]):
            repository.put(value)
        repository.flush()
        for value in values(720, types=["generation"]):
            repository.put(value)
        repository.flush()
        trained = next(oid for oid, payload in repository.backend.everything() if payload[3:13] == b"dictionary")
        damage_frame(repository, trained, 3000)
    report = fsck(path)
    assert codes(report) == [("damage", "dictionary"), ("damage", "object")]
    assert {finding.oid for finding in report.findings} == {None, trained}


def test_a_cut_file_is_a_finding(path: Path, stored: Stored) -> None:
    data = path / "db" / "data.mdb"
    os.truncate(data, data.stat().st_size // 2)
    report = fsck(path)
    assert report.damaged
    assert report.objects == 0


def _dying(path: Path) -> Iterator[int]:
    """Zero the leaf pages of a store one after another; yield those that end a process that goes through the tables."""
    data = path / "db" / "data.mdb"
    content = data.read_bytes()
    for page in range(2, len(content) // PAGE):
        header = struct.unpack_from("<QHH", content, page * PAGE)
        if header[0] != page or not header[2] & 2:
            continue
        data.write_bytes(content[: page * PAGE] + bytes(PAGE) + content[(page + 1) * PAGE :])
        if read_all(path, [], []).signal:
            yield page
    data.write_bytes(content)


def test_a_page_that_ends_its_reader_is_a_finding_and_the_rest_is_still_checked(path: Path) -> None:
    with Repository.init(path) as repository:
        store_run(repository, 150)
    sound = fsck(path)
    ended = set()
    for _ in _dying(path):
        report = fsck(path)
        ended.update(finding.message for finding in report.findings if finding.code == "unreadable")
        lost = {finding.oid for finding in report.findings if finding.code == "index"}
        assert report.damaged
        assert report.objects + len(lost) == sound.objects
    assert {
        "the index is damaged: reading it ended by SIGABRT",
        "table derivations is damaged: reading it ended by SIGABRT",
    } <= ended


@pytest.mark.parametrize("page", [REFUSED, ABORTED], ids=["refused", "aborted"])
@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("derivations", None),
        ("tracks", b"track-1"),
        ("refs", None),
        ("reflog", b"names/demo\0" + (1).to_bytes(8, "big")),
        ("meta", b"format"),
    ],
)
def test_a_bad_page_of_one_table_is_one_finding_and_the_rest_is_checked(
    path: Path, stored: Stored, table: str, key: bytes | None, page: bytes
) -> None:
    with Repository.open(path) as repository:
        others = {"derivations": next(iter(repository.backend.derivations()))[0], "refs": b"names/demo" + stored.run}
        refs = 0 if table == "refs" else len(list(repository.refs()))
    sound = fsck(path)
    overwrite(path / "db" / "data.mdb", key or others[table], page)
    report = fsck(path)
    found = [finding for finding in report.findings if finding.code != "structure"]
    assert [finding.code for finding in found] == ["unreadable"]
    assert found[0].message.startswith(f"table {table} is damaged: ")
    assert (report.objects, report.refs, report.segments) == (sound.objects, refs, sound.segments)


def test_no_object_is_said_to_be_missing_where_not_all_segments_can_be_read(path: Path, stored: Stored) -> None:
    # In a leaf page of the table of segments: a large value of a key of 4 bytes, which is 1.
    overwrite(path / "db" / "data.mdb", bytes([1, 0, 4, 0, 0, 0, 0, 1]), REFUSED)
    messages = [finding.message for finding in fsck(path).findings]
    assert any("cannot be found, as not all segments can be read" in message for message in messages)
    assert not any("is missing" in message for message in messages)


@pytest.mark.parametrize("page", [REFUSED, ABORTED], ids=["refused", "aborted"])
def test_rows_on_both_sides_of_a_bad_page_are_read(path: Path, page: bytes) -> None:
    with Repository.init(path) as repository:
        repository.backend.apply(Batch(tracks={b"track-%04d" % number: bytes(99) for number in range(400)}))
    overwrite(path / "db" / "data.mdb", b"track-0200", page)
    taken: set[bytes] = set()

    class Taking:
        def row(self, table: str, key: bytes, row: bytes) -> None:
            if table == "tracks":
                taken.add(key)

        def frame(self, packed: bytes, indexed: bool) -> None: ...

    assert fsck(path, contents=Taking()).damaged
    assert {b"track-0000", b"track-0399"} <= taken
    assert 300 < len(taken) < 400


def test_segments_behind_a_bad_page_of_their_table_are_read(path: Path) -> None:
    backend = LmdbBackend(path, create=True)
    payloads = [dump(value) for value in values(10)]
    frames = compress([oid_of(payload) for payload in payloads], payloads)
    for number in range(1, 400):
        frame = frames[number % 10].pack()
        backend.environment.write(lambda writer: writer.put("segments", number.to_bytes(4, "big"), frame))  # noqa: B023
    backend.close()
    overwrite(path / "db" / "data.mdb", (7).to_bytes(4, "big") + frames[7].pack()[:32], REFUSED)
    report = fsck(path)
    assert [finding.code for finding in report.findings if finding.severity == "damage"][:1] == ["unreadable"]
    assert 300 < report.segments < 400


def test_a_reader_that_falls_silent_is_ended(path: Path, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_SILENCE", 0.0)
    report = fsck(path)
    assert {finding.code for finding in report.findings} >= {"store"}


def test_a_store_that_somebody_writes_to_all_the_time_is_checked_but_for_its_pages(path: Path, stored: Stored) -> None:
    lock = WriteLock(path / "write.lock")
    with lock.held(1):
        report = fsck(path, wait=0.05)
    lock.close()
    assert codes(report) == [("note", "busy")]
    assert report.objects > 60


def test_a_sound_frame_that_nothing_leads_to_nor_needs_was_deleted(path: Path, stored: Stored) -> None:
    payload = dump(Value("case", "lonely"))
    frame = compress([oid_of(payload)], [payload])[0]
    change(path, lambda writer: writer.put("segments", (99).to_bytes(4, "big"), frame.pack()))
    report = fsck(path)
    assert codes(report) == [("note", "leftover")]
    assert report.findings[0].message.startswith("1 object that was deleted still takes space")
    with Repository.open(path) as repository, pytest.raises(RevisionNotFound):
        repository.resolve_prefix(frame.oid.hex())


def test_rows_that_vanished_from_a_page_are_damage(path: Path) -> None:
    """The upper end of a page's list of rows is a number in its header: a smaller one hides rows without a trace."""
    with Repository.init(path) as repository:
        store_run(repository, 150)
        keys = [key for key, _ in repository.backend.derivations()]
    data = path / "db" / "data.mdb"
    content = bytearray(data.read_bytes())
    for page in range(2, len(content) // PAGE):
        number, _, flags, lower, _ = struct.unpack_from("<QHHHH", content, page * PAGE)
        if number == page and flags == 2 and content.count(keys[-1], page * PAGE, (page + 1) * PAGE):
            struct.pack_into("<H", content, page * PAGE + 12, lower - 2)
    data.write_bytes(content)
    assert ("damage", "row") in codes(fsck(path))
    with Repository.open(path) as repository, pytest.raises(Corrupt, match="149 were found"):
        list(repository.backend.derivations())


def test_a_damaged_page_of_hints_alone_is_a_warning_and_ends_nothing(path: Path) -> None:
    """The flag of a page that holds the oids of samples is flipped, so that LMDB refuses the page."""
    with Repository.init(path) as repository:
        for number in range(200):
            repository.put(Value("generation", number))
        repository.flush()
        backend = repository.backend
        assert isinstance(backend, LmdbBackend)
        with backend.environment.reading() as reader:
            row = bytes(reader.get("meta", b"samples:value:generation") or b"")
    data = path / "db" / "data.mdb"
    content = bytearray(data.read_bytes())
    starts = [page for page in range(0, len(content), PAGE) if content[page + 16 : page + 16 + 64] == row[:64]]
    assert len(row) > PAGE // 2
    assert starts
    for page in starts:
        content[page + 10] |= 0x20
    data.write_bytes(content)
    report = fsck(path)
    assert not report.damaged
    assert ("note", "hint") in codes(report)
    with Repository.open(path) as repository:
        repository.put(Value("generation", "one more"))
