"""How old segments are: marks that say which number was the last at which time (STORE-29).

A mark says that all segments up to its number were there at its time. Of a segment that no mark covers nothing is
known, and it counts as new; and no clock that jumps back makes anything older.
"""

from __future__ import annotations

from typing import Final

from themis_vcs.errors import Corrupt
from themis_vcs.store import segments
from themis_vcs.store.seal import sealed, unsealed
from themis_vcs.store.tables import Reader, Writer

LOCAL: Final = "local"
MARK: Final = b"written:"
_BEHIND: Final = b"written;"
_TIME_BYTES: Final = 8
EVERY: Final = 3600 * 10**9
"""Nanoseconds between two marks, at least."""


def note(writer: Writer, now: int) -> None:
    """Mark the last segment, if it is not that of the newest mark and that one is old enough."""
    last = segments.last_number(writer)
    key = MARK + b"%08x" % last
    newest = _newest(writer)
    if last and (newest is None or (key != newest[0] and abs(now - newest[1]) >= EVERY)):
        writer.put(LOCAL, key, sealed(LOCAL, key, now.to_bytes(_TIME_BYTES, "big")))


def last_before(reader: Reader, time: int) -> int:
    """Return the number up to which segments were there before `time` (ns since the epoch), 0 if none is known."""
    cursor = reader.cursor(LOCAL)
    latest = found = 0
    more = cursor.set_range(MARK)
    while more and bytes(cursor.key()).startswith(MARK):
        number, at = _mark(bytes(cursor.key()), bytes(cursor.value()))
        # A mark cannot be older than one before it: where it seems so, the clock was wrong.
        latest = max(latest, at)
        if latest < time:
            found = number
        more = cursor.next()
    return found


def _newest(writer: Writer) -> tuple[bytes, int] | None:
    cursor = writer.cursor(LOCAL)
    found = cursor.prev() if cursor.set_range(_BEHIND) else cursor.last()
    if not found or not bytes(cursor.key()).startswith(MARK):
        return None
    key = bytes(cursor.key())
    try:
        return key, _mark(key, bytes(cursor.value()))[1]
    except Corrupt:
        return key, 0


def _mark(key: bytes, row: bytes) -> tuple[int, int]:
    at = int.from_bytes(unsealed(LOCAL, key, row), "big")
    return int(key[len(MARK) :], 16), at
