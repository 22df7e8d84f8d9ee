"""Walking what objects refer to, from roots downwards, past what somebody has already.

What is fetched, and from where, is for the caller to say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set
from itertools import chain, filterfalse
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

from themis_vcs.model.oid import Oid

BATCH: Final = 4_096

T = TypeVar("T")


Fetch = Callable[[Sequence[Oid]], Iterable[tuple[Oid, Sequence[Oid], T]]]
"""From oids to these objects: of each its oid, the oids that it refers to, and what is to be yielded."""
Missing = Callable[[Sequence[Oid]], list[Oid]]


_Items: TypeAlias = dict[Oid, tuple[list[Oid], T]]
"""Objects that were fetched and wait: what each refers to that was lacking then, and what is to be yielded."""


class _Group(NamedTuple, Generic[T]):
    """Objects that are given when the stack is as low as `height`: all they refer to has been given, or is of them."""

    height: int
    items: _Items[T]


class Walk(Generic[T]):
    """Yields objects that somebody lacks, each once and after all that it refers to.

    `missing` says which of some oids are lacking, `fetch` gives these objects. Both are called for many at a time, so
    that a level costs few round trips. The deepest are taken first, so memory is bounded: what waits for others is
    about a batch per level, with the oids that it refers to. An oid is remembered until at least `remembered` others
    have come; one that was forgotten is asked about again. `there` are objects that are known not to be lacking. A walk
    that was broken off cannot be used again.
    """

    def __init__(
        self, fetch: Fetch[T], missing: Missing, remembered: int | None = None, there: Set[Oid] = frozenset()
    ) -> None:
        self._fetch, self._missing, self._remembered = fetch, missing, remembered
        self._there: set[Oid] = set()
        self._there_before: Set[Oid] = there
        self._lacking: set[Oid] = set()
        self._waiting: set[Oid] = set()

    def reach(self, roots: Iterable[Oid]) -> Iterator[T]:
        """Yield what the roots reach and is lacking. What it yields is to be taken before the next call."""
        stack = self._ask(roots)[::-1]
        groups: list[_Group[T]] = []
        while stack or groups:
            floor = groups[-1].height if groups else 0
            if len(stack) == floor:
                items = groups.pop().items
                yield from _in_order(items)
                self._note(items)
                continue
            start = max(floor, len(stack) - BATCH)
            wanted = dict.fromkeys(reversed(stack[start:]))
            del stack[start:]
            batch = [oid for oid in wanted if oid in self._lacking and oid not in self._waiting]
            above: list[tuple[Oid, Sequence[Oid], T]] = []
            alone: list[Oid] = []
            for oid, found, item in self._fetch(batch):
                if found:
                    above.append((oid, found, item))
                else:
                    yield item
                    alone.append(oid)
            self._note(alone)
            self._ask(chain.from_iterable(found for _, found, _ in above))
            lacking = self._lacking.__contains__
            self._wait({oid: (list(filter(lacking, found)), item) for oid, found, item in above}, stack, groups)

    def _wait(self, above: _Items[T], stack: list[Oid], groups: list[_Group[T]]) -> None:
        """Let objects wait, and put what they refer to and is lacking onto the stack."""
        self._waiting.update(above)
        met = self._waiting.intersection(chain.from_iterable(lacking for lacking, _ in above.values()))
        for items, below in reversed(list(_parted(above))):
            groups.append(_Group(len(stack), items))
            stack.extend(reversed(below))
        # What refers to something that waits is given with it, and so is all that waits above that.
        together: _Items[T] = {}
        height = len(stack)
        while met:
            height, items = groups.pop()
            if len(items) < len(met):
                met.difference_update(items)
            else:
                met = met.difference(items)
            # The fewer go to the more, here as there: then it takes little time however often it happens.
            if len(together) < len(items):
                together, items = items, together
            together.update(items)
        if together:
            groups.append(_Group(height, together))

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
        self._waiting.difference_update(given)
        self._there.update(given)
        self._forget()

    def _forget(self) -> None:
        """Let go of what was remembered first, if there is too much."""
        if self._remembered is not None and len(self._there) >= self._remembered:
            self._there_before, self._there = self._there, set()


def _parted(above: _Items[T]) -> Iterator[tuple[_Items[T], list[Oid]]]:
    """Yield objects in groups, with what they refer to: about as much as is fetched at a time.

    What the objects of several groups refer to comes with the first of these.
    """
    group: _Items[T] = {}
    below: list[Oid] = []
    seen: set[Oid] = set()
    for oid, (lacking, item) in above.items():
        new = dict.fromkeys(filterfalse(seen.__contains__, lacking))
        if group and len(below) + len(new) > BATCH:
            yield group, below
            group, below = {}, []
        group[oid] = lacking, item
        below += new
        seen.update(new)
    yield group, below


def _in_order(items: _Items[T]) -> Iterator[T]:
    """Yield each after those of them that it refers to."""
    left = set(items)
    stack = list(reversed(items))
    while stack:
        oid = stack[-1]
        found, item = items[oid]
        before = [each for each in found if each in left] if oid in left else []
        if before:
            stack.extend(reversed(before))
            continue
        if oid in left:
            left.remove(oid)
            yield item
        stack.pop()
