"""Segments and the index: where a frame lies, how frames are appended, and how they are found again.

The layout is STORE-12, STORE-13 and STORE-22. Nothing here decompresses or hashes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from themis_vcs.errors import Corrupt
from themis_vcs.model.oid import OID_BYTES, Oid
from themis_vcs.store import frames
from themis_vcs.store.frames import SEGMENT_BYTES, Frame
from themis_vcs.store.tables import Cursor, Reader, Writer, fields

INDEX: Final = "index"
SEGMENTS: Final = "segments"
INDEX_KEY: Final = b"o"
PREFIX: Final = 8
ROW_BYTES: Final = 16
_NUMBER = struct.Struct(">I")
_PLACE = struct.Struct(">II")
_ROW = struct.Struct(f">{PREFIX}sII")
_NO_ROW: Final = b"", 0, 0
MAX_NUMBER: Final = 2**32 - 1


Location: TypeAlias = tuple[int, int]
"""The number of a segment, and the offset in it at which a frame begins."""


def row_of(oid: Oid, location: Location) -> bytes:
    """Return the index row of an object."""
    return _ROW.pack(oid, *location)


def location_of(row: bytes | memoryview) -> Location:
    """Return the location that an index row holds."""
    number, offset = fields(_PLACE, row[PREFIX:])
    return number, offset


def rows(cursor: Cursor, prefix: bytes = b"") -> Iterator[bytes]:
    """Yield the index rows that begin with `prefix`, at most 8 bytes of an oid, ascending."""
    found = cursor.set_range_dup(INDEX_KEY, prefix or b"\0")
    while found:
        row = bytes(cursor.value())
        if not row.startswith(prefix):
            return
        yield row
        found = cursor.next_dup()


class _Segments(dict[int, memoryview | None]):
    """Segments by number, each looked up once; None where there is none."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __missing__(self, number: int) -> memoryview | None:
        data = self[number] = self._reader.get(SEGMENTS, _NUMBER.pack(number))
        return data


class Finder:
    """Lookups by oid within one transaction. `doubtful` has those that the index knows, but no frame confirms."""

    def __init__(self, reader: Reader) -> None:
        self._cursor = reader.cursor(INDEX)
        self._segments = _Segments(reader)
        self.doubtful: list[Oid] = []

    def find(self, oid: Oid) -> Location | None:
        """Return where the frame that names this oid begins."""
        return next(self.find_all((oid,)))

    def find_all(self, oids: Iterable[Oid]) -> Iterator[Location | None]:
        """Yield the location of every oid, in order: of the frame that names it."""
        segments, unpack = self._segments, _ROW.unpack_from
        set_range, value = self._cursor.set_range_dup, self._cursor.value
        for oid in oids:
            prefix = oid[:PREFIX]
            try:
                stored, number, offset = unpack(value()) if set_range(INDEX_KEY, prefix) else _NO_ROW
            except struct.error as error:
                raise Corrupt(f"the index is damaged: {error}", oid=oid) from error
            if stored != prefix:
                yield None
                continue
            data = segments[number]
            if data is not None and data[offset : offset + OID_BYTES] == oid:
                yield number, offset
            else:
                yield self._find_among(self.candidates(oid), oid)

    def _find_among(self, places: list[Location], oid: Oid) -> Location | None:
        for number, offset in places:
            data = self._segments[number]
            if data is not None and data[offset : offset + OID_BYTES] == oid:
                return number, offset
        if places:
            self.doubtful.append(oid)
        return None

    def frame(self, location: Location) -> Frame:
        """Return a copy of the frame at a location."""
        number, offset = location
        data = self._segments[number]
        if data is None:
            raise Corrupt(f"the index points to segment {number}, which does not exist")
        return frames.unpack(data, offset)

    def candidates(self, oid: Oid) -> list[Location]:
        """Return every location whose index row begins as `oid` does, whatever lies there."""
        return [location_of(row) for row in rows(self._cursor, oid[:PREFIX])]


def oids(reader: Reader, prefix: bytes, start: bytes, limit: int) -> tuple[list[Oid], bytes]:
    """Return about `limit` oids that begin with `prefix`, ascending, from index row `start` on, and where to go on.

    Empty bytes say that there are no more. Corrupt where no frame confirms a row.
    """
    finder = Finder(reader)
    result: list[Oid] = []
    taken: list[bytes] = []
    cursor = reader.cursor(INDEX)
    found = cursor.set_range_dup(INDEX_KEY, start or b"\0")
    while found:
        row = bytes(cursor.value())
        if not row.startswith(prefix[:PREFIX]):
            break
        if len(taken) >= limit and row[:PREFIX] != taken[-1][:PREFIX]:
            return sorted(result), row
        taken.append(row)
        oid = finder.frame(location_of(row)).oid
        if oid[:PREFIX] != row[:PREFIX]:
            raise Corrupt(f"the index entry {row[:PREFIX].hex()} points to object {oid.hex()}")
        if oid.startswith(prefix):
            result.append(oid)
        found = cursor.next_dup()
    return sorted(result), b""


def stored(reader: Reader, start: int, limit: int) -> list[tuple[int, list[Frame]]]:
    """Return up to `limit` segments from number `start` on, each with those of its frames that the index knows.

    Corrupt where the index knows of a frame and there is none.
    """
    cursor = reader.cursor(SEGMENTS)
    result: list[tuple[int, list[Frame]]] = []
    found = cursor.set_range(_NUMBER.pack(start))
    while found and len(result) < limit:
        number = fields(_NUMBER, cursor.key())[0]
        result.append((number, [frame for _, frame in indexed(reader, number, cursor.value())]))
        found = cursor.next()
    return result


def indexed(reader: Reader, number: int, data: memoryview) -> list[tuple[int, Frame]]:
    """Return (offset, frame) of those frames of a segment that the index knows. Corrupt where there is none."""
    cursor = reader.cursor(INDEX)
    result = []
    try:
        for offset, frame in scan(data):
            row = row_of(frame.oid, (number, offset))
            if cursor.set_range_dup(INDEX_KEY, row) and cursor.value() == row:
                result.append((offset, frame))
    except Corrupt:
        # A frame that was replaced stays behind, and may be damaged: then the index alone says where frames are.
        offsets = [offset for place, offset in map(location_of, rows(cursor)) if place == number]
        return [(offset, frames.unpack(data, offset)) for offset in sorted(offsets)]
    return result


def key_of(number: int) -> bytes:
    """Return the key of a segment."""
    return _NUMBER.pack(number)


def number_of(key: bytes | memoryview) -> int:
    """Return the number of a segment by its key."""
    return fields(_NUMBER, key)[0]


def following(reader: Reader, number: int) -> tuple[int, bytes] | None:
    """Return the number and a copy of the first segment from `number` on, None if there is none."""
    cursor = reader.cursor(SEGMENTS)
    if not cursor.set_range(_NUMBER.pack(number)):
        return None
    return fields(_NUMBER, cursor.key())[0], bytes(cursor.value())


def last_number(reader: Reader) -> int:
    """Return the highest segment number in use, 0 if there is none."""
    cursor = reader.cursor(SEGMENTS)
    return fields(_NUMBER, cursor.key())[0] if cursor.last() else 0


def append(writer: Writer, new: Sequence[Frame]) -> None:
    """Write frames as new segments, in the order given, and enter them in the index."""
    number = last_number(writer)
    if number + len(new) > MAX_NUMBER:
        raise Corrupt(f"segment number {number} leaves no room for more")
    entries: list[bytes] = []
    parts: list[bytes] = []
    size = 0
    for frame in new:
        length = frame.size
        if size and size + length > SEGMENT_BYTES:
            number += 1
            writer.put(SEGMENTS, _NUMBER.pack(number), b"".join(parts), append=True)
            parts, size = [], 0
        entries.append(row_of(frame.oid, (number + 1, size)))
        parts += frame.header, frame.data
        size += length
    if parts:
        writer.put(SEGMENTS, _NUMBER.pack(number + 1), b"".join(parts), append=True)
    writer.cursor(INDEX).putmulti([(INDEX_KEY, row) for row in sorted(entries)])


def forget(writer: Writer, rows_to_delete: Iterable[bytes]) -> None:
    """Delete index rows, so that what they lead to is stored anew."""
    cursor = writer.cursor(INDEX)
    for row in rows_to_delete:
        if cursor.set_key_dup(INDEX_KEY, row):
            cursor.delete()


def scan(data: memoryview | bytes) -> Iterator[tuple[int, Frame]]:
    """Yield (offset, frame) of a segment from its start; Corrupt where no frame begins."""
    offset = 0
    while offset < len(data):
        frame = frames.unpack(data, offset)
        yield offset, frame
        offset += frame.size
