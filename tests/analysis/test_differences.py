from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_vcs.analysis.differences import Difference, differences

LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=2)
DATA = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({"a": 1}, {"a": 2}, [Difference("a", "changed", 1, 2)]),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": None}}, [Difference("a.c", "added", None, None)]),
        ({"a": [1, 2]}, {"a": [1]}, [Difference("a[1]", "removed", 2, None)]),
        ({"a": 1}, {"a": 1.0}, [Difference("a", "changed", 1, 1.0)]),
        ({"a": 1}, {"a": True}, [Difference("a", "changed", 1, True)]),
        ({"a": [1]}, {"a": {"b": 1}}, [Difference("a", "changed", [1], {"b": 1})]),
        ({"a": float("nan")}, {"a": float("nan")}, []),
        (1, 2, [Difference("", "changed", 1, 2)]),
    ],
)
def test_the_leaves_that_differ_are_named_by_their_path(old: Any, new: Any, found: list[Difference]) -> None:
    assert differences(old, new) == found


def test_members_with_an_id_are_compared_by_it() -> None:
    old = {"metrics": [{"id": "f1", "version": "1"}, {"id": "em", "version": "1"}]}
    new = {"metrics": [{"id": "em", "version": "2"}, {"id": "rouge", "version": "1"}]}
    assert [(each.path, each.kind) for each in differences(old, new)] == [
        ("metrics[f1]", "removed"),
        ("metrics[em].version", "changed"),
        ("metrics[rouge]", "added"),
    ]


@given(DATA)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    assert differences(value, value) == []


@given(DATA, DATA)
def test_the_other_direction_finds_the_same_places(old: Any, new: Any) -> None:
    mirror = {"added": "removed", "removed": "added", "changed": "changed"}
    there = {(each.path, each.kind) for each in differences(old, new)}
    assert {(each.path, mirror[each.kind]) for each in differences(new, old)} == there
