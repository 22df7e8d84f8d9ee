"""Finding one object in a pack without reading the rest (PACK-7)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Protocol

import zstandard

from themis_vcs.errors import Corrupt, FormatError, MalformedPack, ObjectNotFound
from themis_vcs.model.objects import Dictionary, load
from themis_vcs.model.oid import OID_BYTES, Oid, oid_of
from themis_vcs.store import frames
from themis_vcs.store.backend import Stored
from themis_vcs.store.dictionaries import readable
from themis_vcs.store.frames import HEADER_BYTES, DictionaryLookup, Frame, payload_of
from themis_vcs.transfer import pack

_TAIL = pack.TRAILER.size + pack.HASH_BYTES


class Seekable(pack.Readable, Protocol):
    """What a pack is read from here and there."""

    def seek(self, offset: int, whence: int = ..., /) -> int: ...


class PackFile:
    """The pack that fills a file which can be sought in; `source` names it in errors.

    `dictionary` gives a dictionary that frames need, ready to use; by default it is looked for in the pack itself.
    """

    def __init__(
        self,
        file: Seekable,
        source: str = "pack",
        dictionary: Callable[[Oid], zstandard.ZstdCompressionDict] | None = None,
    ) -> None:
        self._file, self._source = file, source
        self._ready = dictionary or self._own
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
        self._dictionary_oids: dict[int, Oid] = {}
        self._dictionaries: dict[Oid, zstandard.ZstdCompressionDict] = {}

    @property
    def size(self) -> int:
        """The number of bytes of the pack."""
        return self._size

    @property
    def hash(self) -> bytes:
        """What the pack says that it hashes to."""
        return self._bytes(self._size - pack.HASH_BYTES, pack.HASH_BYTES)

    def after_the_records(self) -> bytes:
        """Return the pack from the offset of the index to its end."""
        return self._bytes(self._index, self._size - self._index)

    def get(self, oid: Oid) -> bytes:
        """Return the payload of an object, checked. ObjectNotFound; MalformedPack."""
        return self._found(oid, self._dictionary)[1]

    def stored(self, oid: Oid, place: int) -> Stored:
        """Return the object whose frame lies at `place`, checked and found canonical. MalformedPack."""
        try:
            frame = self._frame(place)
            payload = payload_of(frame, self._dictionary)
            found = load(payload)
        except MalformedPack:
            raise
        except Corrupt as error:
            raise self._malformed(place, error.message, error.oid) from error
        except FormatError as error:
            raise FormatError(f"{self._source}: at byte {place:,}: {error.message}", hint=error.hint) from error
        if frame.oid != oid:
            raise self._malformed(place, f"another object than {oid.hex()}", oid)
        dictionary = self._dictionary_oid(frame.dictionary) if frame.dictionary else None
        return Stored(frame, dictionary, payload, found)

    def dictionary(self, oid: Oid) -> bytes:
        """Return the payload of a dictionary that is in the pack, checked. ObjectNotFound; MalformedPack."""
        place, payload = self._found(oid, _none)
        if len(load(payload, Dictionary).data) > pack.MAX_DICTIONARY:
            raise self._malformed(place, f"a dictionary of over {pack.MAX_DICTIONARY:,} bytes", oid)
        return payload

    def __contains__(self, oid: Oid) -> bool:
        return self.find(oid) is not None

    def oids(self) -> Iterator[Oid]:
        """Yield the oids that the index names, in its order."""
        for number in range(self.objects):
            yield self._entry(number)[0]

    def find(self, oid: Oid) -> int | None:
        """Return the offset of an object's frame."""
        low, high = 0, self.objects
        while low < high:
            middle = (low + high) // 2
            found, place = self._entry(middle)
            if found == oid:
                return place
            low, high = (middle + 1, high) if found < oid else (low, middle)
        return None

    def _entry(self, number: int) -> tuple[Oid, int]:
        oid, place = pack.ENTRY.unpack_from(self._rows, pack.ENTRY.size * number)
        return oid, place

    @cached_property
    def _rows(self) -> bytes:
        return self._bytes(self._index, pack.ENTRY.size * self.objects)

    def _found(self, oid: Oid, lookup: DictionaryLookup) -> tuple[int, bytes]:
        place = self.find(oid)
        if place is None:
            raise ObjectNotFound(oid)
        payload = self._payload(place, lookup)
        if oid_of(payload) != oid:
            raise self._malformed(place, f"another object than {oid.hex()}", oid)
        return place, payload

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
        fields = frames.fields_of(self._bytes(place, HEADER_BYTES))
        _, _, _, raw_length, stored = fields
        if place + HEADER_BYTES + stored > self._index or not pack.within_ratio(raw_length, stored):
            raise self._malformed(place, f"an object of {stored:,} bytes that claim to hold {raw_length:,}")
        return frames.framed(fields, self._bytes(place + HEADER_BYTES, stored))

    def _dictionary(self, number: int) -> zstandard.ZstdCompressionDict:
        return self._ready(self._dictionary_oid(number))

    def _dictionary_oid(self, number: int) -> Oid:
        found = self._dictionary_oids.get(number)
        if found is None:
            if number > len(self._dictionary_places):
                raise Corrupt(f"dictionary {number}, which a frame needs, does not exist")
            place = self._dictionary_places[number - 1]
            tag = self._bytes(place - 1, 1) if 0 < place < self._index else b""
            if tag not in (pack.RECORD, pack.KNOWN):
                raise Corrupt(f"dictionary {number}, which a frame needs, is not where it should be")
            # A frame begins with its oid, and a dictionary that is only named is an oid.
            found = self._dictionary_oids[number] = self._bytes(place, OID_BYTES)
        return found

    def _own(self, oid: Oid) -> zstandard.ZstdCompressionDict:
        found = self._dictionaries.get(oid)
        if found is None:
            if oid not in self:
                raise Corrupt(f"dictionary {oid.hex()}, which a frame needs, is not in this pack")
            found = self._dictionaries[oid] = readable(load(self.dictionary(oid), Dictionary))
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
