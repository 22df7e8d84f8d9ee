"""A program that fetches from buckets with something wrong in them, within limits: python -m … N SEED

It may use 256 MB more than it needs before the first bucket, and two seconds of processor time for each; of a bucket
that is refused, a store in memory may have taken what is sound, and no ref. Prints one line of figures as JSON, or ends
in the midst.
"""

from __future__ import annotations

import io
import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
from obstore.store import MemoryStore

from tests.support.limits import tried
from tests.support.packs import mutated
from tests.support.stores import store_run
from themis_vcs.errors import ThemisError
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.bucket.endpoint import BucketEndpoint
from themis_vcs.transfer.bucket.index import index_hash
from themis_vcs.transfer.bucket.root import MAX_BYTES, PackEntry, Root, parse
from themis_vcs.transfer.bucket.storage import Bucket
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer

REF = "names/demo"
CASES = 520


class Contents(NamedTuple):
    """A bucket of one pack, and what the pack's objects are."""

    root: Root
    pack: bytes
    index: bytes
    objects: dict[Oid, bytes]


def opened(root: bytes, packs: dict[str, tuple[bytes, bytes]]) -> BucketEndpoint:
    """Return a bucket in memory with these objects; packs by their names."""
    store = MemoryStore()
    there = BucketEndpoint(Bucket(store, store, "memory"))
    there.bucket.put("root.json", io.BytesIO(root))
    for name, (pack, index) in packs.items():
        there.bucket.put(f"packs/{name}.pack", io.BytesIO(pack))
        there.bucket.put(f"packs/{name}.idx", io.BytesIO(index))
    return there


def sound() -> Contents:
    """Return a bucket that has dictionaries, trees and a run."""
    store = MemoryStore()
    there = BucketEndpoint(Bucket(store, store, "memory"))
    with tempfile.TemporaryDirectory() as directory, Repository.init(Path(directory) / "s") as source:
        run = store_run(source, CASES).run
        transfer(StoreEndpoint(source), there, [RefUpdate(REF, run, None)], message="push")
        objects = {oid: source.read(oid) for oid, _ in source.walk([run])}
    found = there.bucket.get("root.json", MAX_BYTES)
    assert found is not None
    root = parse(found[0], "memory")
    (entry,) = root.packs
    pack = there.bucket.get_range(f"packs/{entry.name}.pack", 0, entry.size)
    (index,) = there.indexes
    return Contents(root, pack, index.data, objects)


def listing(contents: Contents, pack: bytes, index: bytes, objects: int) -> BucketEndpoint:
    """Return a bucket whose `root.json` fits a pack and an index, whatever they are."""
    name = f"{index[-32:].hex().rjust(64, '0')}-{'0' * 16}"
    entry = PackEntry(name, len(pack), objects, index_hash(index))
    root = msgspec.structs.replace(contents.root, packs=[entry])
    return opened(msgspec.json.encode(root), {name: (pack, index)})


def damaged(contents: Contents, draw: random.Random) -> BucketEndpoint:
    """Return the bucket with something wrong in its pack, its index, or `root.json`; mostly, hashes are made to fit."""
    pack, index, objects = contents.pack, contents.index, contents.root.packs[0].objects
    kind = draw.randrange(4)
    if kind == 0:
        root = bytearray(msgspec.json.encode(contents.root))
        for _ in range(draw.choice((1, 2, 5))):
            at = draw.randrange(len(root))
            root[at : at + draw.choice((0, 1, 1, 1, 4))] = bytes(
                draw.choices(b'{}[]",:0123456789abcdefnull', k=draw.choice((0, 1, 1, 4)))
            )
        return opened(bytes(root), {contents.root.packs[0].name: (pack, index)})
    if kind == 1:
        border = len(pack) - len(index)
        pack = mutated(pack[:border] or b"\0", draw)[:border] + pack[border:]
    elif kind == 2:
        index = mutated(index, draw)
        pack = pack[: len(pack) - len(contents.index)] + index
    else:
        pack = mutated(pack, draw)
        index = pack[-len(index) :]
    return listing(contents, pack, index, objects + draw.choice((0, 0, 0, 1)))


def outcome(there: BucketEndpoint, contents: Contents) -> str:
    """Fetch, and say what came of it: capitals for what must not."""
    head = bytes.fromhex(contents.root.refs[REF])
    with Repository.memory() as here:
        try:
            transfer(there, StoreEndpoint(here), [RefUpdate(REF, there.refs().get(REF, head))], message="fetch")
        except ThemisError as error:
            here.flush()
            strange = {oid for oid, payload in here.backend.everything() if contents.objects.get(oid) != payload}
            return "STORED" if strange or dict(here.refs()) else type(error).__name__
        reached = {oid: here.read(oid) for oid, _ in here.walk([head])}
        return "let in" if reached == contents.objects else "WRONG"


def main(count: int, seed: int) -> None:
    contents = sound()
    draw = random.Random(seed)
    assert (
        outcome(listing(contents, contents.pack, contents.index, contents.root.packs[0].objects), contents) == "let in"
    )

    def trial() -> Callable[[], str]:
        there = damaged(contents, draw)
        return lambda: outcome(there, contents)

    print(json.dumps(tried(count, trial)))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
