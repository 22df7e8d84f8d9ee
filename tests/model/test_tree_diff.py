"""The difference of two trees is that of two dicts, and reads only the branches that differ (TREE-12)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.entries import applied, few_keys, outcomes
from tests.model.trees import Forest, numbered, oid_for
from themis_vcs.model import tree
from themis_vcs.model.oid import Oid
from themis_vcs.model.tree import Change

few = st.dictionaries(few_keys, st.sampled_from([oid_for(text) for text in "ab"]), max_size=100)


def of_dicts(old: dict[str, Oid], new: dict[str, Oid]) -> list[Change]:
    keys = sorted(old.keys() | new.keys())
    return [Change(key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)]


def check_diff(old: dict[str, Oid], new: dict[str, Oid]) -> Forest:
    """Compare both ways, and check that no node is read that both trees have, nor any twice."""
    forest = Forest()
    a, b = forest.plant(old), forest.plant(new)
    unequal = forest.under(a) ^ forest.under(b)
    for left, right, expected in ((a, b, of_dicts(old, new)), (b, a, of_dicts(new, old))):
        forest.forget()
        assert tree.diff(left, right, forest.load) == expected
        assert set(forest.loads) <= unequal | {a, b}
        assert all(count == 1 for count in forest.loads.values())
    return forest


@given(few, few)
def test_difference_is_that_of_two_dicts(old: dict[str, Oid], new: dict[str, Oid]) -> None:
    check_diff(old, new)


@given(few, st.dictionaries(few_keys, outcomes, max_size=3))
def test_difference_after_a_small_change_is_that_change(old: dict[str, Oid], changes: dict[str, Oid | None]) -> None:
    check_diff(old, applied(old, changes))


@pytest.mark.parametrize("count", [1, 10, 500])
@pytest.mark.parametrize("seed", range(2))
def test_difference_of_large_trees(count: int, seed: int) -> None:
    draw = random.Random(seed)
    old = numbered(10_000)
    chosen = draw.sample(sorted(old), count)
    changes: dict[str, Oid | None] = {key: draw.choice([None, oid_for("new")]) for key in chosen}
    check_diff(old, applied(old, changes))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param({}, numbered(1), id="nothing and one"),
        pytest.param({}, numbered(6_000), id="nothing and several levels"),
        pytest.param(numbered(10), numbered(6_000), id="one leaf and several levels"),
        pytest.param(numbered(5_990), numbered(6_000), id="ten more at the end"),
        pytest.param(numbered(2_000), {"x" + key: oid for key, oid in numbered(2_000).items()}, id="nothing common"),
    ],
)
def test_difference_of_trees_of_any_height(old: dict[str, Oid], new: dict[str, Oid]) -> None:
    check_diff(old, new)


def test_equal_roots_need_no_reading() -> None:
    forest = Forest()
    root = forest.plant(numbered(1_000))
    forest.forget()
    assert tree.diff(root, root, forest.load) == []
    assert not forest.loads


def test_one_changed_entry_costs_one_node_per_level_and_side() -> None:
    """TREE-12"""
    old = numbered(20_000)
    forest = check_diff(old, {**old, "d/12345": oid_for("new")})
    levels = forest.load(forest.plant(old)).level + 1
    forest.forget()
    tree.diff(forest.plant(old), forest.plant({**old, "d/12345": oid_for("new")}), forest.load)
    assert forest.loads.total() == 2 * levels
