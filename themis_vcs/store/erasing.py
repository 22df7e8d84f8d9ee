"""Writing over the free parts of a database, where the bytes of deleted objects lie until something takes their place.

LMDB itself is made to use its free pages: rows of zeros are written until the file would grow, and deleted again. What
was deleted within a page lies in the gap of that page, so rows that share pages are written anew as well. A page that a
reader still holds is not free; how much could not be reached is said.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from themis_vcs.store import lmdb, segments
from themis_vcs.store.lease import Lease
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.seal import SEAL_BYTES, sealed
from themis_vcs.store.tables import Writer

_FILLER: Final = b"filler:"
_END: Final = b"filler;"
_HEADER: Final = 16
_PAGES: Final = 2_000
_FEW: Final = 4
_LAG: Final = 2
"""What a transaction frees can be used by the second one after it."""
_SHARING: Final = 2_048
"""Longer rows lie in pages of their own."""


def erase(backend: LmdbBackend, lease: Lease, wait: float) -> int:
    """Write over what is free; return about how many bytes of it were out of reach, because a reader holds them."""
    began = backend.environment.transaction()
    remove_fillers(backend, lease, wait)
    _fill(backend, lease, wait)
    _rewrite_shared_pages(backend, lease, wait)
    _fill(backend, lease, wait)
    held = backend.environment.oldest_reader()
    return backend.statistics().free_bytes if held is not None and held <= began else 0


def remove_fillers(backend: LmdbBackend, lease: Lease, wait: float) -> None:
    """Take away the rows of zeros, also those that are left of a process that was killed."""

    def body(writer: Writer) -> bool:
        cursor = writer.cursor(lmdb.LOCAL)
        found = cursor.set_range(_FILLER)
        for _ in range(_PAGES):
            if not found or bytes(cursor.key()) >= _END:
                return False
            cursor.delete()
            found = bool(cursor.key())
        return True

    more = True
    while more:
        with lease.alone(wait):
            more = backend.environment.write(body, timeout=wait)


def _fill(backend: LmdbBackend, lease: Lease, wait: float) -> None:
    """Fill free pages until the file grows, and free them again."""
    for _ in range(_LAG):
        _write(backend, lease, wait, range(1))
        remove_fillers(backend, lease, wait)
    info = backend.environment.info()
    number, pages = 0, backend.statistics().free_bytes // info["page_size"]
    while backend.environment.info()["last_page"] == info["last_page"]:
        step = min(_PAGES, max(_FEW, (pages - number) // 2))
        _write(backend, lease, wait, range(number, number + step))
        number += step
    remove_fillers(backend, lease, wait)


def _write(backend: LmdbBackend, lease: Lease, wait: float, numbers: range) -> None:
    page = backend.environment.info()["page_size"]
    zeros = bytes(page - _HEADER - SEAL_BYTES)

    def body(writer: Writer) -> None:
        for number in numbers:
            key = _FILLER + b"%08x" % number
            writer.put(lmdb.LOCAL, key, sealed(lmdb.LOCAL, key, zeros))

    with lease.alone(wait):
        backend.environment.write(body, room=len(numbers) * page, timeout=wait)


def _rewrite_shared_pages(backend: LmdbBackend, lease: Lease, wait: float) -> None:
    """Write rows of segments anew that are so small that several share a page: the new page has no old bytes."""
    number: int | None = 0
    while number is not None:
        with lease.alone(wait):
            number = backend.environment.write(partial(_rewritten, start=number), room=_PAGES << 12, timeout=wait)


def _rewritten(writer: Writer, *, start: int) -> int | None:
    """Rewrite the small rows from a segment on; return where to go on, None at the end."""
    cursor = writer.cursor(segments.SEGMENTS)
    more = cursor.set_range(segments.key_of(start))
    small: list[tuple[bytes, bytes]] = []
    after: int | None = None
    while more:
        if len(small) == _PAGES:
            after = segments.number_of(cursor.key())
            break
        if len(cursor.value()) <= _SHARING:
            small.append((bytes(cursor.key()), bytes(cursor.value())))
        more = cursor.next()
    for key, row in small:
        writer.put(segments.SEGMENTS, key, row)
    return after
