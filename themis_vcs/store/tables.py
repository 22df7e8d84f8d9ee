"""Named databases of an environment, and transactions over them; when those begin is for `environment` to say."""

from __future__ import annotations

import struct
from typing import NamedTuple, TypeAlias

import lmdb

from themis_vcs.errors import Corrupt

Cursor: TypeAlias = "lmdb.Cursor[memoryview]"


class Table(NamedTuple):
    """A named database inside the environment."""

    name: str
    duplicates: bool = False


class Reader:
    """A transaction and its tables. Values are memoryviews that the next write, or the end, makes invalid."""

    def __init__(self, txn: lmdb.Transaction[memoryview], tables: dict[str, lmdb._Database]) -> None:
        self.txn = txn
        self.tables = tables

    def end(self) -> None:
        """End the transaction, and let go of it: py-lmdb keeps the reader slot as long as the object lives."""
        self.txn.abort()
        del self.txn

    def get(self, table: str, key: bytes) -> memoryview | None:
        return self.txn.get(key, db=self.tables[table])

    def cursor(self, table: str) -> Cursor:
        return self.txn.cursor(db=self.tables[table])

    def entries(self, table: str) -> int:
        return int(self.txn.stat(self.tables[table])["entries"])


class Writer(Reader):
    """A transaction that writes."""

    def put(self, table: str, key: bytes, value: bytes, *, append: bool = False) -> None:
        self.txn.put(key, value, db=self.tables[table], append=append)

    def delete(self, table: str, key: bytes) -> None:
        self.txn.delete(key, db=self.tables[table])


def fields(layout: struct.Struct, data: bytes | memoryview) -> tuple[int, ...]:
    """Take the numbers of a key or a row apart; Corrupt if it has not the size that it must have."""
    if len(data) != layout.size:
        raise Corrupt(f"the tables are damaged: {len(data)} bytes where there must be {layout.size}")
    return layout.unpack(data)
