"""A walk gives what somebody lacks, each once and after all that it refers to, however things refer to each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_vcs.model.oid import Oid
from themis_vcs.store import walk
from themis_vcs.store.walk import Walk


class World:
    """Objects by number, each of which refers to some with lower numbers, and somebody who has the first `there`."""

    def __init__(self, graph: Sequence[Sequence[int]], there: int) -> None:
        self.graph = {_oid(number): [_oid(each) for each in below] for number, below in enumerate(graph)}
        self.there = {_oid(number) for number in range(there)}
        self.taken: list[Oid] = []
        self.asked: list[Oid] = []
        self.fetched: list[Oid] = []

    def fetch(self, oids: Sequence[Oid]) -> Iterator[tuple[Oid, Sequence[Oid], Oid]]:
        self.fetched += oids
        for oid in oids:
            yield oid, self.graph[oid], oid

    def missing(self, oids: Sequence[Oid]) -> list[Oid]:
        self.asked += oids
        return [oid for oid in oids if oid not in self.there and oid not in self.taken]

    def reached(self, roots: Sequence[int]) -> set[Oid]:
        """What the roots reach and is lacking."""
        found: set[Oid] = set()
        stack = [_oid(root) for root in roots]
        while stack:
            oid = stack.pop()
            if oid not in found and oid not in self.there:
                found.add(oid)
                stack += self.graph[oid]
        return found


def _oid(number: int) -> Oid:
    return number.to_bytes(32, "big")


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[list[int]], int, list[list[int]]]:
    """References, how many are there, and the roots of two calls."""
    size = draw(st.integers(1, 24))
    graph = [draw(st.lists(st.integers(0, number - 1), max_size=5)) if number else [] for number in range(size)]
    roots = st.lists(st.integers(0, size - 1), max_size=4)
    return graph, draw(st.integers(0, size - 1)), [draw(roots), draw(roots)]


@pytest.mark.parametrize("batch", [1, 2, 3, 4_096])
@pytest.mark.parametrize("remembered", [None, 1, 5])
@settings(max_examples=300)
@given(made=worlds())
def test_each_comes_once_and_after_what_it_refers_to(
    made: tuple[list[list[int]], int, list[list[int]]], batch: int, remembered: int | None
) -> None:
    graph, there, calls = made
    world = World(graph, there)
    walked: Walk[Oid] = Walk(world.fetch, world.missing, remembered)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walk, "BATCH", batch)
        for roots in calls:
            for oid in walked.reach([_oid(root) for root in roots]):
                assert world.there.union(world.taken).issuperset(world.graph[oid])
                world.taken.append(oid)
    assert len(set(world.taken)) == len(world.taken)
    assert len(set(world.fetched)) == len(world.fetched)
    assert set(world.taken) == world.reached([root for roots in calls for root in roots])


def test_what_is_remembered_is_asked_about_once() -> None:
    world = World([[], [0], [0, 1], [0, 1, 2]], 1)
    walked: Walk[Oid] = Walk(world.fetch, world.missing)
    world.taken += walked.reach([_oid(3)])
    assert list(walked.reach([_oid(3), _oid(2)])) == []
    assert sorted(world.asked) == [_oid(number) for number in range(4)]


def test_leaves_are_fetched_once_each_whoever_refers_to_them() -> None:
    many = list(range(100))
    world = World([*([] for _ in many), many, many, [100, 101]], 0)
    world.taken += Walk(world.fetch, world.missing).reach([_oid(102)])
    assert len(world.taken) == len(world.fetched) == 103
