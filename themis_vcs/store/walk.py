"""Walking what objects refer to, from roots downwards, past what somebody has already.

What is fetched, and from where, is for the caller to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
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
        self._waiting: dict[Oid, T] = {}
        self._left: dict[Oid, int] = {}
        self._users: dict[Oid, list[Oid]] = {}

    def reach(self, roots: Iterable[Oid]) -> Iterator[T]:
        """Yield what the roots reach and is lacking. What it yields is to be taken before the next call."""
        stack = self._ask(roots)[::-1]
        while stack:
            batch = [stack.pop() for _ in range(min(BATCH, len(stack)))]
            yield from self._fetched(batch, stack)

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

    def _fetched(self, oids: list[Oid], stack: list[Oid]) -> Iterator[T]:
        """Yield of these objects those that lack nothing below them; the others wait for what goes onto the stack."""
        above: list[tuple[Oid, Sequence[Oid], T]] = []
        given: list[Oid] = []
        for oid, found, item in self._fetch(oids):
            if found:
                above.append((oid, found, item))
            else:
                yield item
                given.append(oid)
        yield from self._waited_for(given)
        stack.extend(reversed(self._ask(chain.from_iterable(found for _, found, _ in above))))
        for oid, found, item in above:
            below = self._lacking.intersection(found)
            if not below:
                yield item
                yield from self._waited_for([oid])
                continue
            self._left[oid], self._waiting[oid] = len(below), item
            for child in below:
                self._users.setdefault(child, []).append(oid)
        self._forget()

    def _waited_for(self, given: list[Oid]) -> Sequence[T]:
        """Note that objects have been given, and return what waited for them alone."""
        ready: list[T] = []
        while given:
            self._lacking.difference_update(given)
            self._there.update(given)
            users = Counter(chain.from_iterable(self._users.pop(oid, ()) for oid in given))
            given = []
            for user, count in users.items():
                self._left[user] -= count
                if not self._left[user]:
                    del self._left[user]
                    ready.append(self._waiting.pop(user))
                    given.append(user)
        return ready

    def _forget(self) -> None:
        """Let go of what was remembered first, if there is too much."""
        if self._remembered is not None and len(self._there) >= self._remembered:
            self._there_before, self._there = self._there, set()
