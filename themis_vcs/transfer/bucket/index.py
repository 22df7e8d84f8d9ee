"""Which objects the live packs have, and where: their indexes, kept in memory and in a directory of this machine.

Memory is about 50 bytes per object. Not responsible for which packs are live (`root`) nor for the objects (`reading`).
"""

from __future__ import annotations

import os
import struct
import tempfile
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

from blake3 import blake3

from themis_vcs.errors import Corrupt
from themis_vcs.model.codec import MAX_OBJECT
from themis_vcs.model.oid import Oid
from themis_vcs.store.frames import HEADER_BYTES
from themis_vcs.transfer import pack
from themis_vcs.transfer.bucket.root import PackEntry
from themis_vcs.transfer.bucket.storage import Absent, Bucket

_TAIL: Final = pack.TRAILER.size + pack.HASH_BYTES
_MAX_INDEX: Final = pack.ENTRY.size * pack.MAX_OBJECTS + pack.OFFSET.size * pack.MAX_DICTIONARIES + _TAIL
_PREFIX: Final = 8


def pack_key(entry: PackEntry) -> str:
    """Return the key of a pack."""
    return f"packs/{entry.name}.pack"


def index_key(entry: PackEntry) -> str:
    """Return the key of the index of a pack."""
    return f"packs/{entry.name}.idx"


def index_hash(data: bytes) -> str:
    """Return the hash of an `.idx` that `root.json` states, in hex."""
    return blake3(data).hexdigest()


class Place(NamedTuple):
    """Where an object is: the index of the pack, and the offset of its frame."""

    pack: PackIndex
    offset: int


class PackIndex:
    """The index of one pack: its `.idx`, whose hash has been compared. Corrupt if it does not fit the pack."""

    def __init__(self, entry: PackEntry, data: bytes, source: str) -> None:
        self.entry, self.data, self._source = entry, data, source
        self.start = entry.size - len(data)
        """The offset in the pack at which the index begins, and the records end."""
        if len(data) < _TAIL:
            raise self._corrupt("it is too short")
        objects, dictionaries, start, closing = pack.TRAILER.unpack_from(data, len(data) - _TAIL)
        size = pack.ENTRY.size * objects + pack.OFFSET.size * dictionaries + _TAIL
        fits = (objects, start, size, closing) == (entry.objects, self.start, len(data), pack.CLOSING)
        if not fits or data[-pack.HASH_BYTES :].hex() != entry.hash:
            raise self._corrupt("it does not fit its pack")
        self._prefixes = array("Q", (prefix for (prefix,) in self._rows(">Q32x")))
        if any(one > other for one, other in zip(self._prefixes, self._prefixes[1:], strict=False)):
            raise self._corrupt("its entries are not in order")

    def find(self, oid: Oid) -> int | None:
        """Return the offset of an object's frame."""
        prefix = int.from_bytes(oid[:_PREFIX], "big")
        for number in range(bisect_left(self._prefixes, prefix), len(self._prefixes)):
            if self._prefixes[number] != prefix:
                break
            found, offset = pack.ENTRY.unpack_from(self.data, number * pack.ENTRY.size)
            if found == oid:
                return int(offset)
        return None

    def end(self, offset: int) -> int:
        """Return before which offset the frame at `offset` ends. Corrupt if no frame can be there."""
        after = bisect_right(self._offsets, offset)
        following = self._offsets[after] - len(pack.RECORD) if after < len(self._offsets) else self.start
        if offset < pack.HEADER.size or offset + HEADER_BYTES > following or following > self.start:
            raise self._corrupt(f"it says that an object lies at byte {offset:,}")
        return min(following, offset + HEADER_BYTES + MAX_OBJECT)

    def oids(self) -> list[Oid]:
        """Return the oids of the objects, in the order in which they lie in the pack."""
        rows = sorted((offset, oid) for oid, offset in self._rows(pack.ENTRY.format))
        return [oid for _, oid in rows]

    def dictionaries(self) -> list[Oid]:
        """Return the oids of the dictionaries that the pack itself has."""
        start = pack.ENTRY.size * self.entry.objects
        places = {at for (at,) in pack.OFFSET.iter_unpack(self.data[start : len(self.data) - _TAIL])}
        return [oid for oid, offset in self._rows(pack.ENTRY.format) if offset in places]

    @cached_property
    def _offsets(self) -> array[int]:
        return array("Q", sorted(offset for (offset,) in self._rows(">32xQ")))

    def _rows(self, form: str) -> Iterator[tuple[Any, ...]]:
        return struct.iter_unpack(form, memoryview(self.data)[: pack.ENTRY.size * self.entry.objects])

    def _corrupt(self, reason: str) -> Corrupt:
        return Corrupt(f"{self._source}: {index_key(self.entry)}: {reason}")


class Indexes:
    """The indexes of the live packs, each read when it is first needed, from `cache` if it is there."""

    def __init__(self, bucket: Bucket, cache: Path | None = None) -> None:
        self._bucket, self._cache = bucket, cache
        self._live: dict[str, PackEntry] = {}
        self._loaded: dict[str, PackIndex] = {}

    def use(self, entries: Iterable[PackEntry]) -> None:
        """Look for objects in these packs from now on."""
        self._live = {entry.name: entry for entry in entries}
        self._loaded = {name: index for name, index in self._loaded.items() if self._live.get(name) == index.entry}

    def add(self, entry: PackEntry, data: bytes) -> None:
        """Look for objects in another pack, whose index is given."""
        self._live[entry.name] = entry
        self._loaded[entry.name] = PackIndex(entry, data, self._bucket.name)
        self._keep(entry, data)

    def without(self, entries: Iterable[PackEntry]) -> Indexes:
        """Return the same but for some packs."""
        other = Indexes(self._bucket, self._cache)
        gone = {entry.name for entry in entries}
        other._loaded = {index.entry.name: index for index in self}
        other.use(entry for name, entry in self._live.items() if name not in gone)
        return other

    def __iter__(self) -> Iterator[PackIndex]:
        """Yield the indexes, the last listed first: what was pushed lately is asked for most."""
        for entry in reversed(self._live.values()):
            if entry.name not in self._loaded:
                self._loaded[entry.name] = PackIndex(entry, self._data(entry), self._bucket.name)
            yield self._loaded[entry.name]

    def find(self, oid: Oid) -> Place | None:
        """Return where an object is."""
        for index in self:
            offset = index.find(oid)
            if offset is not None:
                return Place(index, offset)
        return None

    def missing(self, oids: Sequence[Oid]) -> list[Oid]:
        """Return those that are in no pack, in order."""
        left = list(oids)
        for index in self:
            left = [oid for oid in left if index.find(oid) is None]
            if not left:
                break
        return left

    def _data(self, entry: PackEntry) -> bytes:
        if self._cache is not None:
            try:
                data = _read_at_most(self._cache / f"{entry.name}.idx", _MAX_INDEX)
            except OSError:
                data = b""
            if index_hash(data) == entry.index:
                return data
        found = self._bucket.get(index_key(entry), _MAX_INDEX)
        if found is None:
            raise Absent(f"{self._bucket.name}: {index_key(entry)} belongs to a pack that is listed, and is not there")
        data = found[0]
        if index_hash(data) != entry.index:
            raise Corrupt(f"{self._bucket.name}: {index_key(entry)} does not hash to what root.json says")
        self._keep(entry, data)
        return data

    def _keep(self, entry: PackEntry, data: bytes) -> None:
        """Put an index into the cache; a cache that cannot be written is none."""
        if self._cache is None:
            return
        try:
            self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".idx-", dir=self._cache)
            try:
                with open(descriptor, "wb") as file:
                    file.write(data)
                os.replace(name, self._cache / f"{entry.name}.idx")
            except OSError:
                os.unlink(name)
        except OSError:
            return


def _read_at_most(path: Path, size: int) -> bytes:
    with open(path, "rb") as file:
        return file.read(size)
