"""Updating gives the tree that building would give (TREE-1), at the cost of what changes (TREE-12)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.model.entries import ENDS, NO_ENDS, applied, few_keys, outcomes
from tests.model.trees import Forest, numbered, oid_for
from themis_vcs.model import tree
from themis_vcs.model.oid import Oid


def check_update(entries: dict[str, Oid], changes: dict[str, Oid | None]) -> None:
    forest = Forest()
    root = forest.plant(entries)
    before = forest.under(root)
    updated = tree.update(root, changes, forest.load)
    expected = tree.build(sorted(applied(entries, changes).items()))
    assert updated.root == expected.root
    assert set(updated.nodes) - {tree.EMPTY[0]} == set(expected.nodes) - before - {tree.EMPTY[0]}
    assert all(count == 1 for count in forest.loads.values())


@given(
    st.dictionaries(few_keys, st.sampled_from([oid_for(text) for text in "abc"]), max_size=120),
    st.dictionaries(few_keys, outcomes, max_size=30),
)
def test_update_gives_the_tree_of_the_changed_dict(entries: dict[str, Oid], changes: dict[str, Oid | None]) -> None:
    """TREE-1"""
    check_update(entries, changes)


@given(st.data())
@settings(max_examples=15)
def test_update_where_only_the_cap_ends_nodes(data: st.DataObject) -> None:
    """TREE-6"""
    entries = {key: oid_for("a") for key in NO_ENDS}
    gone = data.draw(st.sets(st.sampled_from(NO_ENDS), max_size=5))
    inserted = data.draw(st.sets(st.sampled_from(NO_ENDS).map(lambda key: key + "x"), max_size=5))
    check_update(entries, {**dict.fromkeys(gone), **{key: oid_for("b") for key in inserted}})


@pytest.mark.parametrize("seed", range(6))
def test_large_updates_give_the_tree_of_the_changed_dict(seed: int) -> None:
    """TREE-1"""
    draw = random.Random(seed)
    entries = numbered(6_000)
    changes: dict[str, Oid | None] = {}
    for key in draw.sample(sorted(entries), draw.choice([1, 10, 1_000, 6_000])):
        changes[key] = draw.choice([None, oid_for("new")])
    changes.update((f"{key}/{draw.randrange(9)}", oid_for("b")) for key in draw.sample(sorted(entries), 200))
    check_update(entries, changes)


@pytest.mark.parametrize(
    ("entries", "changes"),
    [
        pytest.param({}, {}, id="nothing in nothing"),
        pytest.param({}, {"a": None}, id="removal from nothing"),
        pytest.param(numbered(5), dict.fromkeys(numbered(5)), id="removal of all"),
        pytest.param(numbered(6_000), dict.fromkeys(numbered(6_000)), id="removal of all of several levels"),
        pytest.param(numbered(6_000), dict.fromkeys(list(numbered(6_000))[1:]), id="removal of all but the first"),
        pytest.param(numbered(6_000), dict.fromkeys(list(numbered(6_000))[:-1]), id="removal of all but the last"),
        pytest.param({}, numbered(6_000), id="all into nothing"),
        pytest.param(numbered(300), {"a": oid_for("a")}, id="before the first"),
        pytest.param(numbered(6_000), {"z": oid_for("a")}, id="after the last"),
        pytest.param({key: oid_for("a") for key in ENDS}, {"z": oid_for("a")}, id="after an end"),
        pytest.param({key: oid_for("a") for key in ENDS}, dict.fromkeys(ENDS[::2]), id="removal of ends"),
    ],
)
def test_update_at_the_edges(entries: dict[str, Oid], changes: dict[str, Oid | None]) -> None:
    """TREE-1, TREE-7, TREE-8"""
    check_update(entries, changes)


@pytest.mark.parametrize("changes", [{}, {"d/00001": oid_for("d/00001")}, {"absent": None}], ids=str)
def test_update_that_changes_nothing_makes_no_node(changes: dict[str, Oid | None]) -> None:
    forest = Forest()
    root = forest.plant(numbered(1_000))
    assert tree.update(root, changes, forest.load) == tree.Built(root, {})


def test_update_of_one_key_loads_and_writes_one_node_per_level() -> None:
    """TREE-12"""
    forest = Forest()
    root = forest.plant(numbered(20_000))
    levels = forest.load(root).level + 1
    forest.forget()
    updated = tree.update(root, {"d/12345": oid_for("new")}, forest.load)
    assert (forest.loads.total(), len(updated.nodes)) == (levels, levels)


def test_update_of_a_node_that_the_cap_ended_leaves_its_neighbours_alone() -> None:
    """TREE-6, TREE-12"""
    forest = Forest()
    root = forest.plant({key: oid_for("a") for key in NO_ENDS})
    updated = tree.update(root, {NO_ENDS[0]: oid_for("b")}, forest.load)
    assert (forest.loads.total(), len(updated.nodes)) == (2, 2)


class Orders(RuleBasedStateMachine):
    """Any order of insertions and deletions, in groups of any size, against a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.forest = Forest()
        self.root = tree.EMPTY[0]
        self.entries: dict[str, Oid] = {}

    @rule(changes=st.dictionaries(few_keys, outcomes, max_size=25))
    def change(self, changes: dict[str, Oid | None]) -> None:
        self.root = self.forest.keep(tree.update(self.root, changes, self.forest.load))
        self.entries = applied(self.entries, changes)

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        keys = data.draw(st.sets(st.sampled_from(sorted(self.entries)), min_size=1))
        self.root = self.forest.keep(tree.update(self.root, dict.fromkeys(keys), self.forest.load))
        self.entries = {key: oid for key, oid in self.entries.items() if key not in keys}

    @invariant()
    def root_depends_on_the_entries_alone(self) -> None:
        assert self.root == tree.build(sorted(self.entries.items())).root

    @invariant()
    def entries_are_all_there(self) -> None:
        assert self.forest.contents(self.root) == self.entries


TestOrders = Orders.TestCase
TestOrders.settings = settings(max_examples=30, stateful_step_count=12, deadline=None)
