"""Reading a pack from anybody, in one pass: nothing in it is believed before it has been checked (PACK-6).

Memory is bounded by the largest object and by the oids of a pack. Not responsible for putting anything into a store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import filterfalse
from typing import Final

import zstandard
from blake3 import blake3

from themis_vcs.errors import Corrupt, FormatError, MalformedPack
from themis_vcs.model.codec import MAX_OBJECT
from themis_vcs.model.objects import Dictionary, Object, Value, load, references
from themis_vcs.model.oid import OID_BYTES, Oid
from themis_vcs.store import frames
from themis_vcs.store.backend import Stored
from themis_vcs.store.dictionaries import readable
from themis_vcs.store.frames import HEADER_BYTES, Frame, payload_of
from themis_vcs.store.objects import steps
from themis_vcs.transfer import pack

_CHUNK: Final = 1 << 16


class PackReader:
    """The objects of the pack that is the rest of `stream`; `source` names it in errors.

    Iterate to the end: only then is the pack known to be whole. `known` gives the payload of a dictionary that the
    receiver has, None for one that it has not. `needs` are the oids that the objects refer to and that are not in the
    pack, in the order met, each with one that refers to it; `carried` is how many of the objects are dictionaries;
    `hash` names the pack.
    """

    def __init__(
        self, stream: pack.Readable, source: str = "pack", known: Callable[[Oid], bytes | None] = lambda oid: None
    ) -> None:
        self._stream, self._source, self._known = stream, source, known
        self._hash = blake3(derive_key_context=pack.CONTEXT)
        self._data = b""
        """What was read and is not hashed yet."""
        self._at = 0
        """Where in it goes on what was not looked at."""
        self._before = 0
        """How many bytes of the pack were before it."""
        self._places: dict[Oid, int] = {}
        self._dictionaries: list[zstandard.ZstdCompressionDict] = []
        self._dictionary_places: list[int] = []
        self._dictionary_oids: list[Oid] = []
        self._payloads: dict[Oid, bytes] = {}
        self._dictionary_bytes = 0
        self.carried = 0
        self.needs: dict[Oid, Oid] = {}
        self.hash = b""

    @property
    def offset(self) -> int:
        """The number of bytes looked at so far."""
        return self._before + self._at

    @property
    def objects(self) -> int:
        """The number of objects met so far."""
        return len(self._places)

    def dictionary(self, oid: Oid) -> bytes:
        """Return the payload of a dictionary that was met."""
        return self._payloads[oid]

    def __iter__(self) -> Iterator[Stored]:
        self._header()
        while (tag := self._take(1)) != pack.END:
            if tag == pack.RECORD:
                yield self._record()
            elif tag == pack.KNOWN:
                self._know()
            else:
                what = f"neither an object nor the end begins with the byte {tag.hex()}"
                raise self._malformed(self.offset - 1, what)
        self._after_the_records()

    def _header(self) -> None:
        magic, version = pack.HEADER.unpack(self._take(pack.HEADER.size))
        if magic != pack.MAGIC:
            raise self._malformed(0, "this is no pack")
        if version != pack.VERSION:
            raise FormatError(
                f"{self._source}: pack of version {version}; this themis reads version {pack.VERSION}",
                hint="use a newer version of themis",
            )

    def _record(self) -> Stored:
        start = self.offset
        if len(self._places) >= pack.MAX_OBJECTS:
            raise self._malformed(start, f"more than {pack.MAX_OBJECTS:,} objects")
        try:
            frame = self._frame(start)
            payload = payload_of(frame, self._dictionary)
            found = load(payload)
        except MalformedPack:
            raise
        except Corrupt as error:
            raise self._malformed(start, error.message, error.oid) from error
        except FormatError as error:
            raise FormatError(f"{self._source}: at byte {start:,}: {error.message}", hint=error.hint) from error
        if frame.oid in self._places:
            raise self._malformed(start, f"object {frame.oid.hex()} comes twice", frame.oid)
        self._admit(frame.oid, found, payload, start)
        dictionary = self._dictionary_oids[frame.dictionary - 1] if frame.dictionary else None
        return Stored(frame, dictionary, payload, found)

    def _frame(self, start: int) -> Frame:
        fields = frames.fields_of(self._take(HEADER_BYTES))
        if self.offset > pack.MAX_BYTES:
            raise self._malformed(start, f"more than {pack.MAX_BYTES:,} bytes")
        _, _, _, raw_length, stored = fields
        if stored > MAX_OBJECT or raw_length > MAX_OBJECT:
            raise self._malformed(start, f"an object that claims {max(raw_length, stored):,} bytes")
        if not pack.within_ratio(raw_length, stored):
            raise self._malformed(start, f"{stored:,} bytes that claim to hold {raw_length:,}")
        return frames.framed(fields, self._take(stored))

    def _admit(self, oid: Oid, found: Object, payload: bytes, start: int) -> None:
        needs, places = self.needs, self._places
        if type(found) is not Value:  # Most objects are values, and refer to nothing.
            elsewhere = filterfalse(needs.__contains__, filterfalse(places.__contains__, references(found)))
            new = dict.fromkeys(elsewhere, oid)
            if len(needs) + len(new) > pack.MAX_NEEDS:
                raise self._malformed(start, f"more than {pack.MAX_NEEDS:,} objects are needed from elsewhere", oid)
            needs.update(new)
        if oid in needs:
            raise self._malformed(start, f"object {oid.hex()} comes after object {needs[oid].hex()}, which needs it")
        places[oid] = start
        if isinstance(found, Dictionary):
            self.carried += 1
            self._use(oid, found, payload, start)

    def _know(self) -> None:
        start = self.offset
        oid = self._take(OID_BYTES)
        payload = self._known(oid)
        if payload is None:
            raise self._malformed(start, f"dictionary {oid.hex()} is not here", oid)
        found = load(payload)
        if not isinstance(found, Dictionary):
            raise self._malformed(start, f"object {oid.hex()}, used as a dictionary, is none", oid)
        self._use(oid, found, payload, start)

    def _use(self, oid: Oid, dictionary: Dictionary, payload: bytes, start: int) -> None:
        if len(self._dictionaries) >= pack.MAX_DICTIONARIES:
            raise self._malformed(start, f"more than {pack.MAX_DICTIONARIES} dictionaries", oid)
        if len(dictionary.data) > pack.MAX_DICTIONARY:
            raise self._malformed(start, f"a dictionary of {len(dictionary.data):,} bytes", oid)
        self._dictionary_bytes += len(dictionary.data)
        if self._dictionary_bytes > pack.MAX_DICTIONARY_BYTES:
            raise self._malformed(start, f"more than {pack.MAX_DICTIONARY_BYTES:,} bytes of dictionaries", oid)
        self._dictionaries.append(readable(dictionary))
        self._dictionary_places.append(start)
        self._dictionary_oids.append(oid)
        self._payloads[oid] = payload

    def _dictionary(self, number: int) -> zstandard.ZstdCompressionDict:
        if number > len(self._dictionaries):
            raise Corrupt(f"dictionary {number} does not come before the object that needs it")
        return self._dictionaries[number - 1]

    def _after_the_records(self) -> None:
        index = self.offset
        places = self._places
        for some in steps(sorted(places)):
            self._same(b"".join([pack.ENTRY.pack(oid, places[oid]) for oid in some]), "the index")
        for place in self._dictionary_places:
            self._same(pack.OFFSET.pack(place), "the list of dictionaries")
        counts = len(self._places), len(self._dictionaries)
        self._same(pack.TRAILER.pack(*counts, index, pack.CLOSING), "the trailer")
        self._hash_up()
        digest = self._hash.digest(length=pack.HASH_BYTES)
        if self._take(pack.HASH_BYTES) != digest:
            raise self._malformed(self.offset - pack.HASH_BYTES, "the bytes of the pack do not hash to its name")
        if self._at < len(self._data) or self._stream.read(1):
            raise self._malformed(self.offset, "more bytes follow the end of the pack")
        self.hash = digest

    def _same(self, expected: bytes, what: str) -> None:
        start = self.offset
        found = self._take(len(expected))
        if found != expected:
            differs = next(at for at, (one, other) in enumerate(zip(found, expected, strict=True)) if one != other)
            raise self._malformed(start + differs, f"{what} is not that of the objects before it")

    def _take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        if self._at + size > len(self._data):
            self._read_on(size)
        start = self._at
        self._at += size
        return self._data[start : self._at]

    def _read_on(self, size: int) -> None:
        """Read until there are `size` bytes that were not looked at; as much memory is taken as there are bytes."""
        self._hash_up()
        parts, ahead = [self._data], len(self._data)
        while ahead < size:
            part = self._stream.read(_CHUNK)
            if not part:
                raise self._malformed(self.offset + ahead, "the pack ends here, before its end")
            parts.append(part)
            ahead += len(part)
        self._data = b"".join(parts)

    def _hash_up(self) -> None:
        """Hash what was looked at: many records together take less time than one by one."""
        self._hash.update(memoryview(self._data)[: self._at])
        self._before += self._at
        self._data, self._at = self._data[self._at :], 0

    def _malformed(self, offset: int, reason: str, oid: Oid | None = None) -> MalformedPack:
        return MalformedPack(self._source, offset, reason, oid=oid)
