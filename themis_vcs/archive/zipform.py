"""The one form of zip file that an archive has (ARCHIVE-10 …): its headers from what they state, both ways.

PKWARE's APPNOTE 6.3.10, sections 4.3 to 4.5. A reader takes names, sizes and places from the central directory, makes
all headers of them again, and refuses a file that has other bytes: so no header can say anything that is not so.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import BinaryIO, Final, NamedTuple, NoReturn

from themis_vcs.archive.layout import MAX_FILES, MAX_NAME, is_name
from themis_vcs.errors import Corrupt

MAGIC: Final = b"PK\x03\x04"
STORED, DEFLATED = 0, 8
LEVEL: Final = 6
BIG: Final = 0xF000_0000
FAR: Final = 0xFFFF_FFFF
MANY: Final = 0xFFFF
_NONE32, _NONE16 = 0xFFFF_FFFF, 0xFFFF
_END_MAGIC: Final = b"PK\x05\x06"
_LOCAL: Final = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL: Final = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END: Final = struct.Struct("<4sHHHHIIH")
_END64: Final = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR: Final = struct.Struct("<4sIQI")
_DATE: Final = 0x21
_UNIX: Final = 3 << 8
_MODE: Final = 0o100644 << 16
_CHUNK: Final = 1 << 20


class Entry(NamedTuple):
    """A file in a zip file: its size as it is and as it lies there, and where its local header begins."""

    name: str
    size: int
    packed: int
    crc: int
    offset: int

    @property
    def method(self) -> int:
        """How the data lies there."""
        return STORED if PurePosixPath(self.name).suffix == ".bundle" else DEFLATED

    @property
    def start(self) -> int:
        """Where the data begins."""
        return self.offset + len(self.local())

    def local(self) -> bytes:
        """The header before the data."""
        big = self.size >= BIG
        name, extra = self.name.encode(), struct.pack("<HHQQ", 1, 16, self.size, self.packed) if big else b""
        sizes = (_NONE32, _NONE32) if big else (self.packed, self.size)
        version = 45 if big else 20
        header = _LOCAL.pack(MAGIC, version, 0, self.method, 0, _DATE, self.crc, *sizes, len(name), len(extra))
        return header + name + extra

    def central(self) -> bytes:
        """The header in the directory."""
        big = self.size >= BIG or self.offset >= FAR
        name, extra = self.name.encode(), b""
        sizes, offset = (self.packed, self.size), self.offset
        if big:
            extra = struct.pack("<HHQQQ", 1, 24, self.size, self.packed, self.offset)
            sizes, offset = (_NONE32, _NONE32), _NONE32
        version = 45 if big else 20
        return (
            _CENTRAL.pack(
                b"PK\x01\x02", _UNIX | version, version, 0, self.method, 0, _DATE, self.crc, *sizes,
                len(name), len(extra), 0, 0, 0, _MODE, offset,
            )
            + name
            + extra
        )  # fmt: skip


def ending(entries: int, start: int, size: int) -> bytes:
    """Return what follows a directory of `size` bytes that begins at `start`."""
    big = entries >= MANY or start + size >= FAR
    if not big:
        return _END.pack(_END_MAGIC, 0, 0, entries, entries, size, start, 0)
    record = _END64.pack(b"PK\x06\x06", _END64.size - 12, _UNIX | 45, 45, 0, 0, entries, entries, size, start)
    locator = _LOCATOR.pack(b"PK\x06\x07", 0, start + size, 1)
    return record + locator + _END.pack(_END_MAGIC, 0, 0, _NONE16, _NONE16, _NONE32, _NONE32, 0)


def pack(files: Iterable[tuple[str, BinaryIO]], target: BinaryIO) -> None:
    """Write a zip file of these files, by name in their order, to a file that can be sought in."""
    entries = [_add(name, file, target) for name, file in files]
    start = target.tell()
    size = sum(target.write(entry.central()) for entry in entries)
    target.write(ending(len(entries), start, size))


def _add(name: str, file: BinaryIO, target: BinaryIO) -> Entry:
    offset, size = target.tell(), os.fstat(file.fileno()).st_size
    blank = Entry(name, size, 0, 0, offset)
    target.write(blank.local())
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS) if blank.method == DEFLATED else None
    crc = packed = 0
    while chunk := file.read(_CHUNK):
        crc = zlib.crc32(chunk, crc)
        packed += target.write(chunk if deflate is None else deflate.compress(chunk))
    if deflate is not None:
        packed += target.write(deflate.flush())
    entry = Entry(name, size, packed, crc, offset)
    end = target.tell()
    target.seek(offset)
    target.write(entry.local())
    target.seek(end)
    return entry


def begins_or_ends(file: BinaryIO) -> bool:
    """Say whether a file begins or ends as a zip file does, so that one that was damaged still counts as one."""
    start = file.read(len(MAGIC))
    file.seek(max(0, file.seek(0, os.SEEK_END) - _END.size))
    return MAGIC.startswith(start) or file.read(4) == _END_MAGIC


def directory(file: BinaryIO, source: str) -> list[Entry]:
    """Return the entries of a zip file. Corrupt unless all of it but their data is what it must be."""
    return _Directory(file, source).checked()


class _Directory:
    """The central directory of a zip file, and what must be so for it to be true."""

    def __init__(self, file: BinaryIO, source: str) -> None:
        self._file, self._source = file, source
        self._size = file.seek(0, os.SEEK_END)

    def checked(self) -> list[Entry]:
        count, start, size = self._ending()
        self._file.seek(start)
        data = self._file.read(size)
        entries, at = list[Entry](), 0
        for _ in range(count):
            entry, length = self._entry(data, at, start)
            if data[at : at + length] != entry.central():
                self._refuse(start + at, f"the directory's entry of {entry.name} is not written as it must be")
            entries.append(entry)
            at += length
        if at != size:
            self._refuse(start + at, "more follows the last entry of the directory")
        self._check_places(entries, start)
        return entries

    def _ending(self) -> tuple[int, int, int]:
        """Return the number of entries, and where the directory is and how large."""
        tail = self._bytes(max(0, self._size - _END.size - _LOCATOR.size - _END64.size))
        if len(tail) < _END.size or not tail[-_END.size :].startswith(_END_MAGIC):
            self._refuse(self._size, "the end of a zip file is not here; was it cut?")
        _, _, _, _, count, size, start, _ = _END.unpack(tail[-_END.size :])
        if count == _NONE16 and len(tail) == _END.size + _LOCATOR.size + _END64.size:
            *_, count, size, start = _END64.unpack(tail[: _END64.size])
        if count > MAX_FILES or size > count * (_CENTRAL.size + 2 * MAX_NAME + 29):
            self._refuse(self._size - _END.size, f"a directory of {count:,} files in {size:,} bytes")
        expected = ending(count, start, size)
        if start + size + len(expected) != self._size or not tail.endswith(expected):
            self._refuse(self._size - _END.size, "the end of the zip file is not what it must be")
        return count, start, size

    def _entry(self, data: bytes, at: int, start: int) -> tuple[Entry, int]:
        """Return the entry at a place of the directory, and how long it is there."""
        if at + _CENTRAL.size > len(data):
            self._refuse(start + at, "the directory ends inside an entry")
        fields = _CENTRAL.unpack_from(data, at)
        crc, packed, size, name_length, extra_length, offset = *fields[7:12], fields[16]
        end = at + _CENTRAL.size + name_length + extra_length
        name = data[at + _CENTRAL.size : at + _CENTRAL.size + name_length].decode("latin-1")
        top, _, rest = name.partition("/")
        if end > len(data) or not is_name(top) or not is_name(rest):
            self._refuse(start + at, f"{name[:80]!r} is no name of a file")
        if extra_length == 28:
            size, packed, offset = struct.unpack_from("<QQQ", data, end - 24)
        return Entry(name, size, packed, crc, offset), end - at

    def _check_places(self, entries: list[Entry], end: int) -> None:
        """Check that entries follow one another in order, from the beginning to the directory, below their headers."""
        at, last = 0, ""
        for entry in entries:
            if entry.name <= last:
                self._refuse(at, f"{entry.name} comes twice, or not in order")
            if entry.offset != at or self._bytes(at, len(entry.local())) != entry.local():
                self._refuse(at, f"the header of {entry.name} is not what the directory says")
            at, last = entry.start + entry.packed, entry.name
        if at != end:
            self._refuse(at, "something lies between the last file and the directory")

    def _bytes(self, start: int, size: int = -1) -> bytes:
        self._file.seek(start)
        return self._file.read(size)

    def _refuse(self, offset: int, reason: str) -> NoReturn:
        raise Corrupt(
            f"{self._source}: at byte {offset:,}: {reason}",
            hint="get it again; if another tool packed it, unpack it and name the directory instead",
        )
