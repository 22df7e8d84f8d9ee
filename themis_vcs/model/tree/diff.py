"""What differs between two trees, found in the branches that differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from themis_vcs.model.objects import TreeNode
from themis_vcs.model.oid import Oid
from themis_vcs.model.tree.node import Load, load_child, oids_of


class Change(NamedTuple):
    """What one key maps to on each side; None where it is absent."""

    key: str
    old: Oid | None
    new: Oid | None


def diff(a: Oid, b: Oid, load: Load) -> list[Change]:
    """Return what changes from tree `a` to tree `b`, by ascending key.

    Loads the two roots and then, level by level, only nodes that one tree has and the other has not.
    """
    if a == b:
        return []
    left, right = _Side(a, load), _Side(b, load)
    for level in reversed(range(max(left.level, right.level))):
        left.descend(level)
        right.descend(level)
        for oid in left.nodes.keys() & right.nodes.keys():
            del left.nodes[oid], right.nodes[oid]
    return sorted(_changes(left, right))


class _Side:
    """One tree, seen as the nodes of its current level that the other tree has not: oid → last key."""

    def __init__(self, root: Oid, load: Load) -> None:
        self._root, self._top, self._load = root, load(root), load
        self.level = self._top.level
        self.nodes = {root: ""}

    def descend(self, level: int) -> None:
        """Go from the nodes one level above to their children; a tree that is not so high stays."""
        if self.level > level:
            self.nodes = {oid: key for node in self.loaded() for key, oid in zip(node.keys, oids_of(node), strict=True)}
            self.level = level

    def loaded(self) -> Iterator[TreeNode]:
        for oid, key in self.nodes.items():
            yield self._top if oid == self._root else load_child(self._load, oid, self.level, key)


def _changes(left: _Side, right: _Side) -> list[Change]:
    """Compare the leaves that are left, in pairs where both sides have the same keys, else by key."""
    changes: list[Change] = []
    old: dict[str, Oid] = {}
    new: dict[str, Oid] = {}
    theirs = {tuple(node.keys[-1:]): node for node in right.loaded()}
    for node in left.loaded():
        twin = theirs.get(tuple(node.keys[-1:]))
        if twin is not None and twin.keys == node.keys:
            del theirs[tuple(node.keys[-1:])]
            rows = zip(node.keys, oids_of(node), oids_of(twin), strict=True)
            changes += [Change(key, before, after) for key, before, after in rows if before != after]
        else:
            old.update(zip(node.keys, oids_of(node), strict=True))
    for node in theirs.values():
        new.update(zip(node.keys, oids_of(node), strict=True))
    changes += [Change(key, oid, new.get(key)) for key, oid in old.items() if new.get(key) != oid]
    changes += [Change(key, None, new[key]) for key in new.keys() - old.keys()]
    return changes
