"""The part of `inspection` that reads the tables but the index and the segments: seals, and where refs and steps are.

What it sees it sends as messages, which are `inspection`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from themis_vcs.errors import Corrupt
from themis_vcs.store import compressor, lmdb, reflog
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.passage import Way, backward, onward, stepwise
from themis_vcs.store.seal import unsealed

_SEALED: Final = (
    compressor.META,
    compressor.DICTIONARIES,
    lmdb.DERIVATIONS,
    lmdb.TRACKS,
    reflog.REFS,
    reflog.REFLOG,
    lmdb.LOCAL,
)
_WAYS: Final = (stepwise, onward, backward)
_LOGS: Final = len(_WAYS) * len(_SEALED)
ROW_PLACES: Final = _LOGS + 1
"""How many places the phase `rows` has: for every table three ways through it, then the comparison of refs and logs."""

Message = tuple[object, ...]
Send = Callable[[Message], None]


def rows(backend: LmdbBackend, start: int, send: Send) -> None:
    """Check the seals of all tables from a place on, and say where refs and derivations point.

    A table that cannot be gone through in steps is gone through from either end, as far as its pages can be read.
    """
    broken = True
    for place in range(start, _LOGS):
        number, way = divmod(place, len(_WAYS))
        if way and not broken:
            continue
        table = _SEALED[number]
        here = ("at", "rows", place, f"table {table}")
        send(here)
        hints = broken = False
        try:
            if table == compressor.META:
                backend.check_format()
                hints = True
            _table(backend, table, _WAYS[way], send, here if way else None)
            broken = way > 0
        except Corrupt as error:
            # All in this table but the format are hints.
            broken = not hints
            send(("finding", "hint", error.message, None, None) if hints else ("unreadable", here[3], why(error)))
    _logs(backend, send)


def _table(backend: LmdbBackend, table: str, way: Way, send: Send, here: Message | None) -> None:
    """Go through a table; with `here` that is said again behind each row, so that all before reaches the parent."""
    for key, row in way(backend, table, lambda code, message: send(("finding", code, message, None, None))):
        _row(table, key, row, send)
        if here:
            send(here)


def _row(table: str, key: bytes, row: bytes, send: Send) -> None:
    try:
        value = unsealed(table, key, row)
    except Corrupt as error:
        hint = table == compressor.META and key.startswith(compressor.SAMPLES)
        send(("finding", "hint" if hint else "row", error.message, None, error.ref))
        return
    send(("row", table, key, row))
    if table == lmdb.DERIVATIONS:
        send(("needs", value, f"the derivation {key.hex()[:16]}"))
    elif table == compressor.DICTIONARIES:
        send(("needs", value[:32], "the table of dictionaries"))
    elif table == reflog.REFS:
        _ref(key, row, send)
    elif table == reflog.REFLOG:
        _move(key, row, send)


def _ref(key: bytes, row: bytes, send: Send) -> None:
    try:
        send(("ref", *reflog.decoded(key, row)))
    except Corrupt as error:
        send(("finding", "ref", error.message, None, error.ref))


def _move(key: bytes, row: bytes, send: Send) -> None:
    try:
        number, entry = reflog.logged(key, row)
    except Corrupt as error:
        send(("finding", "reflog", error.message, None, error.ref))
        return
    name = reflog.name_of(key)
    for oid in (entry.old, entry.new):
        if oid is not None:
            send(("needs", oid, f"the reflog of {name}, entry {number}"))


def _logs(backend: LmdbBackend, send: Send) -> None:
    """Check that the log of each ref has no gap and ends where the ref points. Pages that cannot be read were named."""
    send(("at", "rows", _LOGS, f"table {reflog.REFS}"))
    try:
        keys = [key for key, _ in stepwise(backend, reflog.REFS, lambda code, message: None)]
    except Corrupt:
        return
    send(("at", "rows", _LOGS, f"table {reflog.REFLOG}"))
    for key in keys:
        try:
            backend.reflog(key.decode("utf-8", "backslashreplace"))
        except Corrupt as error:
            if error.ref is None:
                return
            send(("finding", "ref", error.message, None, error.ref))


def why(error: Corrupt) -> str:
    """Return what is said of a table that cannot be gone through."""
    return f"a page of it cannot be read ({error.__cause__ or error})"
