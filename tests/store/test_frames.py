"""Frames: STORE-20 to STORE-22."""

from __future__ import annotations

import os
import random
import resource
import threading

import pytest
import zstandard
from msgspec.structs import replace

from themis_vcs.errors import Corrupt
from themis_vcs.model.oid import oid_of
from themis_vcs.store import frames
from themis_vcs.store.frames import RAW, ZSTD, ZSTD_DICTIONARY, Frame, compress, payload_of, unpack

TEXT = b"the quick brown fox jumps over the lazy dog " * 40


def no_dictionary(number: int) -> zstandard.ZstdCompressionDict:
    raise Corrupt(f"dictionary {number} does not exist")


def words(seed: int, count: int) -> list[bytes]:
    draw = random.Random(seed)
    vocabulary = [draw.randbytes(4).hex() for _ in range(200)]
    return [" ".join(draw.choices(vocabulary, k=40)).encode() + b"%d" % number for number in range(count)]


@pytest.fixture(scope="module")
def dictionary() -> zstandard.ZstdCompressionDict:
    return zstandard.train_dictionary(16384, list(words(1, 600)))


def frame_of(payload: bytes) -> Frame:
    return compress([oid_of(payload)], [payload])[0]


@pytest.mark.parametrize("payload", [b"", b"x", TEXT, os.urandom(5000)], ids=["empty", "short", "text", "noise"])
def test_a_payload_survives_its_frame(payload: bytes) -> None:
    packed = frame_of(payload).pack()
    assert payload_of(unpack(packed, 0), no_dictionary) == payload


def test_what_zstd_cannot_shorten_lies_raw() -> None:
    assert frame_of(os.urandom(1000)).codec == RAW
    assert frame_of(TEXT).codec == ZSTD


def test_a_frame_with_a_dictionary_needs_that_dictionary(dictionary: zstandard.ZstdCompressionDict) -> None:
    payloads = words(1, 30)
    packed = compress([oid_of(each) for each in payloads], payloads, 3, dictionary)
    assert {(frame.codec, frame.dictionary) for frame in packed} == {(ZSTD_DICTIONARY, 3)}
    assert [payload_of(frame, {3: dictionary}.__getitem__) for frame in packed] == payloads
    other = zstandard.train_dictionary(16384, list(words(2, 600)))
    with pytest.raises(Corrupt):
        payload_of(packed[0], {3: other}.__getitem__)


@pytest.mark.parametrize("count", [1, 15, 16, 200])
def test_single_and_grouped_compression_give_the_same(dictionary: zstandard.ZstdCompressionDict, count: int) -> None:
    payloads = words(5, count)
    oids = [oid_of(each) for each in payloads]
    grouped = compress(oids, payloads, 1, dictionary)
    single = [compress([oid], [payload], 1, dictionary)[0] for oid, payload in zip(oids, payloads, strict=True)]
    assert grouped == single


def _with(frame: Frame, **changes: object) -> Frame:
    return replace(frame, **changes)


def _streamed(payload: bytes) -> bytes:
    compressor = zstandard.ZstdCompressor().compressobj()
    return compressor.compress(payload) + compressor.flush()


def _wide(payload: bytes) -> bytes:
    settings = zstandard.ZstdCompressionParameters.from_level(3, window_log=27, write_content_size=1)
    return zstandard.ZstdCompressor(compression_params=settings).compress(payload + bytes(200 << 20))[:1000]


BAD = {
    "a bit of the data flipped": lambda f: _with(f, data=f.data[:20] + bytes([f.data[20] ^ 4]) + f.data[21:]),
    "the data cut": lambda f: _with(f, data=f.data[:-3]),
    "bytes behind the data": lambda f: _with(f, data=f.data + b"x"),
    "a second frame behind the first": lambda f: _with(f, data=f.data * 2),
    "no data": lambda f: _with(f, data=b""),
    "a smaller length": lambda f: _with(f, raw_length=f.raw_length - 1),
    "a greater length": lambda f: _with(f, raw_length=f.raw_length + 1),
    "another oid": lambda f: _with(f, oid=bytes(32)),
    "raw instead of zstd": lambda f: _with(f, codec=RAW),
    "a frame that states no size": lambda f: _with(f, data=_streamed(TEXT)),
    "a skippable frame": lambda f: _with(f, data=b"\x50\x2a\x4d\x18\x04\0\0\0abcd"),
    "another text": lambda f: _with(f, data=frame_of(TEXT[::-1]).data),
    "a dictionary that does not exist": lambda f: _with(f, codec=ZSTD_DICTIONARY, dictionary=9),
    "a wide window": lambda f: _with(f, data=_wide(TEXT), raw_length=len(TEXT) + (200 << 20)),
}


@pytest.mark.parametrize("what", BAD)
def test_a_frame_that_is_not_what_it_says_is_damage(what: str) -> None:
    with pytest.raises(Corrupt):
        payload_of(BAD[what](frame_of(TEXT)), no_dictionary)


@pytest.mark.parametrize(
    ("offset", "value"),
    [(32, 3), (33, 1), (34, 1), (35, 0x7F), (39, 0x7F), (42, 0xFF)],
    ids=["codec", "dictionary", "dictionary", "raw length", "stored length", "stored length"],
)
def test_a_header_that_cannot_be_is_damage(offset: int, value: int) -> None:
    packed = bytearray(frame_of(TEXT).pack())
    packed[offset] = value
    with pytest.raises(Corrupt):
        payload_of(unpack(bytes(packed), 0), no_dictionary)


@pytest.mark.parametrize("offset", [1, 10_000])
def test_where_no_frame_begins_there_is_damage(offset: int) -> None:
    packed = frame_of(TEXT).pack()
    with pytest.raises(Corrupt):
        payload_of(unpack(packed, offset), no_dictionary)


def test_a_bomb_is_refused_before_it_takes_memory() -> None:
    bomb = zstandard.ZstdCompressor(level=1).compress(bytes(256 << 20))
    for length in (len(TEXT), frames.MAX_OBJECT):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(Corrupt):
            payload_of(Frame(bytes(32), ZSTD, 0, length, bomb), no_dictionary)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_threads_that_decompress_at_once_get_the_right_bytes(dictionary: zstandard.ZstdCompressionDict) -> None:
    payloads = words(1, 400)
    packed = compress([oid_of(each) for each in payloads], payloads, 1, dictionary)
    packed += compress([oid_of(each) for each in payloads], payloads)
    wrong: list[object] = []

    def work() -> None:
        for _ in range(5):
            for frame, payload in zip(packed, payloads * 2, strict=True):
                try:
                    if payload_of(frame, {1: dictionary}.__getitem__) != payload:
                        wrong.append(frame)
                except Corrupt as error:
                    wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
