"""Packs: objects as one stream of bytes, children first (`docs/reference/format/pack.md`). This is the writer.

Not responsible for which objects go in, nor for reading (`unpack`, `packfile`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from blake3 import blake3

from themis_vcs.errors import UsageError
from themis_vcs.model.oid import Oid
from themis_vcs.store.frames import HEADER_BYTES, Frame

MAGIC: Final = b"\x89THPACK\n"
VERSION: Final = 1
HEADER: Final = struct.Struct(">8sI")
RECORD: Final = b"\x01"
KNOWN: Final = b"\x02"
END: Final = b"\x00"
ENTRY: Final = struct.Struct(">32sQ")
OFFSET: Final = struct.Struct(">Q")
TRAILER: Final = struct.Struct(">QIQ4s")
CLOSING: Final = b"THEN"
HASH_BYTES: Final = 32
CONTEXT: Final = "themis_vcs 2026-11-23 pack v1"

MAX_OBJECTS: Final = 100_000
MAX_BYTES: Final = 128 << 20
MAX_NEEDS: Final = 1 << 20
"""A pack of up to 32 MiB cannot need more: an oid takes 32 bytes, and does not compress."""
MAX_DICTIONARIES: Final = 255
MAX_DICTIONARY: Final = 1 << 20
MAX_DICTIONARY_BYTES: Final = 32 << 20
"""Of all dictionaries of a pack together: whoever reads it keeps them in memory."""
_CLOSING_BYTES: Final = 1024
_ROOM: Final = MAX_BYTES - HEADER_BYTES - MAX_DICTIONARY - MAX_DICTIONARIES * OFFSET.size - _CLOSING_BYTES
"""For the data of frames and for the index, if a dictionary more is to find its place."""
_CHUNK: Final = 1 << 16
_RATIO: Final = 1_024
_RATIO_FROM: Final = 65_536


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes: ...


class Packed(NamedTuple):
    """A pack that was written: its hash, the number of its objects, and its size in bytes."""

    hash: bytes
    objects: int
    size: int


def within_ratio(raw_length: int, stored: int) -> bool:
    """Say whether a frame may compress that well (PACK-4)."""
    return raw_length <= _RATIO * stored + _RATIO_FROM


class PackWriter:
    """Writes a pack to `write`, which takes all of the bytes that it is given."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._hash = blake3(derive_key_context=CONTEXT)
        self._size = 0
        self._unwritten: list[bytes] = []
        self._unwritten_bytes = 0
        self._places: dict[Oid, int] = {}
        self._dictionaries: dict[Oid, int] = {}
        self._dictionary_places: list[int] = []
        self._dictionary_bytes = 0
        self._put(HEADER.pack(MAGIC, VERSION))

    @property
    def size(self) -> int:
        """The number of bytes written so far."""
        return self._size

    def takes(self, frame: Frame) -> bool:
        """Say whether there is room for another object, with a dictionary before it."""
        objects = len(self._places) + 2
        room = _ROOM - self._size - len(frame.data) - objects * ENTRY.size
        another = (
            len(self._dictionaries) < MAX_DICTIONARIES
            and self._dictionary_bytes + MAX_DICTIONARY <= MAX_DICTIONARY_BYTES
        )
        return room >= 0 and objects <= MAX_OBJECTS and another

    def can_use(self, dictionary: Oid) -> bool:
        """Say whether frames may use a dictionary from here on."""
        return dictionary in self._dictionaries

    def __contains__(self, oid: Oid) -> bool:
        return oid in self._places

    def know(self, dictionary: Oid) -> None:
        """Note a dictionary that the receiver has."""
        self._enter(dictionary, self._size + len(KNOWN))
        self._put(KNOWN + dictionary)

    def add(self, frame: Frame, dictionary: Oid | None = None, *, is_dictionary: bool = False) -> None:
        """Write an object that is not in the pack yet, after all that it refers to.

        `dictionary` names what the frame is compressed with, which is in the pack already; the number that the frame
        itself has is that of the store it is from. UsageError if the pack is full or a rule is broken.
        """
        if frame.oid in self._places:
            raise UsageError(f"object {frame.oid.hex()} is in this pack already")
        if not self.takes(frame):
            raise UsageError("this pack is full", hint="begin another pack")
        if not within_ratio(frame.raw_length, len(frame.data)):
            raise UsageError(f"object {frame.oid.hex()} compresses too well for a pack", hint="store it raw")
        number = 0
        if dictionary is not None:
            number = self._dictionaries.get(dictionary, 0)
            if not number:
                raise UsageError(f"object {frame.oid.hex()} needs dictionary {dictionary.hex()} before it")
        place = self._places[frame.oid] = self._size + len(RECORD)
        if is_dictionary:
            self._enter(frame.oid, place)
            self._dictionary_bytes += frame.raw_length
        self._put(RECORD + frame.renumbered(number).pack())

    def finish(self) -> Packed:
        """Write what comes after the records."""
        self._put(END)
        index = self._size
        self._put(b"".join(ENTRY.pack(oid, at) for oid, at in sorted(self._places.items())))
        self._put(b"".join(map(OFFSET.pack, self._dictionary_places)))
        self._put(TRAILER.pack(len(self._places), len(self._dictionaries), index, CLOSING))
        self._write_out()
        digest = self._hash.digest(length=HASH_BYTES)
        self._write(digest)
        return Packed(digest, len(self._places), self._size + HASH_BYTES)

    def _enter(self, dictionary: Oid, place: int) -> None:
        self._dictionaries[dictionary] = len(self._dictionaries) + 1
        self._dictionary_places.append(place)

    def _put(self, data: bytes) -> None:
        self._unwritten.append(data)
        self._unwritten_bytes += len(data)
        self._size += len(data)
        if self._unwritten_bytes >= _CHUNK:
            self._write_out()

    def _write_out(self) -> None:
        """Hash and write what was not: many short pieces together take much less time than one by one."""
        data = b"".join(self._unwritten)
        self._unwritten, self._unwritten_bytes = [], 0
        self._hash.update(data)
        self._write(data)
