"""What building, reading and updating share: where a node ends, its payload, its entries, its loading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from itertools import repeat
from typing import Final, NamedTuple, TypeAlias

from blake3 import blake3

from themis_vcs.errors import Corrupt, DataError
from themis_vcs.model import codec
from themis_vcs.model.objects import MAX_LEVEL, MAX_NODE_KEYS, TreeNode
from themis_vcs.model.oid import Oid, oid_of, split_oids

Load: TypeAlias = Callable[[Oid], TreeNode]
"""Gives the node of an oid, checked as `objects.load` checks it; raises ObjectNotFound or Corrupt."""

Entry: TypeAlias = tuple[str, Oid, int]
"""(key, oid, entries under it): at level 0 what a key maps to; above it a child and its last key."""

CONTEXT: Final = "themis_vcs 2026-11-23 tree key v1"
AVERAGE_KEYS: Final = 128

_THRESHOLD = (2**32 // AVERAGE_KEYS).to_bytes(4, "big")
_HASHERS = [blake3(bytes([level]), derive_key_context=CONTEXT) for level in range(MAX_LEVEL + 1)]


class Built(NamedTuple):
    """A tree's root, and by oid the payloads of its nodes that are new, children first."""

    root: Oid
    nodes: dict[Oid, bytes]


def is_end(level: int, key: str) -> bool:
    """Say whether a node at `level` ends after `key`, whatever else it holds (TREE-5)."""
    return _HASHERS[level].copy().update(key.encode()).digest(4) < _THRESHOLD


def cut(level: int, row: Sequence[Entry], inner: Set[str] = frozenset()) -> list[Sequence[Entry]]:
    """Split a row of entries, which begins where a node begins, after every end; the last part may lack one.

    Of the keys in `inner` it is known that they are no ends.
    """
    parts: list[Sequence[Entry]] = []
    start = 0
    fresh, threshold = _HASHERS[level].copy, _THRESHOLD
    for stop, (key, _, _) in enumerate(row, 1):
        # `is_end`, spelled out: the call would cost a quarter of the time of `build`.
        is_last = key not in inner and fresh().update(key.encode()).digest(4) < threshold
        if is_last or stop - start == MAX_NODE_KEYS:
            parts.append(row[start:stop])
            start = stop
    if start < len(row):
        parts.append(row[start:])
    return parts


def is_closed(level: int, part: Sequence[Entry]) -> bool:
    """Say whether the node of `part` ends by rule, and not only because nothing follows."""
    return len(part) == MAX_NODE_KEYS or is_end(level, part[-1][0])


def write(level: int, part: Sequence[Entry], nodes: dict[Oid, bytes]) -> Entry:
    """Add the node of `part` to `nodes` and return its entry for the level above."""
    keys, oids, counts = zip(*part, strict=True)
    node = TreeNode(level, list(keys), b"".join(oids), list(counts) if level else [])
    payload = codec.encode("tree", node)
    oid = oid_of(payload)
    nodes[oid] = payload
    return keys[-1], oid, sum(counts)


def climb(level: int, row: Sequence[Entry], nodes: dict[Oid, bytes]) -> Oid:
    """Write `level`, whose entries are `row`, and all above, to the first of one node: the root (TREE-7)."""
    while True:
        row = [write(level, part, nodes) for part in cut(level, row)]
        if len(row) == 1:
            return row[0][1]
        level += 1
        if level > MAX_LEVEL:
            raise DataError(f"these keys make a tree of more than {MAX_LEVEL + 1} levels")


def entries(node: TreeNode) -> Iterable[Entry]:
    """Return the entries of a node in the order of their keys."""
    return zip(node.keys, oids_of(node), node.counts if node.level else repeat(1), strict=False)


def oids_of(node: TreeNode) -> tuple[Oid, ...]:
    """Return the oids of a node in the order of its keys."""
    return split_oids(node.oids)


def load_child(load: Load, oid: Oid, level: int, last_key: str) -> TreeNode:
    """Return the node at `level` that its parent enters under `last_key`; Corrupt if it is not (TREE-10)."""
    node = load(oid)
    if node.level != level or node.keys[-1:] != [last_key]:
        raise Corrupt(f"tree node {oid.hex()} is not what its parent says: its level or its last key differ", oid=oid)
    return node


def _empty() -> tuple[Oid, bytes]:
    payload = codec.encode("tree", TreeNode(0, [], b""))
    return oid_of(payload), payload


EMPTY: Final = _empty()
"""(oid, payload) of the tree without keys."""
