"""Which objects of a store are reached from some of them: one bit per object, and 16 bytes to find it.

An object is known here by the place of its row in the index as it was when this was made. Rows that share their first 8
bytes are taken for one another, which marks more than is reached and never less.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import Final, NamedTuple

from themis_vcs.errors import Corrupt, ThemisError
from themis_vcs.model.objects import is_step, references_in
from themis_vcs.model.oid import Oid
from themis_vcs.store import segments
from themis_vcs.store.frames import Frame, payload_of
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.segments import PREFIX, Finder, Location

_AT_ONCE: Final = 2_048
_BYTES: Final = 16 << 20
_ROWS: Final = 50_000
_SORTED: Final = 100_000


class Found(NamedTuple):
    """An object: the place of its row, its oid, its payload, the size of its frame. Of one that is damaged `payload`
    is None.
    """

    at: int
    oid: Oid
    payload: bytes | None
    size: int = 0


class Marks:
    """The objects of a store. `marked` has a byte for each, 1 for those that were reached; `absent` is what was reached
    and has no row, `skip` what is not to be reached.
    """

    def __init__(self, backend: LmdbBackend) -> None:
        self._backend = backend
        self._prefixes, self._locations = array("Q"), array("Q")
        self._load()
        self.marked = bytearray(len(self._prefixes))
        self.absent: set[Oid] = set()
        self.skip: set[Oid] = set()

    def __len__(self) -> int:
        return len(self._prefixes)

    def places(self, oid: Oid) -> Iterator[int]:
        """Yield the places of the rows that can be an object's."""
        prefix = int.from_bytes(oid[:PREFIX], "big")
        at = bisect_left(self._prefixes, prefix)
        while at < len(self._prefixes) and self._prefixes[at] == prefix:
            yield at
            at += 1

    def location(self, at: int) -> Location:
        """Return where the frame of an object lies."""
        return self._locations[at] >> 32, self._locations[at] & 0xFFFFFFFF

    def row(self, at: int) -> bytes:
        """Return the row of an object as it is in the index."""
        return segments.row_of(self._prefixes[at].to_bytes(PREFIX, "big"), self.location(at))

    def mark(self, roots: Iterable[Oid], progress: Callable[[], object] = lambda: None) -> None:
        """Mark what the roots reach. Corrupt if something that is reached cannot be read."""
        stack = array("I")
        self._reached(roots, stack, final=False)
        while stack:
            batch = sorted((stack.pop() for _ in range(min(_AT_ONCE, len(stack)))), key=self._locations.__getitem__)
            for found in self.read(batch):
                if found.payload is None:
                    raise Corrupt(f"object {found.oid.hex()} is damaged, and is needed", oid=found.oid)
                # What a step refers to are values, which refer to nothing.
                self._reached(references_in(found.payload), stack, final=is_step(found.payload))
            progress()

    def mark_all(self, places: Sequence[int]) -> None:
        """Mark these objects with what they reach. One that is damaged has nothing below it that could be known."""
        for start in range(0, len(places), _AT_ONCE):
            chosen = [at for at in places[start : start + _AT_ONCE] if not self.marked[at]]
            below: list[Oid] = []
            for found in self.read(chosen):
                self.marked[found.at] = 1
                below += () if found.payload is None else references_in(found.payload)
            self.mark(below)

    def reach(self, roots: Iterable[Oid], skip: set[Oid] | None = None) -> bytearray:
        """Return a byte for each object, 1 for those that the roots reach, marked or not. Nothing is marked."""
        before = self.marked, self.skip
        self.marked, self.skip = bytearray(len(self)), skip or set()
        try:
            self.mark(roots)
            return self.marked
        finally:
            self.marked, self.skip = before

    def leading_to(
        self,
        found: bytearray,
        absent: Collection[Oid] = (),
        below: Callable[[bytes], Iterable[Oid]] = references_in,
    ) -> bytearray:
        """Return a byte for each object, 1 if it is one of those in `found`, or if something below it is, or is one of
        `absent`. `below` gives what an object has below it. Every object is read, mostly twice.
        """
        result = bytearray(found)
        order = self._by_location(iter(range(len(self))))
        more = True
        while more:
            more = False
            for each in self.read([at for at in order if not result[at]]):
                children = () if each.payload is None else below(each.payload)
                if any(child in absent or any(result[at] for at in self.places(child)) for child in children):
                    result[each.at], more = 1, True
        return result

    def newer(self, number: int) -> array[int]:
        """Return the places of the objects that lie in segments after a number."""
        first = (number + 1) << 32
        return array("I", (at for at, location in enumerate(self._locations) if location >= first))

    def by_location(self, *, marked: bool) -> array[int]:
        """Return the places of the objects that are marked, or are not, in the order in which they lie."""
        wanted = int(marked)
        places = (at for at, bit in enumerate(self.marked) if bit == wanted)
        return self._by_location(places)

    def read(self, places: Sequence[int]) -> Iterator[Found]:
        """Yield these objects, which should be in the order in which they lie. Those that have moved are left out."""
        start = 0
        while start < len(places):
            taken: list[tuple[int, Frame | None]] = []
            size = 0
            with self._backend.environment.reading() as reader:
                finder = Finder(reader)
                while start < len(places) and size < _BYTES and len(taken) < _AT_ONCE:
                    at = places[start]
                    start += 1
                    try:
                        frame = finder.frame(self.location(at))
                    except Corrupt:
                        taken.append((at, None))
                    else:
                        taken.append((at, frame))
                        size += max(frame.size, frame.raw_length)
            for at, each in taken:
                yield self._found(at, each)

    def _by_location(self, places: Iterator[int]) -> array[int]:
        """Return places in the order in which their objects lie, without a list of all of them."""
        location = self._locations.__getitem__
        runs = []
        while chunk := list(islice(places, _SORTED)):
            runs.append(array("I", sorted(chunk, key=location)))
        return array("I", merge(*runs, key=location))

    def _found(self, at: int, frame: Frame | None) -> Found:
        prefix = self._prefixes[at].to_bytes(PREFIX, "big")
        if frame is None or frame.oid[:PREFIX] != prefix:
            return Found(at, prefix, None)
        try:
            return Found(at, frame.oid, payload_of(frame, self._backend.compressor.lookup), frame.size)
        except ThemisError:
            return Found(at, frame.oid, None, frame.size)

    def _reached(self, oids: Iterable[Oid], stack: array[int], *, final: bool) -> None:
        prefixes, marked, end = self._prefixes, self.marked, len(self._prefixes)
        for oid in oids:
            if oid in self.skip:
                continue
            prefix = int.from_bytes(oid[:PREFIX], "big")
            at = bisect_left(prefixes, prefix)
            if at == end or prefixes[at] != prefix:
                self.absent.add(oid)
                continue
            alone = at + 1 == end or prefixes[at + 1] != prefix
            while at < end and prefixes[at] == prefix:
                if not marked[at]:
                    marked[at] = 1
                    if not (final and alone):
                        stack.append(at)
                at += 1

    def _load(self) -> None:
        """Read the whole index, in one transaction."""
        with self._backend.environment.reading() as reader:
            self.transaction = reader.txn.id()
            self.last_segment = segments.last_number(reader)
            rows = bytearray()
            for row in segments.rows(reader.cursor(segments.INDEX)):
                rows += row
                if len(rows) >= _ROWS * segments.ROW_BYTES:
                    self._take(rows)
                    rows.clear()
            self._take(rows)

    def _take(self, rows: bytearray) -> None:
        words = array("Q", bytes(rows))
        if sys.byteorder == "little":
            words.byteswap()
        self._prefixes.extend(words[::2])
        self._locations.extend(words[1::2])
