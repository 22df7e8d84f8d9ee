"""Bundles: refs with the objects that they reach, in one file or in parts (`docs/reference/format/bundle.md`).

This is what both sides know of the format, and the side that reads: a bundle is a source like any other store.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, BinaryIO, Final, NamedTuple

import msgspec
from blake3 import blake3
from msgspec import Meta, Struct

from themis_vcs.errors import Corrupt, FormatError, MalformedPack, NotFound, StorageError, UsageError, unreadable
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import RefUpdate, Stored
from themis_vcs.transfer import pack
from themis_vcs.transfer.endpoint import SHARED, Progress, Source, Transferred, check_shared
from themis_vcs.transfer.messages import Hex
from themis_vcs.transfer.packfile import PackFile

MAGIC: Final = b"\x89THBNDL\n"
VERSION: Final = 1
OPENING: Final = struct.Struct(">8sII")
PACK: Final = b"\x01"
END: Final = b"\x00"
LENGTH: Final = struct.Struct(">Q")
TRAILER: Final = struct.Struct(">IQB")
HASH_BYTES: Final = 32
CONTEXT: Final = "themis_vcs 2026-11-23 bundle v1"
MAX_HEAD: Final = 16 << 20
MAX_PARTS: Final = 999
_TAIL: Final = TRAILER.size + HASH_BYTES
_CHUNK: Final = 1 << 20


class Head(Struct, frozen=True):
    """The head of a part, its fields by name. `part` counts from 1; `after` is the hash of the part before."""

    refs: Annotated[dict[str, Hex], Meta(max_length=100_000)]
    needs: list[Hex]
    part: Annotated[int, Meta(ge=1, le=MAX_PARTS)]
    after: Hex | None

    def encode(self) -> bytes:
        """Return the head as it lies in a file."""
        return msgspec.json.encode(self, order="sorted")


def part_path(path: Path, number: int) -> Path:
    """Return where the n-th part of a bundle is that `path` names."""
    return path.with_name(f"{path.name}.{number:03d}")


class Slice:
    """Some bytes of a file as a file of its own."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size = file, start, size
        self._at = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._at = offset + (self._size if whence == os.SEEK_END else 0)
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        left = max(0, self._size - self._at)
        self._file.seek(self._start + self._at)
        data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data


class Part:
    """One file of a bundle: its head, and where its packs are. MalformedPack, FormatError."""

    def __init__(self, file: BinaryIO, source: str) -> None:
        self.file, self.source = file, source
        self.size = file.seek(0, os.SEEK_END)
        if self.size < OPENING.size + 1 + _TAIL:
            raise self.malformed(0, "too short for a bundle")
        magic, version, length = OPENING.unpack(self.bytes(0, OPENING.size))
        if magic != MAGIC:
            raise self.malformed(0, "this is no bundle")
        if version != VERSION:
            raise FormatError(
                f"{source}: bundle of version {version}; this themis reads version {VERSION}",
                hint="use a newer version of themis",
            )
        self.head = self._head(length)
        packs, table, last = TRAILER.unpack(self.bytes(self.size - _TAIL, TRAILER.size))
        if last > 1 or table + LENGTH.size * packs + _TAIL != self.size:
            raise self.malformed(self.size - _TAIL, "the trailer does not fit the file")
        self.last = bool(last)
        self.hash = self.bytes(self.size - HASH_BYTES, HASH_BYTES).hex()
        self.places = [
            self._place(LENGTH.unpack(self.bytes(table + LENGTH.size * number, LENGTH.size))[0], table)
            for number in range(packs)
        ]

    def check(self) -> None:
        """Compare the whole file with its hash, and with what its trailer says. MalformedPack."""
        hasher, at = blake3(derive_key_context=CONTEXT), 0
        end = self.size - HASH_BYTES
        while at < end:
            chunk = self.bytes(at, min(_CHUNK, end - at))
            hasher.update(chunk)
            at += len(chunk)
        if hasher.hexdigest() != self.hash:
            raise self.malformed(end, "the bytes of the bundle do not hash to what it says")
        expected = OPENING.size + len(self.head.encode())
        for start, size in self.places:
            if start != expected + len(PACK) + LENGTH.size:
                raise self.malformed(expected, "the packs do not follow one another")
            expected = start + size
        if self.bytes(expected, 1) != END or expected + 1 + LENGTH.size * len(self.places) + _TAIL != self.size:
            raise self.malformed(expected, "the last pack is not followed by the end")

    def slice(self, number: int) -> Slice:
        """Return the n-th pack."""
        return Slice(self.file, *self.places[number])

    def _head(self, length: int) -> Head:
        if length > min(MAX_HEAD, self.size - OPENING.size):
            raise self.malformed(12, f"a head of {length:,} bytes")
        data = self.bytes(OPENING.size, length)
        try:
            head = msgspec.json.decode(data, type=Head)
            check_shared([RefUpdate(name, None) for name in head.refs])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, UsageError) as error:
            raise self.malformed(OPENING.size, f"not the head of a bundle: {error}") from error
        if head.encode() != data:
            raise self.malformed(OPENING.size, "the head is not written as it must be")
        return head

    def _place(self, offset: int, table: int) -> tuple[int, int]:
        """Return where the pack begins that the table has at `offset`, and its size."""
        start = offset + len(PACK) + LENGTH.size
        if not OPENING.size <= offset or start > table or self.bytes(offset, 1) != PACK:
            raise self.malformed(offset, "no pack begins here")
        size = LENGTH.unpack(self.bytes(offset + len(PACK), LENGTH.size))[0]
        if size > pack.MAX_BYTES or start + size > table:
            raise self.malformed(offset, f"a pack of {size:,} bytes")
        return start, size

    def bytes(self, start: int, size: int) -> bytes:
        """Return some bytes of the file. MalformedPack if it ends before."""
        self.file.seek(start)
        data = self.file.read(size)
        if len(data) < size:
            raise self.malformed(start + len(data), "the bundle ends here, before its end")
        return data

    def malformed(self, offset: int, reason: str) -> MalformedPack:
        """Return the error for something wrong at an offset."""
        return MalformedPack(self.source, offset, reason)


class Place(NamedTuple):
    """Where an object is."""

    pack: PackFile
    offset: int


class Bundle:
    """The bundle in files that can be sought in, in order of its parts, as an endpoint that nothing can be sent to.

    Every object is checked when it is read; `verify` in `bundling` checks all of it. Memory is about 40 bytes per
    object.
    """

    def __init__(self, files: Sequence[BinaryIO], name: str) -> None:
        self.name = name
        several = len(files) > 1
        self.parts = [
            Part(file, f"{name}, part {number}" if several else name) for number, file in enumerate(files, start=1)
        ]
        self.head = self.parts[0].head
        self._check_parts()
        self.packs = [
            PackFile(part.slice(number), f"{part.source}, pack {number + 1}")
            for part in self.parts
            for number in range(len(part.places))
        ]
        self._likely = 0

    @property
    def needs(self) -> list[Oid]:
        """The runs that must be where the bundle is unpacked."""
        return [bytes.fromhex(oid) for oid in self.head.needs]

    @property
    def size(self) -> int:
        """The number of bytes of all parts."""
        return sum(part.size for part in self.parts)

    def refs(self) -> dict[str, Oid]:
        return {name: bytes.fromhex(oid) for name, oid in self.head.refs.items() if name.startswith(SHARED)}

    def missing(self, oids: Sequence[Oid]) -> list[Oid]:
        return [oid for oid in oids if self._find(oid) is None]

    def objects(self, oids: Sequence[Oid]) -> Iterator[Stored]:
        for oid in oids:
            place = self._find(oid)
            if place is None:
                raise self._absent(oid)
            yield place.pack.stored(oid, place.offset)

    def read(self, oids: Sequence[Oid]) -> Iterator[tuple[Oid, bytes]]:
        """Yield the payloads of those that are in the bundle."""
        absent = set(self.missing(oids))
        return ((item.frame.oid, item.payload) for item in self.objects([oid for oid in oids if oid not in absent]))

    def dictionary(self, oid: Oid) -> bytes:
        place = self._find(oid)
        if place is None:
            raise Corrupt(f"{self.name}: dictionary {oid.hex()}, which a frame needs, is missing", oid=oid)
        return place.pack.dictionary(oid)

    def close(self) -> None:
        for part in self.parts:
            part.file.close()

    def take(self, items: Iterable[Stored], source: Source, progress: Progress | None = None) -> Transferred:
        raise self._fixed()

    def move(self, updates: Sequence[RefUpdate], message: str) -> None:
        raise self._fixed()

    def _fixed(self) -> UsageError:
        return UsageError(f"{self.name} is a bundle, which cannot be changed", hint="`themis bundle create` makes one")

    def _absent(self, oid: Oid) -> Corrupt | NotFound:
        if not self.needs:
            return Corrupt(f"{self.name}: object {oid.hex()} is missing, and something refers to it", oid=oid)
        runs = ", ".join(each.hex()[:12] for each in self.needs[:4])
        return NotFound(
            f"{self.name} builds on {runs}, which is not here",
            hint="pull from where the bundle was made, or ask for one that was made without --since",
        )

    def _check_parts(self) -> None:
        for number, part in enumerate(self.parts, start=1):
            before = self.parts[number - 2].hash if number > 1 else None
            if part.head.part != number or part.head.after != before:
                raise part.malformed(OPENING.size, f"this is not part {number} of the bundle")
            if (part.head.refs, part.head.needs) != (self.head.refs, self.head.needs):
                raise part.malformed(OPENING.size, "the refs are not those of the first part")
            if part.last != (number == len(self.parts)):
                raise part.malformed(
                    part.size - _TAIL, f"part {number + 1} is missing" if not part.last else "a part follows the last"
                )

    def _find(self, oid: Oid) -> Place | None:
        """Look for an object, first where the last one was."""
        for step in range(len(self.packs)):
            number = (self._likely + step) % len(self.packs)
            offset = self.packs[number].find(oid)
            if offset is not None:
                self._likely = number
                return Place(self.packs[number], offset)
        return None


def is_bundle(path: Path) -> bool:
    """Say whether a path leads to a bundle: a file, or the name of one in parts."""
    return path.is_file() or part_path(path, 1).is_file()


def paths_of(path: Path) -> list[Path]:
    """Return the files of the bundle that a path means: the file, or all parts of which it is one or the name."""
    first = part_path(path, 1)
    if path.suffix[1:].isdigit() and len(path.suffix) == 4 and path.is_file():
        first = path.with_suffix(".001")
    if not first.is_file():
        return [path]
    found = [first]
    while (following := first.with_suffix(f".{len(found) + 1:03d}")).is_file() and len(found) < MAX_PARTS:
        found.append(following)
    return found


def open_file(path: Path) -> BinaryIO:
    """Open a file of a bundle. OSError; StorageError for what is no file, without waiting for it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StorageError(f"{path} is not a file")
    return os.fdopen(descriptor, "rb")


def open_bundle(path: Path) -> Bundle:
    """Open the bundle that a path means. NotFound, StorageError, MalformedPack, FormatError."""
    files: list[BinaryIO] = []
    try:
        for each in paths_of(path):
            files.append(open_file(each))
        return Bundle(files, str(path))
    except OSError as error:
        _close(files)
        raise unreadable(error.filename or path, error) from error
    except BaseException:
        _close(files)
        raise


def _close(files: Sequence[BinaryIO]) -> None:
    for file in files:
        file.close()
