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
from themis_vcs.store.tables import Table, Writer

_FILLER: Final = b"filler:"
_END: Final = b"filler;"
_HEADER: Final = 16
_PAGES: Final = 2_000
_FEW: Final = 4
_LAG: Final = 2
"""What a transaction frees can be used by the second one after it."""
_ROWS: Final = 10_000
_SHARING: Final = 2_048
"""Longer rows lie in pages of their own."""


def erase(backend: LmdbBackend, lease: Lease, wait: float) -> int:
    """Write over what is free; return about how many bytes of it were out of reach, because a reader holds them.

    The database must have been opened since the last deletion: LMDB uses the memory of pages that it has written for
    others, and leaves in their gaps what was there.
    """
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
    """Fill free pages until there are more than before and the file has no other, and free them again.

    Behind the last page may be some that a process had written when it was killed.
    """
    for _ in range(_LAG):
        _write(backend, lease, wait, range(1))
        remove_fillers(backend, lease, wait)
    info = backend.environment.info()
    number, pages = 0, backend.statistics().free_bytes // info["page_size"]
    least = max(info["last_page"] + 1, backend.layout.data.stat().st_size // info["page_size"] - 1)
    while backend.environment.info()["last_page"] < least:
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
    """Write all rows anew that are so small that several share a page: the new pages have no old bytes."""
    for table in lmdb.TABLES:
        last: tuple[bytes, bytes] | None = (b"", b"")
        while last is not None:
            body = partial(_rewritten, table=table, after=last)
            with lease.alone(wait):
                last = backend.environment.write(body, room=_ROWS * _SHARING, timeout=wait)


def _rewritten(writer: Writer, *, table: Table, after: tuple[bytes, bytes]) -> tuple[bytes, bytes] | None:
    """Rewrite the next rows of a table; return the last of them, None at the end."""
    cursor = writer.cursor(table.name)
    key, row = after
    if not key:
        more = cursor.first()
    else:
        more = cursor.set_range_dup(key, row) if table.duplicates else cursor.set_range(key)
        more = more and cursor.next()
    small: list[tuple[bytes, bytes]] = []
    last = None
    while more and len(small) < _ROWS:
        last = bytes(cursor.key()), bytes(cursor.value())
        if len(last[1]) <= _SHARING:
            small.append(last)
        more = cursor.next()
    if table.duplicates:
        segments.forget(writer, [row for _, row in small])
        writer.cursor(table.name).putmulti(small)
    else:
        for key, row in small:
            writer.put(table.name, key, row)
    return last if more else None
