"""Walking what objects refer to, children first. What is fetched, and from where, is for the caller to say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from themis_vcs.model.oid import Oid

T = TypeVar("T")


def children_first(
    roots: Iterable[Oid],
    fetch: Callable[[list[Oid]], Iterable[tuple[Oid, T]]],
    children: Callable[[T], Iterable[Oid]],
) -> Iterator[tuple[Oid, T]]:
    """Yield what the roots reach, each object once and after all that it refers to.

    `fetch` gives objects by their oids, in order; those that it leaves out are passed by, with what only they reach.
    Takes memory for one oid per object and one object per level.
    """
    seen: set[Oid] = set()

    def fetched(oids: Iterable[Oid]) -> Iterator[tuple[Oid, T]]:
        fresh = [oid for oid in dict.fromkeys(oids) if oid not in seen]
        return iter(fetch(fresh)) if fresh else iter(())

    stack: list[tuple[tuple[Oid, T] | None, Iterator[tuple[Oid, T]]]] = [(None, fetched(roots))]
    while stack:
        parent, below = stack[-1]
        item = next(below, None)
        if item is None:
            stack.pop()
            if parent is not None:
                yield parent
        elif item[0] not in seen:
            seen.add(item[0])
            stack.append((item, fetched(children(item[1]))))
