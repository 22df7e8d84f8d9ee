"""The checksum that ties a row to its table and its key (STORE-18)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from blake3 import blake3

from themis_vcs.errors import Corrupt

CONTEXT: Final = "themis_vcs 2026-11-23 store row v1"
SEAL_BYTES: Final = 8


@lru_cache(maxsize=64)
def _hasher(table: str) -> blake3:
    hasher = blake3(derive_key_context=CONTEXT)
    hasher.update(table.encode() + b"\0")
    return hasher


def _seal(table: str, key: bytes, value: bytes) -> bytes:
    hasher = _hasher(table).copy()
    hasher.update(len(key).to_bytes(2, "big") + key + value)
    return hasher.digest(SEAL_BYTES)


def sealed(table: str, key: bytes, value: bytes) -> bytes:
    """Return the row to store for a value."""
    return value + _seal(table, key, value)


def unsealed(table: str, key: bytes, row: bytes | memoryview) -> bytes:
    """Return the value of a row; Corrupt if it is not what was stored there (STORE-19)."""
    row = bytes(row)
    value = row[:-SEAL_BYTES]
    if len(row) < SEAL_BYTES or _seal(table, key, value) != row[-SEAL_BYTES:]:
        name = key.split(b"\0")[0].decode("utf-8", "backslashreplace") if table in ("refs", "reflog") else None
        shown = name if name is not None else key.hex()
        raise Corrupt(f"the entry {shown} of table {table} is damaged", ref=name)
    return value
