"""The part of fsck that reads, run as a process of its own: damaged pages may end it by a signal.

    python -m themis_vcs.store.inspection STORE PHASE START WAIT [contents]

goes through the phases from PHASE on, waits up to WAIT seconds for writers to pause, and writes what it sees to
stdout, message by message: a length of 4 bytes and a MessagePack list; with `contents` also every sound row and frame
itself, for who makes a new store of them. It judges single rows and frames; what they mean
together is `fsck`'s part. Before anything that may end the process it says where it is, so that the parent can name the
place and start another one behind it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from lmdb.verify import VerifyError, verify

from themis_vcs.errors import Corrupt, FormatError, StorageError, StoreBusy, ThemisError
from themis_vcs.model.objects import load, references
from themis_vcs.model.oid import Oid
from themis_vcs.store import compressor, frames, lmdb, reflog, segments
from themis_vcs.store.frames import Frame, payload_of
from themis_vcs.store.layout import Layout
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.seal import unsealed
from themis_vcs.store.segments import Location
from themis_vcs.store.tables import Reader
from themis_vcs.store.writelock import WriteLock

PHASES: Final = ("structure", "rows", "index", "segments")
FRAMES: Final = "frames"
"""A phase that takes the place of `segments` where looking objects up ends the process: it only reads frames."""
LENGTH_BYTES: Final = 4
CONTENTS: Final = ("row", "frame")
"""The messages that carry what is stored."""
OPENING: Final = "the store's first pages"
_SEALED: Final = (
    compressor.META,
    compressor.DICTIONARIES,
    lmdb.DERIVATIONS,
    lmdb.TRACKS,
    reflog.REFS,
    reflog.REFLOG,
    lmdb.LOCAL,
)
ROW_TABLES: Final = len(_SEALED)
_STEP: Final = 2_000
_REPORTED: Final = 20

Message = tuple[object, ...]
Send = Callable[[Message], None]
PlaceOf = Callable[[LmdbBackend, Oid, Location], Location | None]


def inspect(path: Path, phase: str, start: int, wait: float, send: Send, *, contents: bool = False) -> None:
    """Run the phases from `phase` on, the first of them from its position `start`."""
    if not contents:
        send = _without_contents(send)
    phases = (FRAMES,) if phase == FRAMES else PHASES[PHASES.index(phase) :]
    if phase == "structure":
        _structure(Layout(path), wait, send)
        phases = phases[1:]
    send(("at", phases[0], start, OPENING))
    backend = LmdbBackend(path, readonly=True)
    try:
        for name in phases:
            _READERS[name](backend, start, send)
            start = 0
    finally:
        backend.close()
    send(("done",))


def _without_contents(send: Send) -> Send:
    def sent(message: Message) -> None:
        if message[0] not in CONTENTS:
            send(message)

    return sent


def _structure(layout: Layout, wait: float, send: Send) -> None:
    """Check the pages of the file without LMDB, while nobody writes."""
    send(("at", "structure", 0, "the pages of the file"))
    layout.check()
    try:
        lock = WriteLock(layout.write_lock)
    except StorageError:
        problems = _problems(layout)
    else:
        try:
            with lock.held(wait):
                problems = _problems(layout)
        except StoreBusy as error:
            send(("finding", "busy", f"the pages were not checked: {error.message}", None, None))
            return
        finally:
            lock.close()
    for problem in problems[:_REPORTED]:
        send(("finding", "structure", problem, None, None))
    if len(problems) > _REPORTED:
        send(("finding", "structure", f"and {len(problems) - _REPORTED} more faults of structure", None, None))


def _problems(layout: Layout) -> list[str]:
    try:
        found: list[str] = verify(str(layout.data), subdir=False)  # type: ignore[no-untyped-call]
    except (VerifyError, ValueError) as error:
        return [str(error)]
    return found


def _rows(backend: LmdbBackend, start: int, send: Send) -> None:
    """Check the seals of all tables from number `start` on, and say where refs and derivations point."""
    for number, table in enumerate(_SEALED[start:], start):
        send(("at", "rows", number, f"table {table}"))
        try:
            _table(backend, table, send)
        except Corrupt as error:
            if table != compressor.META:
                raise
            # The format was read when the store was opened, and all else in this table are hints.
            send(("finding", "hint", error.message, None, None))


def _table(backend: LmdbBackend, table: str, send: Send) -> None:
    for key, row in _all(backend, table, send):
        try:
            value = unsealed(table, key, row)
        except Corrupt as error:
            hint = table == compressor.META and key.startswith(compressor.SAMPLES)
            send(("finding", "hint" if hint else "row", error.message, None, error.ref))
            continue
        send(("row", table, key, row))
        if table == lmdb.DERIVATIONS:
            send(("needs", value, f"the derivation {key.hex()[:16]}"))
        elif table == compressor.DICTIONARIES:
            send(("needs", value[:32], "the table of dictionaries"))
        elif table == reflog.REFS:
            _ref(backend, key, row, send)
        elif table == reflog.REFLOG:
            _move(key, row, send)


def _ref(backend: LmdbBackend, key: bytes, row: bytes, send: Send) -> None:
    try:
        name, oid = reflog.decoded(key, row)
        send(("ref", name, oid))
        backend.reflog(name)
    except Corrupt as error:
        send(("finding", "ref", error.message, None, error.ref))


def _move(key: bytes, row: bytes, send: Send) -> None:
    try:
        number, entry = reflog.logged(key, row)
    except Corrupt as error:
        send(("finding", "reflog", error.message, None, error.ref))
        return
    name = key[:-9].decode("utf-8", "backslashreplace")
    for oid in (entry.old, entry.new):
        if oid is not None:
            send(("needs", oid, f"the reflog of {name}, entry {number}"))


def _index(backend: LmdbBackend, start: int, send: Send) -> None:
    """Send the number of the last segment, and all rows of the index that point to one of these."""
    send(("at", "index", start, "the index"))
    with backend.environment.reading() as reader:
        last = segments.last_number(reader)
    rows: list[bytes] = []
    for _, row in _all(backend, segments.INDEX, send):
        if segments.location_of(row)[0] <= last:
            rows.append(row)
        if len(rows) == _STEP:
            send(("index", b"".join(rows)))
            rows = []
    send(("index", b"".join(rows)))


def _segments(backend: LmdbBackend, start: int, send: Send) -> None:
    """Check every frame from segment `start` on, and that the index leads to it."""
    _scan(backend, start, "segments", _place, send)


def _frames(backend: LmdbBackend, start: int, send: Send) -> None:
    """Check every frame from segment `start` on."""
    _scan(backend, start, FRAMES, lambda backend, oid, place: place, send)


def _scan(backend: LmdbBackend, start: int, phase: str, place_of: PlaceOf, send: Send) -> None:
    send(("at", phase, start, "the last segment"))
    with backend.environment.reading() as reader:
        last = segments.last_number(reader)
    number = start
    while number <= last:
        send(("at", phase, number, f"segment {number}"))
        with backend.environment.reading() as reader:
            data = segments.following(reader, number)
        if data is None:
            return
        number, content = data
        send(("segment",))
        known: list[int] = []
        try:
            for offset, frame in segments.scan(content):
                _frame(backend, frame, (number, offset), place_of, send)
        except Corrupt:
            known = _offsets(backend, number)
        for offset in known:
            try:
                frame = frames.unpack(content, offset)
            except Corrupt as error:
                send(("damaged", error.oid, number, offset, error.message))
            else:
                _frame(backend, frame, (number, offset), place_of, send)
        number += 1


def _offsets(backend: LmdbBackend, number: int) -> list[int]:
    with backend.environment.reading() as reader:
        places = map(segments.location_of, segments.rows(reader.cursor(segments.INDEX)))
        return [offset for place, offset in places if place == number]


def _frame(backend: LmdbBackend, frame: Frame, at: Location, place_of: PlaceOf, send: Send) -> None:
    needed: list[Oid] = []
    try:
        needed = list(dict.fromkeys(references(load(payload_of(frame, backend.compressor.lookup)))))
    except FormatError as error:
        send(("finding", "format", f"object {frame.oid.hex()}: {error.message}", frame.oid, None))
    except Corrupt as error:
        send(("damaged", frame.oid, *at, error.message))
        return
    place = place_of(backend, frame.oid, at)
    if place is None or place == at:
        send(("frame", frame.pack(), place is not None))
        send(("object", frame.oid, *at, needed, place is not None))
    else:
        send(("replaced", *at))


def _place(backend: LmdbBackend, oid: Oid, _: Location) -> Location | None:
    """Return where a read looks for an object."""
    try:
        with backend.environment.reading() as reader:
            return segments.Finder(reader).find(oid)
    except Corrupt:
        return None


def _all(backend: LmdbBackend, table: str, send: Send) -> Iterator[tuple[bytes, bytes]]:
    """Yield all rows of a table, a transaction per step; a table whose rows do not ascend is left there."""
    last: tuple[bytes, bytes] = (b"", b"")
    count, seen = 0, set()
    while True:
        with backend.environment.reading() as reader:
            rows = list(_after(reader, table, last))
            seen.add(reader.txn.id())
            expected = reader.entries(table)
        for row in rows:
            if row <= last:
                send(("finding", "structure", f"the rows of table {table} are out of order", None, None))
                return
            last = row
            count += 1
            yield row
        if len(rows) < _STEP:
            break
    if len(seen) == 1 and count != expected:
        send(("finding", "row", f"table {table} holds {expected:,} rows, and {count:,} were found", None, None))


def _after(reader: Reader, table: str, last: tuple[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield up to a step of rows behind the row `last`."""
    cursor = reader.cursor(table)
    key, value = last
    if not key:
        found = cursor.first()
    elif table == segments.INDEX:
        found = cursor.set_range_dup(key, value)
    else:
        found = cursor.set_range(key)
    if found and (bytes(cursor.key()), bytes(cursor.value())) == last:
        found = cursor.next()
    for _ in range(_STEP):
        if not found:
            return
        yield bytes(cursor.key()), bytes(cursor.value())
        found = cursor.next()


_READERS: Final = {"rows": _rows, "index": _index, "segments": _segments, FRAMES: _frames}


class Outlet:
    """Sends messages; those about a place reach the parent before anything happens there."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def send(self, message: Message) -> None:
        data = msgspec.msgpack.encode(message)
        self._stream.write(len(data).to_bytes(LENGTH_BYTES, "big") + data)
        if message[0] == "at":
            self._stream.flush()


def main(arguments: list[str]) -> int:
    outlet = Outlet(sys.stdout.buffer)
    try:
        path, phase, start, wait, *contents = arguments
        inspect(Path(path), phase, int(start), float(wait), outlet.send, contents=bool(contents))
    except ThemisError as error:
        outlet.send(("failed", error.code, error.message, error.hint))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
