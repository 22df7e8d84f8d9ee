"""Looking up, listing and counting the entries of a tree."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from themis_vcs.errors import Corrupt
from themis_vcs.model.oid import OID_BYTES, Oid
from themis_vcs.model.tree.node import Load, load_child, oids_of


def get(root: Oid, key: str, load: Load) -> Oid | None:
    """Return what `key` maps to, or None; loads one node per level."""
    node = load(root)
    while True:
        at = bisect_left(node.keys, key)
        if at == len(node.keys):
            return None
        oid = node.oids[at * OID_BYTES : (at + 1) * OID_BYTES]
        if not node.level:
            return oid if node.keys[at] == key else None
        node = load_child(load, oid, node.level - 1, node.keys[at])


def scan(root: Oid, load: Load, prefix: str = "") -> Iterator[tuple[str, Oid]]:
    """Yield (key, oid) of all keys that begin with `prefix`, ascending; loads only nodes that may hold some.

    Raises Corrupt where keys do not ascend from one node to the next.
    """
    last = ""
    # Nodes to visit with the position to go on from, the deepest last.
    path = [(top := load(root), bisect_left(top.keys, prefix))]
    while path:
        node, at = path.pop()
        if not node.level:
            if node.keys and not last < node.keys[0]:
                raise Corrupt(f"tree {root.hex()} holds the key {node.keys[0]!r:.100} out of order", oid=root)
            for key, oid in zip(node.keys[at:], oids_of(node)[at:], strict=True):
                if not key.startswith(prefix):
                    return
                yield key, oid
            last = node.keys[-1] if node.keys else last
        elif at < len(node.keys):
            oid = node.oids[at * OID_BYTES : (at + 1) * OID_BYTES]
            child = load_child(load, oid, node.level - 1, node.keys[at])
            path.append((node, at + 1))
            path.append((child, bisect_left(child.keys, prefix)))


def size(root: Oid, load: Load) -> int:
    """Return the number of keys in a tree; loads the root alone."""
    node = load(root)
    return sum(node.counts) if node.level else len(node.keys)
