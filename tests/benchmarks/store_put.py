"""`Repository.put` against the smallest loop that stores the same records in LMDB.

The loop encodes with msgspec, hashes, looks the oid up, compresses with a dictionary and puts frames into segments, in
groups of the same size, with the same sync. What it leaves out is what a store adds: canonical form, references, index
rows with proof, verification, growth, refs. Every function returns seconds; run the module for a table of ratios.
"""

from __future__ import annotations

import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import lmdb
import msgspec
import zstandard
from blake3 import blake3

from tests.support.records import values
from themis_vcs.model.objects import Value, dump
from themis_vcs.model.oid import CONTEXT
from themis_vcs.store.group import MAX_OBJECTS
from themis_vcs.store.repository import Repository

_ENCODER = msgspec.msgpack.Encoder(order="sorted")
_HASHER = blake3(derive_key_context=CONTEXT)
_PLACE = struct.Struct(">III")


def _oid(payload: bytes) -> bytes:
    hasher = _HASHER.copy()
    hasher.update(payload)
    return hasher.digest()


class Loop:
    """The minimal loop and its file."""

    def __init__(self, directory: Path, sample: Sequence[Value]) -> None:
        self.env = lmdb.open(str(directory), map_size=1 << 32, max_dbs=2, lib_version=0)
        self.index = self.env.open_db(b"index")
        self.segments = self.env.open_db(b"segments")
        self.number = 0
        if sample:
            self.dictionary = zstandard.train_dictionary(110 * 1024, [_ENCODER.encode(value) for value in sample])
            self.dictionary.precompute_compress(level=3)
            self.compressor = zstandard.ZstdCompressor(level=3, dict_data=self.dictionary)
            self.decompressor = zstandard.ZstdDecompressor(dict_data=self.dictionary)

    def put(self, records: Sequence[Value]) -> None:
        for start in range(0, len(records), MAX_OBJECTS):
            with self.env.begin(write=True) as txn:
                self._group(txn, records[start : start + MAX_OBJECTS])

    def copy_to(self, other: Loop) -> None:
        """Copy the frames that another file lacks, as they are, record by record."""
        with self.env.begin(buffers=True) as txn:
            places = sorted((bytes(place), bytes(oid)) for oid, place in txn.cursor(db=self.index))
            for start in range(0, len(places), MAX_OBJECTS):
                with other.env.begin(write=True) as target:
                    new = (each for each in places[start : start + MAX_OBJECTS] if not other._has(target, each[1]))
                    other._append(target, self._frames(txn, new))

    def _has(self, txn: lmdb.Transaction[bytes], oid: bytes) -> bool:
        return txn.get(oid, db=self.index) is not None

    def _frames(
        self, txn: lmdb.Transaction[memoryview], places: Iterable[tuple[bytes, bytes]]
    ) -> Iterator[tuple[bytes, bytes]]:
        for place, oid in places:
            number, offset, length = _PLACE.unpack(place)
            yield oid, txn.get(number.to_bytes(4, "big"), db=self.segments)[offset : offset + length]

    def _group(self, txn: lmdb.Transaction[bytes], records: Sequence[Value]) -> None:
        payloads = [(_oid(payload), payload) for payload in map(_ENCODER.encode, records)]
        new = ((oid, payload) for oid, payload in payloads if txn.get(oid, db=self.index) is None)
        self._append(txn, ((oid, self.compressor.compress(payload)) for oid, payload in new))

    def _append(self, txn: lmdb.Transaction[bytes], frames: Iterable[tuple[bytes, bytes]]) -> None:
        parts, size = [], 0
        for oid, data in frames:
            txn.put(oid, _PLACE.pack(self.number, size, len(data)), db=self.index)
            parts.append(data)
            size += len(data)
            if size >= 65_000:
                txn.put(self.number.to_bytes(4, "big"), b"".join(parts), db=self.segments)
                self.number += 1
                parts, size = [], 0
        if parts:
            txn.put(self.number.to_bytes(4, "big"), b"".join(parts), db=self.segments)
            self.number += 1

    def verify(self) -> int:
        count = 0
        with self.env.begin(buffers=True) as txn:
            places = [(bytes(place), bytes(oid)) for oid, place in txn.cursor(db=self.index)]
            for place, oid in sorted(places):
                number, offset, length = _PLACE.unpack(place)
                data = txn.get(number.to_bytes(4, "big"), db=self.segments)[offset : offset + length]
                payload = self.decompressor.decompress(data)
                if _oid(payload) != oid:
                    raise ValueError(oid.hex())
                count += 1
        return count


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def put_all(repository: Repository, records: Sequence[Value]) -> None:
    for record in records:
        repository.put(record)
    repository.flush()


def verify_all(repository: Repository) -> int:
    return sum(1 for _ in repository.backend.everything())


def compare(count: int, directory: Path) -> dict[str, float]:
    """Return seconds of both for `count` records, and the size on disk as a part of the raw bytes."""
    records = list(values(count))
    raw = sum(len(dump(record)) for record in records)
    (directory / "loop").mkdir()
    loop = Loop(directory / "loop", records[:500])
    result = {"loop put": timed(lambda: loop.put(records))}
    repository = Repository.init(directory / "store")
    result["store put"] = timed(lambda: put_all(repository, records))
    result["loop again"] = timed(lambda: loop.put(records))
    result["store again"] = timed(lambda: put_all(repository, records))
    result["loop verify"] = timed(loop.verify)
    result["store verify"] = timed(lambda: verify_all(repository))
    result["store size"] = repository.statistics().file_bytes / raw
    result["loop size"] = (directory / "loop" / "data.mdb").stat().st_size / raw
    repository.close()
    loop.env.close()
    return result


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    directory = Path(tempfile.mkdtemp(prefix="themis-bench-"))
    try:
        result = compare(count, directory)
    finally:
        shutil.rmtree(directory)
    for what in ("put", "again", "verify"):
        loop, store = result[f"loop {what}"], result[f"store {what}"]
        rate = f"{count / store:9,.0f} records/s, loop {count / loop:9,.0f}"
        print(f"{what:7} {rate}, ratio {loop / store:.2f}")
    print(f"size    {result['store size']:.3f} of the raw bytes, loop {result['loop size']:.3f}")


if __name__ == "__main__":
    main()
