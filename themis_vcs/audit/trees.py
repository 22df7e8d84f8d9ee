"""Trees as an auditor reads them: entry by entry, and whether each node is what its parent states and its keys make it.

After docs/reference/format/tree.md (TREE); nothing of `model.tree` is used.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

from blake3 import blake3

from themis_vcs.audit.evidence import Evidence

KEY_CONTEXT: Final = "themis_vcs 2026-11-23 tree key v1"
MOST_KEYS: Final = 512
LONGEST: Final = 1024
_ENDS_BELOW: Final = 2**25
_HIGHEST: Final = 31
_KEPT: Final = 64
_KEY = blake3(derive_key_context=KEY_CONTEXT)


def entries(evidence: Evidence, root: bytes) -> Iterator[tuple[str, bytes]]:
    """(key, oid) of every entry in the order of the keys, of a tree that was found whole. Unreadable if it is not."""
    stack = [root]
    while stack:
        body = evidence.body(stack.pop(), "tree")
        oids = split(body["oids"])
        if body["level"]:
            stack.extend(reversed(oids))
        else:
            yield from zip(body["keys"], oids, strict=True)


class Finder:
    """Looks single keys up in a tree that was found whole; the nodes that were read last are kept."""

    def __init__(self, evidence: Evidence, root: bytes) -> None:
        self._evidence, self._root = evidence, root
        self._kept: dict[bytes, dict[str, Any]] = {}

    def find(self, key: str) -> bytes | None:
        """What the tree has under a key."""
        oid = self._root
        while True:
            body = self._node(oid)
            at = bisect_left(body["keys"], key)
            if at == len(body["keys"]):
                return None
            oid = body["oids"][32 * at : 32 * at + 32]
            if not body["level"]:
                return oid if body["keys"][at] == key else None

    def _node(self, oid: bytes) -> dict[str, Any]:
        found = self._kept.get(oid)
        if found is None:
            if len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            found = self._kept[oid] = self._evidence.body(oid, "tree")
        return found


def split(oids: bytes) -> list[bytes]:
    """The oids that lie end to end."""
    return [oids[at : at + 32] for at in range(0, len(oids), 32)]


def node_problem(body: dict[str, Any]) -> str | None:
    """What is wrong with a node by itself (TREE-3, TREE-8)."""
    level, keys, counts = body["level"], body["keys"], body["counts"]
    if any(type(key) is not str or not 1 <= len(key.encode()) <= LONGEST for key in keys):
        return f"a key is no text of 1 to {LONGEST:,} bytes"
    rules = (
        (level <= _HIGHEST, f"level {level}"),
        (len(keys) <= MOST_KEYS, f"{len(keys)} keys"),
        (all(one < other for one, other in pairwise(keys)), "its keys do not ascend"),
        (len(body["oids"]) == 32 * len(keys), "it has not one oid for each key"),
        (len(counts) == (len(keys) if level else 0), "it has not one count for each child"),
        (all(type(each) is int and each >= 0 for each in counts), "a count is none"),
        (bool(keys) or not level, "no keys above level 0"),
    )
    return next((wrong for holds, wrong in rules if not holds), None)


class Node(NamedTuple):
    """What is known of a node that was looked at: its level, its first and last key, the entries under it, and whether
    it ends where nodes of its level do.
    """

    level: int
    first: str
    last: str
    below: int
    ends: bool


class Stated(NamedTuple):
    """What is stated of a node from above: the key before it, and whether it is the last of its level.

    Of a root, nothing is stated: its level is None.
    """

    level: int | None = None
    after: str = ""
    key: str = ""
    below: int = 0
    last: bool = True


def node_of(body: dict[str, Any]) -> Node | str:
    """A node's own facts, or what is wrong with it by itself (TREE-3, TREE-5, TREE-8)."""
    wrong = node_problem(body)
    if wrong:
        return wrong
    level, keys = body["level"], body["keys"]
    early = next((key for key in keys[:-1] if _is_end(level, key)), None)
    if early is not None:
        return f"it should have ended after {early!r:.200}"
    if not keys:
        return Node(0, "", "", 0, True)
    count = sum(body["counts"]) if level else len(keys)
    return Node(level, keys[0], keys[-1], count, len(keys) == MOST_KEYS or _is_end(level, keys[-1]))


def misplaced(node: Node, stated: Stated) -> str | None:
    """What is wrong with a node in its place (TREE-4, TREE-6, TREE-7, TREE-10); a root has none above it."""
    if stated.level is None:
        return "a root above level 0 with one entry" if node.level and node.first == node.last else None
    if (node.level, node.last, node.below) != (stated.level, stated.key, stated.below):
        return f"not the child that its parent states at {stated.key!r:.200}"
    if node.first <= stated.after:
        return f"its keys do not come after {stated.after!r:.200}"
    if not stated.last and not node.ends:
        return f"it should not have ended after {node.last!r:.200}"
    return None


def children(body: dict[str, Any], stated: Stated) -> list[tuple[bytes, Stated]]:
    """The children of a node above level 0, with what it states of them."""
    keys, end = body["keys"], len(body["keys"]) - 1
    before = [stated.after, *keys]
    return [
        (oid, Stated(body["level"] - 1, before[at], keys[at], body["counts"][at], stated.last and at == end))
        for at, oid in enumerate(split(body["oids"]))
    ]


def _is_end(level: int, key: str) -> bool:
    hasher = _KEY.copy()
    hasher.update(bytes([level]) + key.encode())
    return int.from_bytes(hasher.digest(length=4), "big") < _ENDS_BELOW
