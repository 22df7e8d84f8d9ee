"""Frames: how one object's payload lies in a segment, compressed, and how it is read without trusting it.

The format is STORE-20 to STORE-22. Not responsible for which dictionary serves whom (`dictionaries`) nor for where
segments are kept.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import zstandard
from msgspec import Struct

from themis_vcs.errors import Corrupt
from themis_vcs.model.codec import MAX_OBJECT
from themis_vcs.model.oid import Oid, oid_of

RAW: Final = 0
ZSTD: Final = 1
ZSTD_DICTIONARY: Final = 2

LEVEL: Final = 3
MAX_WINDOW: Final = 8 << 20
SEGMENT_BYTES: Final = 16 * 4096 - 16
_WORTH_COMPRESSING: Final = 64
_GROUP: Final = 16

_HEADER = struct.Struct(">32sBHII")
HEADER_BYTES: Final = _HEADER.size

Fields: TypeAlias = tuple[Oid, int, int, int, int]
"""Of a header: oid, codec, dictionary number, raw length, stored length."""
DictionaryLookup = Callable[[int], zstandard.ZstdCompressionDict]
"""From a dictionary's number to the dictionary; Corrupt if the store has none of that number."""


class Frame(Struct, frozen=True, gc=False):
    """A frame, copied out of its segment. There is one for every object that is read, and a Struct is made quickly."""

    oid: Oid
    codec: int
    dictionary: int
    raw_length: int
    data: bytes

    @property
    def size(self) -> int:
        return HEADER_BYTES + len(self.data)

    @property
    def header(self) -> bytes:
        """The frame's bytes before its data."""
        return _HEADER.pack(self.oid, self.codec, self.dictionary, self.raw_length, len(self.data))

    def pack(self) -> bytes:
        """Return the frame's bytes as they lie in a segment."""
        return self.header + self.data

    def renumbered(self, dictionary: int) -> Frame:
        """Return the frame for a place where its dictionary has another number."""
        if self.dictionary == dictionary:
            return self
        return Frame(self.oid, self.codec, dictionary, self.raw_length, self.data)


def raw(oid: Oid, payload: bytes) -> Frame:
    """Return a frame that holds a payload as it is."""
    return Frame(oid, RAW, 0, len(payload), payload)


def compress(
    oids: Sequence[Oid],
    payloads: Sequence[bytes],
    number: int = 0,
    dictionary: zstandard.ZstdCompressionDict | None = None,
) -> list[Frame]:
    """Return one frame per payload, with dictionary `number` if one is given; raw where zstd gains nothing."""
    if dictionary is None:
        compressor = zstandard.ZstdCompressor(level=LEVEL)
    else:
        # The frame header names the dictionary; zstd's own number would be 4 bytes in every small record.
        compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=dictionary, write_dict_id=False)
    codec = ZSTD if dictionary is None else ZSTD_DICTIONARY
    frames = []
    for oid, payload, data in zip(oids, payloads, _compressed(compressor, payloads), strict=True):
        if len(data) < len(payload):
            frames.append(Frame(oid, codec, number, len(payload), data))
        else:
            frames.append(raw(oid, payload))
    return frames


def _compressed(compressor: zstandard.ZstdCompressor, payloads: Sequence[bytes]) -> list[bytes]:
    if len(payloads) < _GROUP or not all(payloads):
        return [compressor.compress(payload) for payload in payloads]
    collection = compressor.multi_compress_to_buffer(list(payloads), threads=-1)
    return [collection[place].tobytes() for place in range(len(collection))]


def unpack(segment: memoryview | bytes, offset: int) -> Frame:
    """Return the frame at `offset`, checked as far as a header can be; Corrupt without an oid otherwise."""
    if offset + HEADER_BYTES > len(segment):
        raise Corrupt(f"no frame at offset {offset} of a segment of {len(segment)} bytes")
    fields = _HEADER.unpack_from(segment, offset)
    start = offset + HEADER_BYTES
    end = start + fields[4]
    if end > len(segment):
        raise Corrupt(f"the frame at offset {offset} reaches beyond its segment", oid=fields[0])
    return framed(fields, bytes(segment[start:end]), offset)


def fields_of(header: bytes) -> Fields:
    """Return what a frame's header claims, unchecked."""
    fields: Fields = _HEADER.unpack(header)
    return fields


def framed(fields: Fields, data: bytes, offset: int = 0) -> Frame:
    """Return the frame of a header and of the data that follow it, as many as it states; Corrupt as by `unpack`."""
    oid, codec, dictionary, raw_length, _ = fields
    if raw_length > MAX_OBJECT:
        raise Corrupt(f"the frame at offset {offset} claims {raw_length:,} bytes", oid=oid)
    if codec > ZSTD_DICTIONARY or (codec == ZSTD_DICTIONARY) != (dictionary > 0):
        raise Corrupt(f"the frame at offset {offset} has codec {codec} and dictionary {dictionary}", oid=oid)
    return Frame(oid, codec, dictionary, raw_length, data)


def payload_of(frame: Frame, lookup: DictionaryLookup) -> bytes:
    """Return the payload of a frame, or raise Corrupt with its oid (STORE-21)."""
    oid, raw_length, data = frame.oid, frame.raw_length, frame.data
    if frame.codec == RAW:
        payload = data
    else:
        try:
            # Decompressing takes as much memory as the zstd frame says, so what it says is compared first.
            claims = zstandard.get_frame_parameters(data)
            if claims.content_size != raw_length or claims.window_size > MAX_WINDOW:
                raise Corrupt(f"object {oid.hex()} is damaged: its frame states another size", oid=oid)
            # By their places, since names would take a tenth more time: no limit, one frame, and nothing after it.
            payload = _decompressor(frame.dictionary, lookup).decompress(data, 0, False, False)
        except zstandard.ZstdError as error:
            raise Corrupt(f"object {oid.hex()} is damaged: {error}", oid=oid) from error
    if len(payload) != raw_length:
        raise Corrupt(f"object {oid.hex()} is damaged: {len(payload):,} bytes instead of {raw_length:,}", oid=oid)
    if oid_of(payload) != oid:
        raise Corrupt(f"object {oid.hex()} is damaged: its bytes do not hash to its name", oid=oid)
    return payload


class _PerThread(threading.local):
    """A decompressor that two threads share returns wrong bytes, silently."""

    def __init__(self) -> None:
        self.plain = zstandard.ZstdDecompressor()
        self.with_dictionary: dict[zstandard.ZstdCompressionDict, zstandard.ZstdDecompressor] = {}


_threads = _PerThread()


def _decompressor(number: int, lookup: DictionaryLookup) -> zstandard.ZstdDecompressor:
    if not number:
        return _threads.plain
    dictionary = lookup(number)
    decompressor = _threads.with_dictionary.get(dictionary)
    if decompressor is None:
        if len(_threads.with_dictionary) >= 64:
            _threads.with_dictionary.clear()
        decompressor = zstandard.ZstdDecompressor(dict_data=dictionary)
        _threads.with_dictionary[dictionary] = decompressor
    return decompressor
