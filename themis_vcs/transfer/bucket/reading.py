"""Objects out of packs in a bucket: near ones in one request, each checked before it is given to anybody."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import zstandard

from themis_vcs.errors import Corrupt
from themis_vcs.model.objects import Dictionary, load
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import Stored
from themis_vcs.store.dictionaries import readable
from themis_vcs.transfer.bucket.index import Indexes, PackIndex, pack_key
from themis_vcs.transfer.bucket.storage import Bucket
from themis_vcs.transfer.packfile import PackFile

GAP: Final = 64 << 10
"""Objects that lie nearer to each other than this are got in one request, of at most so many bytes if several:"""
RUN: Final = 8 << 20
_AHEAD: Final = 128 << 10
_DICTIONARIES: Final = 64


class Reader:
    """Reads objects that the indexes know."""

    def __init__(self, bucket: Bucket, indexes: Indexes) -> None:
        self._bucket, self._indexes = bucket, indexes
        self._packs: dict[str, tuple[_Window, PackFile]] = {}
        self._ready: OrderedDict[Oid, zstandard.ZstdCompressionDict] = OrderedDict()

    def objects(self, oids: Sequence[Oid]) -> Iterator[Stored]:
        """Yield these objects, pack by pack in the order in which they lie there. Corrupt; Absent if a pack is."""
        wanted: dict[str, tuple[PackIndex, list[tuple[int, Oid]]]] = {}
        for oid in oids:
            place = self._indexes.find(oid)
            if place is None:
                raise Corrupt(
                    f"{self._bucket.name}: object {oid.hex()} is missing, and something refers to it", oid=oid
                )
            wanted.setdefault(place.pack.entry.name, (place.pack, []))[1].append((place.offset, oid))
        for index, places in wanted.values():
            window, pack = self._opened(index)
            try:
                for run in _runs(index, sorted(places)):
                    window.fetch(run.start, run.end)
                    for offset, oid in run.places:
                        yield pack.stored(oid, offset)
            finally:
                window.clear()

    def dictionary(self, oid: Oid) -> bytes:
        """Return the payload of a dictionary. Corrupt."""
        place = self._indexes.find(oid)
        if place is None:
            raise Corrupt(f"{self._bucket.name}: dictionary {oid.hex()}, which a frame needs, is missing", oid=oid)
        return self._opened(place.pack)[1].dictionary(oid)

    def _opened(self, index: PackIndex) -> tuple[_Window, PackFile]:
        opened = self._packs.get(index.entry.name)
        if opened is None:
            window = _Window(self._bucket, index)
            source = f"{self._bucket.name}: {pack_key(index.entry)}"
            opened = self._packs[index.entry.name] = window, PackFile(window, source, self._dictionary)
        return opened

    def _dictionary(self, oid: Oid) -> zstandard.ZstdCompressionDict:
        found = self._ready.get(oid)
        if found is None:
            found = readable(load(self.dictionary(oid), Dictionary))
            while len(self._ready) >= _DICTIONARIES:
                self._ready.popitem(last=False)
        self._ready[oid] = found
        self._ready.move_to_end(oid)
        return found


class _Run(NamedTuple):
    """Frames that are got in one request, each with its offset and its oid."""

    start: int
    end: int
    places: list[tuple[int, Oid]]


def _runs(index: PackIndex, places: Sequence[tuple[int, Oid]]) -> Iterator[_Run]:
    run: _Run | None = None
    for offset, oid in places:
        end = index.end(offset)
        if run is not None and offset - run.end <= GAP and end - run.start <= RUN:
            run.places.append((offset, oid))
            run = run._replace(end=max(end, run.end))
            continue
        if run is not None:
            yield run
        run = _Run(offset, end, [(offset, oid)])
    if run is not None:
        yield run


class _Part(NamedTuple):
    start: int = 0
    data: bytes = b""

    def has(self, at: int, size: int) -> bool:
        return self.start <= at and at + size <= self.start + len(self.data)


class _Window:
    """A pack as a file: its end is the index, which is here; of the rest there is a run, and a part beside it."""

    def __init__(self, bucket: Bucket, index: PackIndex) -> None:
        self._bucket, self._index = bucket, index
        self._at = 0
        self._run = self._aside = _Part()

    def fetch(self, start: int, end: int) -> None:
        """Have this run here."""
        self._run = self._got(start, end)

    def clear(self) -> None:
        """Give the memory back."""
        self._run = self._aside = _Part()

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._at = offset + (self._index.entry.size if whence == os.SEEK_END else 0)
        return self._at

    def read(self, size: int, /) -> bytes:
        at, border = self._at, self._index.start
        self._at += size
        if at >= border:
            return self._index.data[at - border : at - border + size]
        part = self._run if self._run.has(at, size) else self._aside
        if not part.has(at, size):
            part = self._aside = self._got(at, min(border, at + max(size, _AHEAD)))
        return part.data[at - part.start : at - part.start + size]

    def _got(self, start: int, end: int) -> _Part:
        return _Part(start, self._bucket.get_range(pack_key(self._index.entry), start, end))
