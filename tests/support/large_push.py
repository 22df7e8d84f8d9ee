"""A program that sends 1 MB objects to a bucket and prints the most memory it had: python -m … ENDPOINT URL COUNT"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.buckets import opener
from themis_vcs.model.objects import Blob, dump
from themis_vcs.model.oid import oid_of
from themis_vcs.store.backend import Stored
from themis_vcs.store.frames import raw
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.store_endpoint import StoreEndpoint

SIZE = 1 << 20


def large(count: int) -> Iterator[Stored]:
    """Yield objects of a MB that cannot be compressed."""
    draw = random.Random(1)
    for _ in range(count):
        blob = Blob(SIZE, draw.randbytes(SIZE))
        payload = dump(blob)
        yield Stored(raw(oid_of(payload), payload), None, payload, blob)


def main(endpoint: str, url: str, count: int) -> None:
    there = opener(endpoint, url)()
    with Repository.memory() as nothing:
        sent = there.take(large(count), StoreEndpoint(nothing))
    assert sent.objects == count
    # What getrusage says is, after exec, at least what the parent had.
    status = Path("/proc/self/status").read_text()
    print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
