"""Finding one object in a pack without reading the rest (PACK-7)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

import zstandard

from themis_vcs.errors import Corrupt, MalformedPack, ObjectNotFound
from themis_vcs.model.objects import Dictionary, load
from themis_vcs.model.oid import Oid, oid_of
from themis_vcs.store import frames
from themis_vcs.store.dictionaries import readable
from themis_vcs.store.frames import HEADER_BYTES, DictionaryLookup, Frame, payload_of
from themis_vcs.transfer import pack

_TAIL = pack.TRAILER.size + pack.HASH_BYTES


class PackFile:
    """The pack that fills a file which can be sought in; `source` names it in errors."""

    def __init__(self, file: BinaryIO, source: str = "pack") -> None:
        self._file, self._source = file, source
        self._size = file.seek(0, os.SEEK_END)
        if self._size < pack.HEADER.size + 1 + _TAIL:
            raise self._malformed(0, "too short for a pack")
        self.objects, dictionaries, self._index, closing = pack.TRAILER.unpack(
            self._bytes(self._size - _TAIL, pack.TRAILER.size)
        )
        rows = self._index + pack.ENTRY.size * self.objects
        whole = rows + pack.OFFSET.size * dictionaries + _TAIL == self._size
        possible = self.objects <= pack.MAX_OBJECTS and dictionaries <= pack.MAX_DICTIONARIES
        if closing != pack.CLOSING or not whole or not possible:
            raise self._malformed(self._size - _TAIL, "the trailer does not fit the file")
        self._dictionary_places = [
            pack.OFFSET.unpack(self._bytes(rows + pack.OFFSET.size * number, pack.OFFSET.size))[0]
            for number in range(dictionaries)
        ]
        self._dictionaries: dict[int, zstandard.ZstdCompressionDict] = {}

    def get(self, oid: Oid) -> bytes:
        """Return the payload of an object, checked. ObjectNotFound; MalformedPack."""
        place = self._find(oid)
        if place is None:
            raise ObjectNotFound(oid)
        payload = self._payload(place, self._dictionary)
        if oid_of(payload) != oid:
            raise self._malformed(place, f"another object than {oid.hex()}", oid)
        return payload

    def __contains__(self, oid: Oid) -> bool:
        return self._find(oid) is not None

    def oids(self) -> Iterator[Oid]:
        """Yield the oids that the index names, in its order."""
        for number in range(self.objects):
            yield self._entry(number)[0]

    def _find(self, oid: Oid) -> int | None:
        low, high = 0, self.objects
        while low < high:
            middle = (low + high) // 2
            found, place = self._entry(middle)
            if found == oid:
                return place
            low, high = (middle + 1, high) if found < oid else (low, middle)
        return None

    def _entry(self, number: int) -> tuple[Oid, int]:
        oid, place = pack.ENTRY.unpack(self._bytes(self._index + pack.ENTRY.size * number, pack.ENTRY.size))
        return oid, place

    def _payload(self, place: int, lookup: DictionaryLookup) -> bytes:
        try:
            return payload_of(self._frame(place), lookup)
        except MalformedPack:
            raise
        except Corrupt as error:
            raise self._malformed(place, error.message, error.oid) from error

    def _frame(self, place: int) -> Frame:
        if place + HEADER_BYTES > self._index:
            raise self._malformed(place, "no object begins here")
        header = self._bytes(place, HEADER_BYTES)
        raw_length, stored = frames.lengths(header)
        if place + HEADER_BYTES + stored > self._index or not pack.within_ratio(raw_length, stored):
            raise self._malformed(place, f"an object of {stored:,} bytes that claim to hold {raw_length:,}")
        return frames.unpack(header + self._bytes(place + HEADER_BYTES, stored), 0)

    def _dictionary(self, number: int) -> zstandard.ZstdCompressionDict:
        found = self._dictionaries.get(number)
        if found is None:
            if number > len(self._dictionary_places):
                raise Corrupt(f"dictionary {number}, which a frame needs, does not exist")
            place = self._dictionary_places[number - 1]
            if place and self._bytes(place - 1, 1) != pack.RECORD:
                raise Corrupt(f"dictionary {number}, which a frame needs, is not in this pack")
            found = readable(load(self._payload(place, _none), Dictionary))
            self._dictionaries[number] = found
        return found

    def _bytes(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        data = self._file.read(size)
        if len(data) < size:
            raise self._malformed(start, "the pack ends here, before its end")
        return data

    def _malformed(self, offset: int, reason: str, oid: Oid | None = None) -> MalformedPack:
        return MalformedPack(self._source, offset, reason, oid=oid)


def _none(number: int) -> zstandard.ZstdCompressionDict:
    raise Corrupt(f"a dictionary is compressed with dictionary {number}")
