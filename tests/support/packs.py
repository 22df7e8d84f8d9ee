"""Packs for tests: a good one that has everything, and packs written record by record, sound or not."""

from __future__ import annotations

import io
import random
from collections.abc import Iterable, Sequence

import zstandard
from blake3 import blake3

from tests.support.records import values
from themis_vcs.model import tree
from themis_vcs.model.objects import Dictionary, Object, Tag, Value, dump
from themis_vcs.model.oid import Oid, oid_of
from themis_vcs.store.backend import Stored
from themis_vcs.store.frames import Frame, compress
from themis_vcs.transfer import pack
from themis_vcs.transfer.pack import PackWriter
from themis_vcs.transfer.unpack import PackReader

RECORDS = 24


def framed(obj: Object) -> Frame:
    """Return an object in a frame of its own, without a dictionary."""
    payload = dump(obj)
    return compress([oid_of(payload)], [payload])[0]


def dictionary() -> Dictionary:
    """Return a dictionary for the records of `whole_pack`."""
    samples = [dump(value) for value in values(200)]
    return Dictionary(zstandard.train_dictionary(4096, list(samples)).as_bytes(), "value:generation")


def whole_pack(count: int = RECORDS) -> tuple[bytes, dict[Oid, bytes]]:
    """Return a pack with a dictionary, values that use it and some that do not, a tree of them, and a tag on it."""
    trained = dictionary()
    ready = zstandard.ZstdCompressionDict(trained.data, dict_type=zstandard.DICT_TYPE_FULLDICT)
    payloads = [dump(value) for value in values(count)]
    made = [compress([oid_of(payload)], [payload], 7, ready)[0] for payload in payloads]
    made += [framed(Value("parsed", number)) for number in range(count)]
    built = tree.build((f"case-{number:03d}", frame.oid) for number, frame in enumerate(made))
    contents = {oid_of(dump(trained)): dump(trained), **{oid_of(each): each for each in payloads}}
    sink = io.BytesIO()
    writer = PackWriter(sink.write)
    writer.add(framed(trained), is_dictionary=True)
    for frame in made:
        writer.add(frame, oid_of(dump(trained)) if frame.dictionary else None)
    for oid, payload in built.nodes.items():
        writer.add(compress([oid], [payload])[0])
        contents[oid] = payload
    tag = Tag("v1", built.root, "", 0, "somebody")
    writer.add(framed(tag))
    writer.finish()
    contents.update({oid_of(dump(Value("parsed", number))): dump(Value("parsed", number)) for number in range(count)})
    return sink.getvalue(), {**contents, oid_of(dump(tag)): dump(tag)}


def read_all(data: bytes) -> list[Stored]:
    """Read a pack that fills `data`."""
    return list(PackReader(io.BytesIO(data), "test.pack"))


def hashed(data: bytes) -> bytes:
    """Return what precedes the hash of a pack with the hash that belongs to it."""
    digest = blake3(data, derive_key_context=pack.CONTEXT).digest()
    return data + digest


def assembled(
    frames: Iterable[Frame], *, dictionaries: Sequence[int] = (), version: int = pack.VERSION, magic: bytes = pack.MAGIC
) -> bytes:
    """Return a pack of frames as they are, whatever is wrong with them; those at `dictionaries` count as such."""
    body = pack.HEADER.pack(magic, version)
    places: list[tuple[Oid, int]] = []
    for frame in frames:
        body += pack.RECORD
        places.append((frame.oid, len(body)))
        body += frame.pack()
    index = len(body) + 1
    body += pack.END + b"".join(pack.ENTRY.pack(*place) for place in sorted(places))
    body += b"".join(pack.OFFSET.pack(places[at][1]) for at in dictionaries)
    return hashed(body + pack.TRAILER.pack(len(places), len(dictionaries), index, pack.CLOSING))


def altered(data: bytes, draw: random.Random, letters: bytes = b"") -> bytes:
    """Return other bytes: some changed, taken away, added or moved. New ones are drawn from `letters`, if given."""
    body = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        at, size = draw.randrange(len(body)), draw.choice((1, 1, 2, 4, 8, 43, 200))
        kind = draw.randrange(6)
        if kind == 0:
            body[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            new = bytes(draw.choices(letters, k=size)) if letters else draw.randbytes(size)
            body[at : at + size] = new[: len(body[at : at + size])]
        elif kind == 2:
            del body[at : at + size]
        elif kind == 3:
            body[at:at] = body[draw.randrange(len(body)) :][:size]
        elif kind == 4:
            body[at : at + size] = bytes([draw.choice((0, 1, 0x7F, 0xFF))]) * len(body[at : at + size])
        else:
            other = draw.randrange(len(body))
            a, b = body[at : at + size], body[other : other + size]
            body[at : at + len(b)], body[other : other + len(a)] = b, a
        if not body:
            body += b"\x89"
    return bytes(body)


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Return a pack with something wrong somewhere, mostly with the hash that belongs to what it is now."""
    body = altered(data[: -pack.HASH_BYTES], draw)
    return hashed(body) if draw.random() < 0.9 else body + data[-pack.HASH_BYTES :]
