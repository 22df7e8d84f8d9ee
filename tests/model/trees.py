"""Trees kept in a dict, with a count of what is loaded from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from blake3 import blake3

from themis_vcs.errors import ObjectNotFound
from themis_vcs.model import objects, tree
from themis_vcs.model.objects import TreeNode
from themis_vcs.model.oid import Oid


def oid_for(text: str) -> Oid:
    return blake3(text.encode()).digest()


class Forest:
    """The nodes of any number of trees; `loads` counts how often each was read since `forget`."""

    def __init__(self) -> None:
        self.nodes: dict[Oid, bytes] = dict([tree.EMPTY])
        self.loads: Counter[Oid] = Counter()

    def load(self, oid: Oid) -> TreeNode:
        self.loads[oid] += 1
        if oid not in self.nodes:
            raise ObjectNotFound(oid)
        return objects.load(self.nodes[oid], TreeNode)

    def plant(self, entries: Mapping[str, Oid]) -> Oid:
        return self.keep(tree.build(sorted(entries.items())))

    def keep(self, built: tree.Built) -> Oid:
        self.nodes.update(built.nodes)
        return built.root

    def forget(self) -> None:
        self.loads.clear()

    def under(self, root: Oid) -> set[Oid]:
        """The oids of all nodes of a tree."""
        node = objects.load(self.nodes[root], TreeNode)
        found = {root}
        if node.level:
            for child in objects.references(node):
                found |= self.under(child)
        return found

    def contents(self, root: Oid) -> dict[str, Oid]:
        return dict(tree.scan(root, self.load))


def numbered(count: int) -> dict[str, Oid]:
    return {key: oid_for(key) for key in (f"d/{number:05d}" for number in range(count))}


def ends(count: int, level: int = 0) -> list[str]:
    """So many keys after which a node at `level` ends."""
    found = (key for number in range(10**9) if tree.is_end(level, key := f"e/{number:06d}"))
    return [next(found) for _ in range(count)]


def no_ends(count: int) -> list[str]:
    found = (key for number in range(10**9) if not tree.is_end(0, key := f"n/{number:06d}"))
    return [next(found) for _ in range(count)]
