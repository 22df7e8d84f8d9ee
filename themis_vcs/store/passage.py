"""Going through the rows of a table whose pages may be damaged: in steps, or one by one from either end.

Corrupt is raised where a page cannot be read; some damage ends the process instead. What rows mean is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from themis_vcs.store import segments
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.tables import Reader

_STEP: Final = 2_000

Row = tuple[bytes, bytes]
Say = Callable[[str, str], object]
"""Is told the code of a finding, and its message."""
Way = Callable[[LmdbBackend, str, Say], Iterator[Row]]


def stepwise(backend: LmdbBackend, table: str, say: Say) -> Iterator[Row]:
    """Yield all rows, a transaction per step; a table whose rows do not ascend is left there."""
    last: Row = (b"", b"")
    count, seen = 0, set()
    while True:
        with backend.environment.reading() as reader:
            rows = list(_after(reader, table, last))
            seen.add(reader.txn.id())
            expected = reader.entries(table)
        for row in rows:
            if row <= last:
                say("row", f"the rows of table {table} are out of order")
                return
            last = row
            count += 1
            yield row
        if len(rows) < _STEP:
            break
    if len(seen) == 1 and count != expected:
        say("row", f"table {table} holds {expected:,} rows, and {count:,} were found")


def onward(backend: LmdbBackend, table: str, _: Say) -> Iterator[Row]:
    """Yield the rows up to the first page that cannot be read, each before the next one is looked at."""
    return _one_by_one(backend, table, forward=True)


def backward(backend: LmdbBackend, table: str, _: Say) -> Iterator[Row]:
    """Yield the rows from the last one back to the first page that cannot be read, as `onward` does."""
    return _one_by_one(backend, table, forward=False)


def _one_by_one(backend: LmdbBackend, table: str, *, forward: bool) -> Iterator[Row]:
    last: Row | None = None
    with backend.environment.reading() as reader:
        cursor = reader.cursor(table)
        for key, value in cursor if forward else cursor.iterprev():
            row = bytes(key), bytes(value)
            if last is not None and (row <= last if forward else row >= last):
                return
            last = row
            yield row


def _after(reader: Reader, table: str, last: Row) -> Iterator[Row]:
    """Yield up to a step of rows behind the row `last`."""
    cursor = reader.cursor(table)
    key, value = last
    if not key:
        found = cursor.first()
    elif table == segments.INDEX:
        found = cursor.set_range_dup(key, value)
    else:
        found = cursor.set_range(key)
    if found and (bytes(cursor.key()), bytes(cursor.value())) == last:
        found = cursor.next()
    for _ in range(_STEP):
        if not found:
            return
        yield bytes(cursor.key()), bytes(cursor.value())
        found = cursor.next()
