"""Making a whole tree from its entries."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice, pairwise
from operator import lt

from themis_vcs.errors import DataError
from themis_vcs.model.codec import MAX_KEY
from themis_vcs.model.oid import OID_BYTES, Oid
from themis_vcs.model.tree.node import EMPTY, Built, climb


def build(entries: Iterable[tuple[str, Oid]]) -> Built:
    """Return the tree of `entries`, given in ascending order of their keys' UTF-8 bytes, each key once.

    That is the order of `sorted`. Raises DataError for keys out of order, empty, not text or over 1,024
    bytes, and for oids that are not 32 bytes.
    """
    pairs = list(entries)
    if not pairs:
        return Built(EMPTY[0], dict([EMPTY]))
    _check(pairs)
    nodes: dict[Oid, bytes] = {}
    return Built(climb(0, [(key, oid, 1) for key, oid in pairs], nodes), nodes)


def check_key(key: str) -> None:
    """Refuse a key that no tree can hold (TREE-2)."""
    if type(key) is not str or not key:
        raise DataError(f"tree key {key!r:.100} is not a text of at least one character")
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        raise DataError(f"tree key {key!r:.100} holds a lone surrogate") from None
    if length > MAX_KEY:
        raise DataError(f"tree key {key[:40]!r}… is {length:,} bytes long, over the limit of {MAX_KEY:,}")


def check_oid(key: str, oid: Oid) -> None:
    """Refuse what is not an oid, naming the key that it was meant for."""
    if type(oid) is not bytes or len(oid) != OID_BYTES:
        raise DataError(f"tree key {key!r:.100} maps to {oid!r:.100}, which is not an oid of {OID_BYTES} bytes")


def _check(pairs: list[tuple[str, Oid]]) -> None:
    keys, oids = [key for key, _ in pairs], [oid for _, oid in pairs]
    if set(map(type, keys)) != {str} or not "".join(keys).isascii() or max(map(len, keys)) > MAX_KEY:
        for key in keys:
            check_key(key)
    if set(map(type, oids)) != {bytes} or set(map(len, oids)) != {OID_BYTES}:
        for key, oid in pairs:
            check_oid(key, oid)
    if not keys[0]:
        check_key(keys[0])
    if not all(map(lt, keys, islice(keys, 1, None))):
        before, key = next((a, b) for a, b in pairwise(keys) if not a < b)
        raise DataError(f"tree key {key!r:.100} comes after {before!r:.100}: keys ascend, each once")
