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

_CHUNK = 1 << 16
_AHEAD: Final = len(pack.RECORD) + HEADER_BYTES


class PackReader:
    """The objects of the pack that begins where `stream` stands; `source` names it in errors.

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
        self._unhashed: list[bytes] = []
        self._unhashed_bytes = 0
        self._at = 0
        self._ahead = b""
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
        """The number of bytes read so far."""
        return self._at

    @property
    def objects(self) -> int:
        """The number of objects met so far."""
        return len(self._places)

    def dictionary(self, oid: Oid) -> bytes:
        """Return the payload of a dictionary that was met."""
        return self._payloads[oid]

    def __iter__(self) -> Iterator[Stored]:
        self._header()
        # A record is read together with as much of what follows it as the tag and the header of another one take.
        self._ahead = self._take(_AHEAD, least=1)
        while (tag := self._ahead[:1]) in (pack.RECORD, pack.KNOWN):
            if len(self._ahead) < _AHEAD:
                raise self._ended(self._at)
            if tag == pack.RECORD:
                yield self._record()
            else:
                self._know()
        self._give_back()
        if self._take(1) != pack.END:
            raise self._malformed(self._at - 1, f"neither an object nor the end begins with the byte {tag.hex()}")
        self._after_the_records()

    def expect_end(self) -> None:
        """Refuse bytes after the pack."""
        if self._stream.read(1):
            raise self._malformed(self._at, "more bytes follow the end of the pack")

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
        start = self._at - HEADER_BYTES
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
        if self._at > pack.MAX_BYTES:
            raise self._malformed(start, f"more than {pack.MAX_BYTES:,} bytes")
        fields = frames.fields_of(self._ahead[1:])
        _, _, _, raw_length, stored = fields
        if stored > MAX_OBJECT or raw_length > MAX_OBJECT:
            raise self._malformed(start, f"an object that claims {max(raw_length, stored):,} bytes")
        if not pack.within_ratio(raw_length, stored):
            raise self._malformed(start, f"{stored:,} bytes that claim to hold {raw_length:,}")
        return frames.framed(fields, self._pass(_AHEAD, stored))

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
        start = self._at - HEADER_BYTES
        oid = self._ahead[1 : 1 + OID_BYTES]
        self._pass(1 + OID_BYTES, 0)
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
        index = self._at
        for some in steps(sorted(self._places.items())):
            self._same(b"".join(pack.ENTRY.pack(*entry) for entry in some), "the index")
        for place in self._dictionary_places:
            self._same(pack.OFFSET.pack(place), "the list of dictionaries")
        counts = len(self._places), len(self._dictionaries)
        self._same(pack.TRAILER.pack(*counts, index, pack.CLOSING), "the trailer")
        self._hash_up()
        digest = self._hash.digest(length=pack.HASH_BYTES)
        if self._read(pack.HASH_BYTES, pack.HASH_BYTES) != digest:
            raise self._malformed(self._at - pack.HASH_BYTES, "the bytes of the pack do not hash to its name")
        self.hash = digest

    def _same(self, expected: bytes, what: str) -> None:
        start = self._at
        found = self._take(len(expected))
        if found != expected:
            differs = next(at for at, (one, other) in enumerate(zip(found, expected, strict=True)) if one != other)
            raise self._malformed(start + differs, f"{what} is not that of the objects before it")

    def _take(self, size: int, least: int | None = None) -> bytes:
        data = self._read(size, size if least is None else least)
        self._unhashed.append(data)
        self._unhashed_bytes += len(data)
        if self._unhashed_bytes >= _CHUNK:
            self._hash_up(but=_AHEAD)
        return data

    def _pass(self, seen: int, size: int) -> bytes:
        """Return the `size` bytes behind what was read ahead, of which `seen` were looked at, and read ahead again."""
        data = self._take(size + seen, least=size)
        self._ahead = self._ahead[seen:] + data[size:]
        return data[:size]

    def _give_back(self) -> None:
        """Let what was read ahead be read again."""
        self._hash_up(but=len(self._ahead))
        self._unhashed, self._unhashed_bytes = [], 0
        self._at -= len(self._ahead)
        self._stream = _Behind(self._ahead, self._stream)

    def _hash_up(self, but: int = 0) -> None:
        """Hash what was not, `but` for so many bytes: many short pieces together take less time than one by one."""
        *short, last = self._unhashed or [b""]
        if len(last) < but:
            last, short = b"".join(self._unhashed), []
        end = len(last) - but
        self._hash.update(b"".join(short))
        self._hash.update(memoryview(last)[:end])
        self._unhashed, self._unhashed_bytes = [last[end:]], but

    def _read(self, size: int, least: int) -> bytes:
        """Return `size` bytes, or at least `least` if the stream ends there."""
        data = self._stream.read(min(size, _CHUNK))
        if len(data) < size:
            data = self._gathered(data, size, least)
        self._at += len(data)
        return data

    def _gathered(self, begun: bytes, size: int, least: int) -> bytes:
        """Return what `_read` does from bytes that were read and a stream that gives the others bit by bit."""
        parts, missing = [begun], size - len(begun)
        while missing:
            part = self._stream.read(min(missing, _CHUNK))
            if not part:
                break
            parts.append(part)
            missing -= len(part)
        if size - missing < least:
            raise self._ended(self._at + size - missing)
        return b"".join(parts)

    def _ended(self, offset: int) -> MalformedPack:
        return self._malformed(offset, "the pack ends here, before its end")

    def _malformed(self, offset: int, reason: str, oid: Oid | None = None) -> MalformedPack:
        return MalformedPack(self._source, offset, reason, oid=oid)


class _Behind:
    """A stream with some bytes before it."""

    def __init__(self, before: bytes, stream: pack.Readable) -> None:
        self._before, self._stream = before, stream

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes."""
        if not self._before:
            return self._stream.read(size)
        data, self._before = self._before[:size], self._before[size:]
        return data
