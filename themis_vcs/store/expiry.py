"""Reflogs in time: what their entries keep alive, and taking away those that have had their time (REF-12).

The newest entry of a ref that exists stays whatever its age, because it says where the ref is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence

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


def split(backend: LmdbBackend, named: Callable[[str, Oid], bool]) -> tuple[list[bytes], list[Oid]]:
    """Return the keys of the entries of every log up to the last that has something `named`, and the oids in others."""
    gone: list[bytes] = []
    ahead: list[bytes] = []
    kept: dict[bytes, tuple[Oid | None, Oid | None]] = {}
    before = ""
    for key, entry, _ in _entries(backend, 0):
        name = reflog.name_of(key)
        if name != before:
            before, ahead = name, []
        ahead.append(key)
        kept[key] = entry.old, entry.new
        if any(oid is not None and named(name, oid) for oid in kept[key]):
            gone += ahead
            for each in ahead:
                del kept[each]
            ahead = []
    return gone, [oid for pair in kept.values() for oid in pair if oid is not None]


def without(backend: LmdbBackend, gone: Collection[Oid], entry: ReflogEntry) -> dict[str, int]:
    """Take the moves that led to an object that is `gone` out of the logs, and return how many of each ref.

    Where one that stays came from such an object, it says null for that. The others move up, so that there is no gap;
    a log that does not end where its ref points gets `entry` with where that is.
    """
    logs: dict[str, list[tuple[bytes, ReflogEntry]]] = defaultdict(list)
    for key, each, _ in _entries(backend, 0):
        logs[reflog.name_of(key)].append((key, each))
    kept = {name: [each for _, each in log if each.new not in gone] for name, log in logs.items()}
    touched = [name for name, log in logs.items() if any(each.old in gone or each.new in gone for _, each in log)]

    def body(writer: Writer) -> None:
        for name in touched:
            first = reflog.sequence_of(logs[name][0][0])
            for key, _ in logs[name]:
                writer.delete(reflog.REFLOG, key)
            for number, each in enumerate(kept[name], first):
                reflog.write(writer, name, number, each._replace(old=None) if each.old in gone else each)
            last, current = kept[name][-1].new if kept[name] else None, reflog.current(writer, name)
            if last != current:
                reflog.log(writer, name, entry._replace(old=last, new=current))

    backend.environment.write(body)
    return {name: len(logs[name]) - len(kept[name]) for name in touched if len(logs[name]) > len(kept[name])}


def cut(backend: LmdbBackend, keys: Sequence[bytes], entry: ReflogEntry) -> None:
    """Delete entries, each with all before it. A ref whose whole log went gets `entry` with where it is."""

    def body(writer: Writer) -> None:
        for key in keys:
            writer.delete(reflog.REFLOG, key)
        for name in dict.fromkeys(map(reflog.name_of, keys)):
            current = reflog.current(writer, name)
            if current is not None and not reflog.last_sequence(writer, name.encode()):
                reflog.log(writer, name, entry._replace(old=None, new=current))

    backend.environment.write(body)


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
