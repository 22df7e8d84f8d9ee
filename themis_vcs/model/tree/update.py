"""Changing some entries of a tree, at the cost of the nodes that they touch."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from themis_vcs.model import objects
from themis_vcs.model.objects import TreeNode
from themis_vcs.model.oid import OID_BYTES, Oid
from themis_vcs.model.tree.build import build, check_key, check_oid
from themis_vcs.model.tree.node import (
    EMPTY,
    Built,
    Entry,
    Load,
    climb,
    cut,
    entries,
    is_closed,
    load_child,
    write,
)

_Changes: TypeAlias = dict[str, Entry | None]


def update(root: Oid, changes: Mapping[str, Oid | None], load: Load) -> Built:
    """Return the tree of `root` with `changes` made: key → its new oid, or None to remove it.

    `nodes` of the result has only nodes that the tree did not have. Removing an absent key changes nothing.
    Raises DataError for keys and oids that no tree can hold.
    """
    for key, oid in changes.items():
        check_key(key)
        if oid is not None:
            check_oid(key, oid)
    if root == EMPTY[0]:
        return build(sorted((key, oid) for key, oid in changes.items() if oid is not None))
    old = _OldTree(root, load)
    pending: _Changes = {key: None if oid is None else (key, oid, 1) for key, oid in changes.items()}
    nodes: dict[Oid, bytes] = {}
    for level in range(old.top.level + 1):
        removed, added = _rewrite(old, level, pending, nodes)
        pending = {key: None for key in removed}
        pending.update((entry[0], entry) for entry in added)
        pending = {key: entry for key, entry in pending.items() if removed.get(key) != entry}
        if not pending:
            return Built(root, {})
    return _finish(old, added, nodes)


class _OldTree:
    """The tree before the change; each node is loaded at most once."""

    def __init__(self, root: Oid, load: Load) -> None:
        self.top = load(root)
        self._root, self._load = root, load
        self.loaded: dict[Oid, TreeNode] = {root: self.top}

    def node(self, oid: Oid, level: int, last_key: str) -> TreeNode:
        """Return a node that its parent enters under `last_key`."""
        if oid not in self.loaded:
            self.loaded[oid] = load_child(self._load, oid, level, last_key)
        return self.loaded[oid]

    def covering(self, level: int, key: str) -> tuple[Entry, TreeNode, bool]:
        """Return the node at `level` that holds `key` or would: its entry, itself, whether it is the last.

        That is the first node whose last key is not before `key`, or the last of all.
        """
        return self._descend(level, lambda keys: bisect_left(keys, key))

    def after(self, level: int, key: str) -> tuple[Entry, TreeNode, bool]:
        """Return the node at `level` that follows the one whose last key is `key`, as `covering` does."""
        return self._descend(level, lambda keys: bisect_right(keys, key))

    def _descend(self, level: int, position: Callable[[Sequence[str]], int]) -> tuple[Entry, TreeNode, bool]:
        node, last = self.top, True
        entry = (node.keys[-1], self._root, sum(node.counts) if node.level else len(node.keys))
        while node.level > level:
            at = min(position(node.keys), len(node.keys) - 1)
            last = last and at == len(node.keys) - 1
            oid = node.oids[OID_BYTES * at : OID_BYTES * (at + 1)]
            entry = (node.keys[at], oid, node.counts[at])
            node = self.node(oid, node.level - 1, entry[0])
        return entry, node, last


def _rewrite(
    old: _OldTree, level: int, changes: _Changes, nodes: dict[Oid, bytes]
) -> tuple[dict[str, Entry], list[Entry]]:
    """Write anew the nodes of `level` that `changes` touch; return the entries of those replaced and written.

    What follows the last end in a rewritten node is carried into its successor, until an end falls on the end
    of an old node: from there on the old nodes stand.
    """
    keys = sorted(changes)
    removed: dict[str, Entry] = {}
    added: list[Entry] = []
    at = 0
    while at < len(keys):
        entry, node, last = old.covering(level, keys[at])
        carried: Sequence[Entry] = []
        inner: set[str] = set()
        while True:
            removed[entry[0]] = entry
            stop = len(keys) if last else bisect_right(keys, entry[0], at)
            inner.update(node.keys[:-1])
            parts = cut(level, [*carried, *_merged(node, keys[at:stop], changes)], inner)
            at = stop
            carried = [] if last or not parts or is_closed(level, parts[-1]) else parts.pop()
            added += [write(level, part, nodes) for part in parts]
            if not carried:
                break
            entry, node, last = old.after(level, entry[0])
    return removed, added


def _merged(node: TreeNode, keys: Iterable[str], changes: _Changes) -> list[Entry]:
    """Return the entries of a node with the changes of `keys` made, in order."""
    merged: dict[str, Entry] = {entry[0]: entry for entry in entries(node)}
    for key in keys:
        entry = changes[key]
        if entry is None:
            merged.pop(key, None)
        else:
            merged[key] = entry
    return [merged[key] for key in sorted(merged)]


def _finish(old: _OldTree, row: list[Entry], nodes: dict[Oid, bytes]) -> Built:
    """Build what is missing above the nodes that replace the old root, or remove what has become too high."""
    if not row:
        return Built(EMPTY[0], dict([EMPTY]))
    if len(row) > 1:
        root = climb(old.top.level + 1, row, nodes)
    else:
        last_key, root, _ = row[0]
        node = objects.load(nodes[root], TreeNode)
        while node.level and len(node.keys) == 1:
            nodes.pop(root, None)
            root = node.oids
            node = objects.load(nodes[root], TreeNode) if root in nodes else old.node(root, node.level - 1, last_key)
    return Built(root, {oid: payload for oid, payload in nodes.items() if oid not in old.loaded})
