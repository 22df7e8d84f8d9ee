"""Walking what objects refer to, from roots downwards, past what somebody has already.

What is fetched, and from where, is for the caller to say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set
from itertools import chain, filterfalse
from typing import Final, Generic, TypeVar

from themis_vcs.model.oid import Oid

BATCH: Final = 4_096

T = TypeVar("T")


Fetch = Callable[[Sequence[Oid]], Iterable[tuple[Oid, Sequence[Oid], T]]]
"""From oids to these objects: of each its oid, the oids that it refers to, and what is to be yielded."""
Missing = Callable[[Sequence[Oid]], list[Oid]]


class Walk(Generic[T]):
    """Yields objects that somebody lacks, each once and after all that it refers to.

    `missing` says which of some oids are lacking, `fetch` gives these objects. Both are called for many at a time, so
    that a level costs few round trips. The deepest are taken first, so memory is bounded: what waits for others is
    about a batch per level, with the oids that it refers to. An oid is remembered until at least `remembered` others
    have come; one that was forgotten is asked about again. `there` are objects that are known not to be lacking.
    """

    def __init__(
        self, fetch: Fetch[T], missing: Missing, remembered: int | None = None, there: Set[Oid] = frozenset()
    ) -> None:
        self._fetch, self._missing, self._remembered = fetch, missing, remembered
        self._there: set[Oid] = set()
        self._there_before: Set[Oid] = there
        self._lacking: set[Oid] = set()

    def reach(self, roots: Iterable[Oid]) -> Iterator[T]:
        """Yield what the roots reach and is lacking. What it yields is to be taken before the next call."""
        stack = self._ask(roots)[::-1]
        # Objects, and how high the stack is when all that they refer to has been given.
        waiting: list[tuple[int, dict[Oid, T]]] = []
        while stack or waiting:
            floor = waiting[-1][0] if waiting else 0
            if len(stack) == floor:
                items = waiting.pop()[1]
                yield from (item for oid, item in items.items() if oid in self._lacking)
                self._note(items)
                continue
            start = max(floor, len(stack) - BATCH)
            batch = [oid for oid in reversed(stack[start:]) if oid in self._lacking]
            del stack[start:]
            alone: list[Oid] = []
            above: list[tuple[Oid, Sequence[Oid], T]] = []
            for oid, found, item in self._fetch(batch):
                if found:
                    above.append((oid, found, item))
                else:
                    yield item
                    alone.append(oid)
            self._note(alone)
            self._ask(chain.from_iterable(found for _, found, _ in above))
            for items, below in reversed(list(self._groups(above))):
                waiting.append((len(stack), items))
                stack.extend(reversed(below))

    def _groups(self, above: Iterable[tuple[Oid, Sequence[Oid], T]]) -> Iterator[tuple[dict[Oid, T], dict[Oid, None]]]:
        """Yield objects in groups, with what they refer to and is lacking: about as much as is fetched at a time.

        That may wait already, further down: it is fetched again then, and given before these.
        """
        items: dict[Oid, T] = {}
        below: dict[Oid, None] = {}
        for oid, found, item in above:
            lacking = dict.fromkeys(filter(self._lacking.__contains__, found))
            if items and len(below) + len(lacking) > BATCH:
                yield items, below
                items, below = {}, {}
            items[oid] = item
            below |= lacking
        yield items, below

    def _ask(self, oids: Iterable[Oid]) -> list[Oid]:
        """Return those that nothing was known of and that are lacking, and remember which are not."""
        for known in (self._there, self._there_before, self._lacking):
            if known:
                oids = filterfalse(known.__contains__, oids)
        new = list(dict.fromkeys(oids))
        absent = self._missing(new) if new else []
        self._lacking.update(absent)
        if len(absent) < len(new):
            self._there.update(filterfalse(self._lacking.__contains__, new))
            self._forget()
        return absent

    def _note(self, given: Collection[Oid]) -> None:
        """Note that objects have been given."""
        self._lacking.difference_update(given)
        self._there.update(given)
        self._forget()

    def _forget(self) -> None:
        """Let go of what was remembered first, if there is too much."""
        if self._remembered is not None and len(self._there) >= self._remembered:
            self._there_before, self._there = self._there, set()
