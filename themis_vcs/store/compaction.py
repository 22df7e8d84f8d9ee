"""Giving back the space of deleted objects: segments that are mostly dead are written anew (STORE-35).

What is left of a segment moves to a new one, and the old one goes, in one transaction. The last segment stays where it
is, so that no number is used twice. Not responsible for which objects are deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from themis_vcs.errors import Corrupt
from themis_vcs.store import segments
from themis_vcs.store.lease import Lease
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.tables import Reader, Writer

MOSTLY: Final = 0.5
_SCANNED: Final = 64
_FRAMES: Final = 1_000
_BYTES: Final = 4 << 20


def compact(backend: LmdbBackend, lease: Lease, wait: float, *, chosen: Callable[[float], bool] | None = None) -> int:
    """Rewrite the segments of which no more than half is alive; return how many went.

    `chosen` says instead of the part that is alive whether a segment is to be written anew.
    """
    wanted = chosen or (lambda alive: alive <= MOSTLY)
    batch: list[int] = []
    frames = size = gone = 0
    for number, alive, count, live in _segments(backend):
        if not wanted(alive):
            continue
        batch.append(number)
        frames, size = frames + count, size + live
        if frames >= _FRAMES or size >= _BYTES:
            gone += _rewrite(backend, batch, lease, wait)
            batch, frames, size = [], 0, 0
    return gone + _rewrite(backend, batch, lease, wait)


def _segments(backend: LmdbBackend) -> Iterator[tuple[int, float, int, int]]:
    """Yield of every segment but the last its number, the part that is alive, and how many frames and bytes that is."""
    number = 1
    while True:
        found: list[tuple[int, int, int, int]] = []
        with backend.environment.reading() as reader:
            last = segments.last_number(reader)
            cursor = reader.cursor(segments.SEGMENTS)
            more = cursor.set_range(segments.key_of(number))
            while more and len(found) < _SCANNED:
                number = segments.number_of(cursor.key())
                found.append((number, *_alive(reader, number, cursor.value())))
                more = cursor.next()
        for each, total, count, live in found:
            if each < last and total:
                yield each, live / total, count, live
        if not found:
            return
        number = found[-1][0] + 1


def _alive(reader: Reader, number: int, data: memoryview) -> tuple[int, int, int]:
    try:
        sizes = [frame.size for _, frame in segments.indexed(reader, number, data)]
    except Corrupt:
        # What is damaged stays where it is, for `fsck` and its repair.
        return 0, 0, 0
    return len(data), len(sizes), sum(sizes)


def _rewrite(backend: LmdbBackend, numbers: list[int], lease: Lease, wait: float) -> int:
    if not numbers:
        return 0

    def body(writer: Writer) -> int:
        kept, rows, gone = [], [], 0
        last = segments.last_number(writer)
        for number in numbers:
            key = segments.key_of(number)
            data = writer.get(segments.SEGMENTS, key)
            if data is None or number == last:
                continue
            for offset, frame in segments.indexed(writer, number, data):
                kept.append(frame)
                rows.append(segments.row_of(frame.oid, (number, offset)))
            gone += 1
        segments.forget(writer, rows)
        for number in numbers:
            if number != last:
                writer.delete(segments.SEGMENTS, segments.key_of(number))
        segments.append(writer, kept)
        return gone

    with lease.alone(wait):
        return backend.environment.write(body, room=2 * _BYTES, timeout=wait)
