"""A second reader of the bundle, made from the pages of the format, with blake3, zstandard and msgpack: it proves them.

Nothing of ours is imported to read; what the store holds is compared at the end.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import zstandard
from blake3 import blake3

from tests.archive.conftest import Shelved
from tests.support.archives import held_by


def digest(context: str, data: bytes) -> bytes:
    return blake3(data, derive_key_context=f"themis_vcs 2026-11-23 {context}").digest()


def packs(data: bytes) -> Iterator[bytes]:
    """The packs of a bundle (bundle.md)."""
    assert digest("bundle v1", data[:-32]) == data[-32:]  # BUNDLE-3
    magic, version, head = struct.unpack_from(">8sII", data)
    assert (magic, version) == (bytes.fromhex("8954 4842 4e44 4c0a"), 1)
    at = 16 + head
    while data[at] == 1:
        (size,) = struct.unpack_from(">Q", data, at + 1)
        yield data[at + 9 : at + 9 + size]
        at += 9 + size
    assert data[at] == 0


def objects(pack: bytes) -> Iterator[tuple[bytes, str, Any]]:
    """The objects of a pack (pack.md, section 5 of store.md): oid, kind and body."""
    assert digest("pack v1", pack[:-32]) == pack[-32:]  # PACK-3
    assert pack[:12] == bytes.fromhex("8954 4850 4143 4b0a 0000 0001")
    dictionaries: list[zstandard.ZstdCompressionDict] = []
    at = 12
    while pack[at] == 1:
        oid, codec, number, raw, stored = struct.unpack_from(">32sBHII", pack, at + 1)
        at += 1 + 43
        data = pack[at : at + stored]
        at += stored
        if codec:
            known = dictionaries[number - 1] if codec == 2 else None
            data = zstandard.ZstdDecompressor(dict_data=known).decompress(data, max_output_size=raw)
        assert len(data) == raw
        assert digest("object v1", data) == oid  # OID-1
        version, kind, body = msgpack.unpackb(data)
        assert version == 1
        if kind == "dictionary":
            dictionaries.append(zstandard.ZstdCompressionDict(body["data"]))
        yield oid, kind, body
    assert pack[at] == 0


class Second:
    """All objects of a bundle."""

    def __init__(self, data: bytes) -> None:
        self.kinds, self.bodies = dict[bytes, str](), dict[bytes, Any]()
        for pack in packs(data):
            for oid, kind, body in objects(pack):
                self.kinds[oid], self.bodies[oid] = kind, body

    def entries(self, root: bytes) -> Iterator[tuple[str, bytes]]:
        """The entries of a tree (tree.md)."""
        assert self.kinds[root] == "tree"
        node = self.bodies[root]
        below = [node["oids"][place : place + 32] for place in range(0, len(node["oids"]), 32)]
        if not node["level"]:
            yield from zip(node["keys"], below, strict=True)
        for child in below if node["level"] else []:
            yield from self.entries(child)

    def held_by(self, run: bytes) -> Iterator[tuple[Any, ...]]:
        """What a run holds (objects.md), as `tests.support.archives.held_by` says it."""
        for stage in self.bodies[run]["stages"]:
            for track in self.bodies[stage]["tracks"]:
                found = {}
                for key, value in self.entries(track["values"]):
                    assert self.kinds[value] == "value"
                    found[key] = (value, self.bodies[value]["data"], None)
                for key, step in self.entries(track["failures"]):
                    found[key] = (None, None, self.bodies[step]["error"]["message"])
                for key in sorted(found):
                    where = (self.bodies[stage]["name"], track["id"], track["component"]["id"], key)
                    yield (*where, *found[key])


def test_it_reads_what_the_store_holds(shelved: Shelved) -> None:
    second = Second(Path(shelved.folder / "data/runs.bundle").read_bytes())
    assert len(second.bodies) == shelved.made.objects + list(second.kinds.values()).count("dictionary")
    for oid in shelved.made.runs.values():
        read, held = list(second.held_by(oid)), held_by(shelved.repository, oid)
        assert repr(read) == repr(held)
        assert len(read) > 20


def test_the_run_id_is_the_hash_of_the_identity(shelved: Shelved) -> None:  # OBJ-11
    second = Second(Path(shelved.folder / "data/runs.bundle").read_bytes())
    for oid in shelved.made.runs.values():
        run = second.bodies[oid]
        identity = second.bodies[run["snapshot"]]["identity"]
        assert digest("run id v1", msgpack.packb(identity)) == run["run_id"]
