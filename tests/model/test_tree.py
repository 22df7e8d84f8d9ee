"""Building trees and reading them (TREE-1 to TREE-11)."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.golden.reference import tree_root
from tests.model.strategies import oids, tree_keys
from tests.model.trees import Forest, ends, no_ends, numbered, oid_for
from themis_vcs.errors import Corrupt, DataError
from themis_vcs.model import codec, objects, tree
from themis_vcs.model.objects import TreeNode
from themis_vcs.model.oid import Oid, oid_of

A = bytes(32)


@given(st.dictionaries(tree_keys, oids, max_size=40))
def test_tree_holds_what_it_was_built_of(entries: dict[str, Oid]) -> None:
    """TREE-1"""
    forest = Forest()
    root = forest.plant(entries)
    assert list(tree.scan(root, forest.load)) == sorted(entries.items(), key=lambda entry: entry[0].encode())


@pytest.mark.parametrize("count", [0, 1, 2, 127, 128, 129, 1_000, 20_000])
def test_root_is_that_of_the_reference(count: int) -> None:
    """TREE-3 to TREE-8"""
    entries = numbered(count)
    assert tree.build(entries.items()).root == tree_root(entries)[0]


def test_every_order_of_making_gives_the_same_root() -> None:
    """TREE-1"""
    entries = numbered(3_000)
    keys = list(entries)
    random.Random(1).shuffle(keys)
    assert tree.build(sorted((key, entries[key]) for key in keys)).root == tree.build(entries.items()).root


def test_nodes_come_children_first() -> None:
    seen: set[Oid] = set()
    for oid, payload in tree.build(numbered(20_000).items()).nodes.items():
        node = objects.load(payload, TreeNode)
        assert oid_of(payload) == oid
        assert node.level == 0 or set(objects.references(node)) <= seen
        seen.add(oid)


def test_nodes_end_where_the_rule_says_and_nowhere_else() -> None:
    """TREE-5"""
    built = tree.build(numbered(20_000).items())
    nodes = [objects.load(payload, TreeNode) for payload in built.nodes.values()]
    leaves = [node for node in nodes if not node.level]
    assert all(tree.is_end(0, leaf.keys[-1]) or len(leaf.keys) == 512 for leaf in leaves[:-1])
    assert not any(tree.is_end(0, key) for leaf in leaves for key in leaf.keys[:-1])
    assert 100 < 20_000 / len(leaves) < 160


def test_keys_that_end_no_node_are_cut_at_512() -> None:
    """TREE-6"""
    keys = no_ends(1_500)
    built = tree.build((key, A) for key in keys)
    leaves = [objects.load(payload, TreeNode) for payload in built.nodes.values()]
    assert [len(leaf.keys) for leaf in leaves if not leaf.level] == [512, 512, 476]


def test_exactly_512_keys_without_an_end_are_one_node() -> None:
    """TREE-6, TREE-7"""
    assert len(tree.build((key, A) for key in no_ends(512)).nodes) == 1


def test_root_above_the_leaves_has_several_children() -> None:
    """TREE-7"""
    for count in range(1, 20):
        built = tree.build((key, A) for key in ends(count))
        root = objects.load(built.nodes[built.root], TreeNode)
        assert root.level == 0 or len(root.keys) > 1


def test_empty_tree_is_one_leaf_without_keys() -> None:
    """TREE-8"""
    assert tree.build([]) == tree.Built(tree.EMPTY[0], dict([tree.EMPTY]))
    assert oid_of(tree.EMPTY[1]) == tree.EMPTY[0]


@pytest.mark.parametrize(
    "entries",
    [
        [("b", A), ("a", A)],
        [("a", A), ("a", A)],
        [("", A)],
        [("a\ud800", A)],
        [("a" * 1025, A)],
        [("é" * 513, A)],
        [("a", A[1:])],
        [("a", A.hex())],
        [("a", None)],
        [(1, A)],
        [(b"a", A)],
        [("\U00010000", A), ("\uffff", A)],
    ],
    ids=lambda entries: repr(entries)[:40],
)
def test_entries_that_no_tree_can_hold_are_refused(entries: list[tuple[str, Oid]]) -> None:
    """TREE-2"""
    with pytest.raises(DataError):
        tree.build(entries)
    if len(entries) == 1 and entries[0][1] is not None:
        with pytest.raises(DataError):
            tree.update(tree.build([("x", A)]).root, dict(entries), Forest().load)


def test_longest_key_is_accepted() -> None:
    """TREE-2"""
    forest = Forest()
    entries = {"é" * 512: A, "a" * 1024: A}
    assert forest.contents(forest.plant(entries)) == entries


@given(st.dictionaries(tree_keys, oids, max_size=40), tree_keys)
def test_get_finds_what_is_there(entries: dict[str, Oid], other: str) -> None:
    forest = Forest()
    root = forest.plant(entries)
    assert {key: tree.get(root, key, forest.load) for key in entries} == entries
    assert tree.get(root, other, forest.load) == entries.get(other)


def test_get_loads_one_node_per_level() -> None:
    forest = Forest()
    root = forest.plant(numbered(20_000))
    levels = forest.load(root).level + 1
    for key in ("d/00000", "d/12345", "d/19999", "d/1234", "e", "a"):
        forest.forget()
        assert tree.get(root, key, forest.load) == (oid_for(key) if len(key) == 7 else None)
        assert forest.loads.total() <= levels


@pytest.mark.parametrize("prefix", ["", "d/", "d/0", "d/012", "d/01234", "d/19999", "d/2", "c", "e", "d/012345"])
def test_scan_yields_the_keys_that_begin_so(prefix: str) -> None:
    forest = Forest()
    entries = numbered(20_000)
    found = list(tree.scan(forest.plant(entries), forest.load, prefix))
    assert found == [(key, oid) for key, oid in entries.items() if key.startswith(prefix)]


@pytest.mark.parametrize("count", [3_000, 20_000])
def test_scan_of_a_prefix_loads_few_nodes(count: int) -> None:
    forest = Forest()
    root = forest.plant(numbered(count))
    levels = forest.load(root).level + 1
    forest.forget()
    prefix = f"d/{count - 400:05d}"[:-1]
    assert len(list(tree.scan(root, forest.load, prefix))) == 10
    assert forest.loads.total() <= levels + 1


def test_scan_loads_as_it_goes() -> None:
    forest = Forest()
    root = forest.plant(numbered(20_000))
    forest.forget()
    assert next(tree.scan(root, forest.load)) == ("d/00000", oid_for("d/00000"))
    assert forest.loads.total() <= 3


@pytest.mark.parametrize("count", [0, 1, 300, 20_000])
def test_size_is_known_from_the_root(count: int) -> None:
    """TREE-4"""
    forest = Forest()
    root = forest.plant(numbered(count))
    forest.forget()
    assert tree.size(root, forest.load) == count
    assert forest.loads.total() == 1


def lie(forest: Forest, root: Oid, change: Callable[[TreeNode], dict[str, object]]) -> Oid:
    """Keep another root node, in which something is not as it should be."""
    node = objects.load(forest.nodes[root], TreeNode)
    fields = {name: getattr(node, name) for name in node.__struct_fields__}
    payload = codec.encode("tree", TreeNode(**{**fields, **change(node)}))
    forest.nodes[oid_of(payload)] = payload
    return oid_of(payload)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda node: {"level": node.level + 1}, id="another level"),
        pytest.param(lambda node: {"keys": [*node.keys[:-1], node.keys[-1] + "x"]}, id="another last key"),
        pytest.param(lambda node: {"oids": node.oids[32:] + node.oids[:32]}, id="children in another order"),
        pytest.param(lambda node: {"oids": node.oids[:32] * len(node.keys)}, id="one child again and again"),
    ],
)
@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda root, load: list(tree.scan(root, load)), id="scan"),
        pytest.param(lambda root, load: tree.get(root, "d/02999", load), id="get"),
        pytest.param(lambda root, load: tree.diff(root, tree.EMPTY[0], load), id="diff"),
        pytest.param(lambda root, load: tree.update(root, {"d/02999": A}, load), id="update"),
    ],
)
def test_children_that_are_not_what_their_parent_says_are_noticed(
    change: Callable[[TreeNode], dict[str, object]], read: Callable[[Oid, tree.Load], object]
) -> None:
    """TREE-10"""
    forest = Forest()
    root = lie(forest, forest.plant(numbered(3_000)), change)
    with pytest.raises(Corrupt):
        read(root, forest.load)


def test_children_that_overlap_are_noticed() -> None:
    """TREE-10"""
    forest = Forest()
    leaves = [TreeNode(0, ["a", "c"], A * 2), TreeNode(0, ["b", "d"], A * 2)]
    payloads = [codec.encode("tree", leaf) for leaf in leaves]
    forest.nodes.update((oid_of(payload), payload) for payload in payloads)
    top = codec.encode("tree", TreeNode(1, ["c", "d"], b"".join(map(oid_of, payloads)), [2, 2]))
    forest.nodes[oid_of(top)] = top
    with pytest.raises(Corrupt, match="out of order"):
        list(tree.scan(oid_of(top), forest.load))


def test_tree_of_another_shape_is_found_by_building_it_anew() -> None:
    """TREE-11"""
    forest = Forest()
    halves = [TreeNode(0, ["a"], A), TreeNode(0, ["b"], A)]
    payloads = [codec.encode("tree", leaf) for leaf in halves]
    forest.nodes.update((oid_of(payload), payload) for payload in payloads)
    top = codec.encode("tree", TreeNode(1, ["a", "b"], b"".join(map(oid_of, payloads)), [1, 1]))
    forest.nodes[oid_of(top)] = top
    assert tree.build(tree.scan(oid_of(top), forest.load)).root != oid_of(top)


@given(st.dictionaries(tree_keys, oids, min_size=1, max_size=40), st.text(max_size=2))
def test_scan_agrees_with_a_dict(entries: dict[str, Oid], prefix: str) -> None:
    forest = Forest()
    found = list(tree.scan(forest.plant(entries), forest.load, prefix))
    assert found == sorted((key, oid) for key, oid in entries.items() if key.startswith(prefix))
    assert all(a < b for (a, _), (b, _) in pairwise(found))
