"""Reflogs in time: what their entries keep alive, and taking away those that have had their time (REF-12).

The newest entry of a ref that exists stays whatever its age, because it says where the ref is.
"""

from __future__ import annotations

from collections.abc import Iterator

from themis_vcs.errors import Corrupt
from themis_vcs.model.oid import Oid
from themis_vcs.store import reflog
from themis_vcs.store.backend import ReflogEntry
from themis_vcs.store.lease import Lease
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.tables import Writer

_ROWS = 1_000


def needed(backend: LmdbBackend, horizon: int) -> list[Oid]:
    """Return the oids in entries that stay; `horizon` is the time (ns since the epoch) before which others go."""
    found: dict[Oid, None] = {}
    for _, entry, stays in _entries(backend, horizon):
        if stays:
            found.update(dict.fromkeys(oid for oid in (entry.old, entry.new) if oid is not None))
    return list(found)


def expired(backend: LmdbBackend, horizon: int) -> int:
    """Return how many entries have had their time."""
    return sum(not stays for _, _, stays in _entries(backend, horizon))


def expire(backend: LmdbBackend, horizon: int, lease: Lease, wait: float) -> int:
    """Delete the entries that have had their time, oldest first; return how many."""
    gone = [key for key, _, stays in _entries(backend, horizon) if not stays]
    for start in range(0, len(gone), _ROWS):
        _delete(backend, gone[start : start + _ROWS], lease, wait)
    return len(gone)


def _delete(backend: LmdbBackend, keys: list[bytes], lease: Lease, wait: float) -> None:
    def body(writer: Writer) -> None:
        for key in keys:
            writer.delete(reflog.REFLOG, key)

    with lease.alone(wait):
        backend.environment.write(body, timeout=wait)


def _entries(backend: LmdbBackend, horizon: int) -> Iterator[tuple[bytes, ReflogEntry, bool]]:
    """Yield the key of each entry, the entry, and whether it stays: with one that stays, all that follow it do."""
    with backend.environment.reading() as reader:
        rows = [(bytes(key), bytes(row)) for key, row in reader.cursor(reflog.REFLOG)]
    kept: str | None = None
    for place, (key, row) in enumerate(rows):
        name = reflog.name_of(key)
        following = rows[place + 1][0] if place + 1 < len(rows) else b""
        try:
            _, entry = reflog.logged(key, row)
        except Corrupt as error:
            error.ref = error.ref or name
            raise
        last = not following.startswith(key[: -reflog.SEQUENCE_BYTES])
        if entry.time >= horizon or (last and entry.new is not None):
            kept = name
        yield key, entry, kept == name
