"""Reading a store: tree nodes and domain values, cached, and counted. Nothing is written here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from themis_vcs.evaluation.values import VALUE_TYPES, restore
from themis_vcs.model import tree
from themis_vcs.model.objects import TreeNode, Value, load
from themis_vcs.model.oid import Oid
from themis_vcs.store.repository import Repository

_NODES = 512
_VALUES = 2_048


class Reader:
    """A cached view of a store. `nodes_read` counts the tree nodes that were fetched from it."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.nodes_read = 0
        self._nodes: dict[Oid, TreeNode] = {tree.EMPTY[0]: load(tree.EMPTY[1], TreeNode)}
        self._values: dict[Oid, Any] = {}

    def node(self, oid: Oid) -> TreeNode:
        """A tree node; the `load` of the functions in `model.tree`."""
        found = self._nodes.get(oid)
        if found is None:
            found = load(self._payload(oid), TreeNode)
            _remember(self._nodes, oid, found, _NODES)
        return found

    def value(self, oid: Oid) -> Any:
        """A domain value, such as a `Case` or a `ParsedOutput`; plain data for types that have no class."""
        found = self._values.get(oid)
        if found is None:
            found = _domain(load(self._payload(oid), Value))
            _remember(self._values, oid, found, _VALUES)
        return found

    def fetch(self, oids: Iterable[Oid]) -> None:
        """Read the values that are not at hand, in one pass over the store."""
        absent = [oid for oid in dict.fromkeys(oids) if oid not in self._values]
        for oid, payload in self.repository.read_many(absent):
            _remember(self._values, oid, _domain(load(payload, Value)), _VALUES)

    def diff(self, old: Oid, new: Oid) -> list[tree.Change]:
        """What differs between two trees."""
        return tree.diff(old, new, self.node)

    def scan(self, root: Oid, prefix: str = "") -> Iterator[tuple[str, Oid]]:
        """The entries of a tree in the order of their keys."""
        return tree.scan(root, self.node, prefix)

    def find(self, root: Oid, key: str) -> Oid | None:
        """What a tree holds under a key."""
        return tree.get(root, key, self.node)

    def size(self, root: Oid) -> int:
        """The number of entries of a tree."""
        return tree.size(root, self.node)

    def _payload(self, oid: Oid) -> bytes:
        self.nodes_read += 1
        return self.repository.read(oid)


def _domain(stored: Value) -> Any:
    return restore(stored.type, stored.data) if stored.type in VALUE_TYPES else stored.data


def _remember(cache: dict[Oid, Any], oid: Oid, value: Any, limit: int) -> None:
    if len(cache) >= limit:
        for old in list(cache)[: limit // 4]:
            del cache[old]
    cache[oid] = value
