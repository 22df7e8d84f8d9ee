"""A consistent, compact copy of an environment: row by row in the order of the keys, from one transaction.

LMDB's own compacting copy (engines 0.9.36 and 1.0.2) ends in a segmentation fault on a table whose duplicates have a
fixed size and fill more than a page, as the index has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from themis_vcs.store.environment import Environment
from themis_vcs.store.tables import Reader, Table, Writer

_ROWS: Final = 4096
_BYTES: Final = 16 << 20
_ROW_ROOM: Final = 64

Row = tuple[bytes, bytes]


def copy(source: Environment, target: Environment, tables: tuple[Table, ...]) -> None:
    """Copy all rows of the tables into a fresh environment, durably."""
    with source.reading() as reader:
        for table in tables:
            for rows in _chunks(reader, table):
                target.write(_putting(table, rows), room=sum(_ROW_ROOM + len(value) for _, value in rows))


def _putting(table: Table, rows: list[Row]) -> Callable[[Writer], None]:
    def body(writer: Writer) -> None:
        writer.cursor(table.name).putmulti(rows, append=True)

    return body


def _chunks(reader: Reader, table: Table) -> Iterator[list[Row]]:
    rows = ((bytes(key), bytes(value)) for key, value in reader.cursor(table.name))
    while chunk := list(_until(rows, _BYTES)):
        yield chunk


def _until(rows: Iterator[Row], limit: int) -> Iterator[Row]:
    size = 0
    for row in islice(rows, _ROWS):
        yield row
        size += len(row[1])
        if size >= limit:
            return
