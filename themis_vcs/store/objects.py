"""The objects of a store on disk: finding, reading and verifying them, and preparing new ones.

Each call is one short transaction, or, for an iterator, one per step; decompressing and hashing happen outside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from themis_vcs.errors import Corrupt, ObjectNotFound, ThemisError
from themis_vcs.model.oid import Oid
from themis_vcs.store import segments
from themis_vcs.store.backend import Foreign, Record, Stored
from themis_vcs.store.compressor import Compressor
from themis_vcs.store.dictionaries import Trained
from themis_vcs.store.environment import Environment
from themis_vcs.store.frames import Frame, payload_of
from themis_vcs.store.segments import Finder, Location
from themis_vcs.store.tables import Reader, Writer

_STEP: Final = 512
_READ_STEP: Final = 2_048
_READ_BYTES: Final = 8 << 20
_SEGMENT_STEP: Final = 32

K = TypeVar("K")


class Prepared(NamedTuple):
    """Frames to append with the dictionaries they need, index rows to delete, and the transaction of the lookup."""

    frames: list[Frame]
    trained: list[Trained]
    rows: list[bytes]
    seen: int


class LmdbObjects:
    """Objects in segments of an environment."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._damaged: set[Oid] = set()
        self.compressor = Compressor(environment, self.get)

    def get(self, oid: Oid) -> bytes:
        return next(self.get_many((oid,)))[1]

    def get_many(self, oids: Iterable[Oid]) -> Iterator[tuple[Oid, bytes]]:
        for oid, found in self._found(oids):
            yield oid, self._verified(oid, found)

    def stored(self, oids: Iterable[Oid]) -> Iterator[Stored]:
        dictionary = self.compressor.oid_of
        for oid, frame in self._found(oids):
            payload = self._verified(oid, frame)
            assert isinstance(frame, Frame)
            yield Stored(frame, dictionary(frame.dictionary) if frame.dictionary else None, payload)

    def everything(self) -> Iterator[tuple[Oid, bytes]]:
        number, count = 1, 0
        while True:
            with self.environment.reading() as reader:
                stored = segments.stored(reader, number, _SEGMENT_STEP)
                expected = reader.entries(segments.INDEX)
            if not stored:
                break
            for frame in (frame for _, found in stored for frame in found):
                count += 1
                yield frame.oid, self._verified(frame.oid, frame)
            number = stored[-1][0] + 1
        if count < expected:
            raise Corrupt(f"the index knows {expected:,} objects, and {count:,} were found")

    def has(self, oid: Oid) -> bool:
        return not self.missing((oid,))

    def missing(self, oids: Iterable[Oid]) -> list[Oid]:
        result: list[Oid] = []
        for wanted in steps(dict.fromkeys(oids)):
            with self.environment.reading() as reader:
                places = Finder(reader).find_all(wanted)
                result += [
                    oid for oid, place in zip(wanted, places, strict=True) if place is None or oid in self._damaged
                ]
        return result

    def oids(self, prefix: bytes = b"") -> Iterator[Oid]:
        start = prefix[: segments.PREFIX]
        count, seen = 0, set()
        while True:
            with self.environment.reading() as reader:
                found, start = segments.oids(reader, prefix, start, _STEP)
                seen.add(reader.txn.id())
                expected = reader.entries(segments.INDEX)
            count += len(found)
            yield from found
            if not start:
                break
        if not prefix and len(seen) == 1 and count != expected:
            raise Corrupt(f"the index holds {expected:,} objects, and {count:,} were found")

    def _prepared(self, entries: Sequence[Record], foreign: Sequence[Foreign] = ()) -> Prepared:
        with self.environment.reading() as reader:
            finder, damaged = Finder(reader), self._damaged
            places = finder.find_all([oid for oid, _, _ in entries])
            found = zip(entries, places, strict=True)
            fresh = list({entry[0]: entry for entry, place in found if place is None or entry[0] in damaged}.values())
            damaged.update(finder.doubtful)
            others = zip(foreign, finder.find_all([each.frame.oid for each in foreign]), strict=True)
            strange = [each for each, place in others if place is None or each.frame.oid in damaged]
            damaged.update(finder.doubtful)
            seen = reader.txn.id()
        new = [*(oid for oid, _, _ in fresh), *(each.frame.oid for each in strange)]
        rows = [row for oid in new if oid in damaged for row in self._unsound(oid)]
        frames, trained = self.compressor.compress(fresh)
        if strange:
            frames += self.compressor.adapt(strange, trained)
        return Prepared(frames, trained, rows, seen)

    def _append(self, writer: Writer, prepared: Prepared, numbers: list[int]) -> int:
        """Write what was prepared, but for objects that another writer has stored meanwhile; return how many."""
        frames = prepared.frames
        finder = Finder(writer)
        if writer.txn.id() != prepared.seen + 1:
            frames = [frame for frame in frames if frame.oid in self._damaged or finder.find(frame.oid) is None]
        segments.forget(writer, prepared.rows)
        new = [item.frame for item in prepared.trained if finder.find(item.frame.oid) is None]
        if new:
            segments.append(writer, new)
        if numbers:
            frames = [
                frame.renumbered(numbers[-frame.dictionary - 1]) if frame.dictionary < 0 else frame for frame in frames
            ]
        if frames:
            segments.append(writer, frames)
        return len(frames)

    def _unsound(self, oid: Oid) -> list[bytes]:
        """Return the index rows that look like this object's and lead to no sound frame of another one."""
        with self.environment.reading() as reader:
            places = Finder(reader).candidates(oid)
        return [segments.row_of(oid, place) for place in places if not self._leads_elsewhere(oid, place)]

    def _leads_elsewhere(self, oid: Oid, place: Location) -> bool:
        try:
            with self.environment.reading() as reader:
                frame = Finder(reader).frame(place)
            payload_of(frame, self.compressor.lookup)
        except Corrupt:
            return False
        return frame.oid != oid

    def _found(self, oids: Iterable[Oid]) -> Iterator[tuple[Oid, Frame | list[Location]]]:
        """Yield each oid with its frame, or the places where that might have been."""
        for step in steps(oids, _READ_STEP):
            wanted = step
            while wanted:
                with self.environment.reading() as reader:
                    found = self._frames(reader, wanted)
                yield from zip(wanted, found, strict=False)
                wanted = wanted[len(found) :]

    def _frames(self, reader: Reader, oids: Sequence[Oid]) -> list[Frame | list[Location]]:
        """Return what is found of the first oids: of as many as memory is spared for."""
        finder = Finder(reader)
        found: list[Frame | list[Location]] = []
        size = 0
        for oid, place in zip(oids, finder.find_all(oids), strict=True):
            if size >= _READ_BYTES:
                break
            try:
                if place is None:
                    found.append(finder.candidates(oid))
                else:
                    found.append(frame := finder.frame(place))
                    size += len(frame.data)
            except Corrupt as error:
                self._damaged.add(oid)
                raise Corrupt(f"object {oid.hex()} is damaged: {error}", oid=oid) from error
        return found

    def _verified(self, oid: Oid, found: Frame | list[Location]) -> bytes:
        """Return the payload of an object from what was found of it."""
        if isinstance(found, Frame):
            try:
                return payload_of(found, self.compressor.lookup)
            except ThemisError:
                self._damaged.add(oid)
                raise
        if all(self._leads_elsewhere(oid, place) for place in found):
            raise ObjectNotFound(oid)
        self._damaged.add(oid)
        raise Corrupt(f"object {oid.hex()} is damaged: the bytes at its place in the store are not its own", oid=oid)


def steps(items: Iterable[K], size: int = 8 * _STEP) -> Iterator[list[K]]:
    """Yield the items in lists of `size`: as many as one transaction looks up."""
    iterator = iter(items)
    while step := list(islice(iterator, size)):
        yield step
