"""Bundles for tests: a good one in one part or two, and bundles written piece by piece, sound or not."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from blake3 import blake3

from tests.support.packs import altered, mutated, whole_pack
from tests.support.stores import store_run
from themis_vcs.model.objects import Tag, kind_of, load
from themis_vcs.model.oid import Oid
from themis_vcs.store.repository import Repository
from themis_vcs.transfer import bundle
from themis_vcs.transfer.bundle import Bundle, Head
from themis_vcs.transfer.send import packs
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import lacking


@dataclass(frozen=True)
class Piece:
    """What a part is made of. What is None is as it must be; `head` may be any bytes."""

    head: bytes
    packs: Sequence[bytes] = ()
    last: int = 1
    magic: bytes = bundle.MAGIC
    version: int = bundle.VERSION
    head_length: int | None = None
    pack_lengths: dict[int, int] = field(default_factory=dict)
    places: Sequence[int] | None = None
    count: int | None = None
    table: int | None = None
    end: bytes = bundle.END

    def assembled(self) -> bytes:
        """Return the part, with the hash that belongs to it."""
        length = len(self.head) if self.head_length is None else self.head_length
        body = bundle.OPENING.pack(self.magic, self.version, length) + self.head
        places = []
        for number, pack in enumerate(self.packs):
            places.append(len(body))
            body += bundle.PACK + bundle.LENGTH.pack(self.pack_lengths.get(number, len(pack))) + pack
        body += self.end
        table = len(body) if self.table is None else self.table
        listed = places if self.places is None else self.places
        body += b"".join(map(bundle.LENGTH.pack, listed))
        count = len(listed) if self.count is None else self.count
        return hashed(body + bundle.TRAILER.pack(count, table, self.last))


def hashed(body: bytes) -> bytes:
    """Return what precedes the hash of a part with the hash that belongs to it."""
    return body + blake3(body, derive_key_context=bundle.CONTEXT).digest()


def head(refs: dict[str, Oid], part: int = 1, after: bytes | None = None, needs: Sequence[Oid] = ()) -> bytes:
    """Return the head of a part."""
    named = {name: oid.hex() for name, oid in sorted(refs.items())}
    return Head(named, [oid.hex() for oid in needs], part, after.hex() if after else None).encode()


def opened(parts: Sequence[bytes]) -> Bundle:
    """Open the bundle of these parts."""
    return Bundle([io.BytesIO(part) for part in parts], "test.bundle")


@dataclass(frozen=True)
class Whole:
    """A good bundle: its refs, its packs and what is in them."""

    refs: dict[str, Oid]
    packs: list[bytes]
    contents: dict[Oid, bytes]

    def parts(self, *, split: bool) -> list[bytes]:
        """Return the bundle in one part, or with a part for each pack."""
        if not split:
            return [Piece(head(self.refs), self.packs).assembled()]
        parts: list[bytes] = []
        for number, pack in enumerate(self.packs, start=1):
            after = parts[-1][-bundle.HASH_BYTES :] if parts else None
            parts.append(Piece(head(self.refs, number, after), [pack], int(number == len(self.packs))).assembled())
        return parts


def whole_bundle() -> Whole:
    """Return a bundle of a tag, which has a pack with a dictionary, and of a name, which has another."""
    first, contents = whole_pack()
    tag = next(oid for oid, payload in contents.items() if kind_of(payload) == "tag")
    assert isinstance(load(contents[tag]), Tag)
    with Repository.memory() as source, Repository.memory() as nobody:
        run = store_run(source, 6).run
        there = StoreEndpoint(source)
        (second,) = packs(there, lacking(there, StoreEndpoint(nobody), [run]))
        contents.update((oid, source.read(oid)) for oid, _ in source.walk([run]))
    return Whole({"names/demo": run, "tags/v1": tag}, [first, second.read()], contents)


def mutated_bundle(whole: Whole, draw: random.Random) -> list[bytes]:
    """Return the parts of a bundle with something wrong somewhere: in a part, in the head, in a pack.

    Hashes are mostly those that belong to what is there now, also in the head of the part after.
    """
    split = draw.random() < 0.5
    kind = draw.randrange(3)
    if kind == 0:
        at = draw.randrange(len(whole.packs))
        changed = [mutated(pack, draw) if number == at else pack for number, pack in enumerate(whole.packs)]
        return replace(whole, packs=changed).parts(split=split)
    parts = whole.parts(split=split)
    at = draw.randrange(len(parts))
    if kind == 1:
        (length,) = bundle.LENGTH.unpack(bytes(4) + parts[at][12:16])
        rest = parts[at][bundle.OPENING.size + length : -bundle.HASH_BYTES]
        text = altered(parts[at][bundle.OPENING.size :][:length], draw, b'{}[]",:/.0123456789abcdefnulmtgs')
        opening = bundle.OPENING.pack(bundle.MAGIC, bundle.VERSION, len(text))
        moved = len(text) - length
        return _linked(parts, at, hashed(_shifted(opening + text + rest, moved)))
    body = altered(parts[at][: -bundle.HASH_BYTES], draw)
    return _linked(parts, at, hashed(body) if draw.random() < 0.9 else body + parts[at][-bundle.HASH_BYTES :])


def _shifted(body: bytes, by: int) -> bytes:
    """Return a part without its hash, whose table and trailer are moved by so many bytes."""
    count, table, last = bundle.TRAILER.unpack(body[-bundle.TRAILER.size :])
    start = table + by
    rows = (bundle.LENGTH.unpack_from(body, start + bundle.LENGTH.size * row)[0] + by for row in range(count))
    listed = b"".join(map(bundle.LENGTH.pack, rows))
    return body[:start] + listed + bundle.TRAILER.pack(count, start, last)


def _linked(parts: list[bytes], at: int, changed: bytes) -> list[bytes]:
    """Return the parts with another one in one place, and with its hash in the part after it."""
    found = [*parts[:at], changed, *parts[at + 1 :]]
    if at + 1 < len(found):
        old, new = (part[-bundle.HASH_BYTES :].hex().encode() for part in (parts[at], changed))
        found[at + 1] = hashed(found[at + 1][: -bundle.HASH_BYTES].replace(old, new))
    return found
