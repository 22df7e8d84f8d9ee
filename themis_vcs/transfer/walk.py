"""What somebody lacks: a walk from roots that stops where they have an object, with all below it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from themis_vcs.model.objects import references, references_in
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import Stored

BATCH: Final = 4_096
REMEMBERED: Final = 250_000
"""An oid is remembered until at least so many others have come; one that was forgotten is asked about again."""


Fetch = Callable[[Sequence[Oid]], Iterable[Stored]]
Missing = Callable[[Sequence[Oid]], list[Oid]]


class Walk:
    """Yields objects that somebody lacks, each once and after all that it refers to.

    `missing` says which of some oids are lacking, `fetch` gives these objects. Both are called for many at a time, so
    that a level costs few round trips. The deepest are taken first, so memory is bounded: what waits for others is
    about a batch per level, with the oids that it refers to.
    """

    def __init__(self, fetch: Fetch, missing: Missing) -> None:
        self._fetch, self._missing = fetch, missing
        self._there: set[Oid] = set()
        self._there_before: set[Oid] = set()
        self._lacking: set[Oid] = set()
        self._waiting: dict[Oid, Stored] = {}
        self._left: dict[Oid, int] = {}
        self._users: dict[Oid, list[Oid]] = {}

    def note(self, there: Iterable[Oid]) -> None:
        """Take objects for being there, which then are not asked about."""
        self._there.update(there)
        self._forget()

    def reach(self, roots: Iterable[Oid]) -> Iterator[Stored]:
        """Yield what the roots reach and is lacking. What it yields is to be taken before the next call."""
        stack = self._ask(roots)[::-1]
        while stack:
            batch = [stack.pop() for _ in range(min(BATCH, len(stack)))]
            yield from self._fetched(batch, stack)

    def _ask(self, oids: Iterable[Oid]) -> list[Oid]:
        """Return those that nothing was known of and that are lacking, and remember which are not."""
        there, before, lacking = self._there, self._there_before, self._lacking
        new = [oid for oid in dict.fromkeys(oids) if oid not in there and oid not in before and oid not in lacking]
        absent = self._missing(new) if new else []
        lacking.update(absent)
        if len(absent) < len(new):
            self.note(oid for oid in new if oid not in lacking)
        return absent

    def _fetched(self, oids: list[Oid], stack: list[Oid]) -> Iterator[Stored]:
        """Yield of these objects those that lack nothing below them; the others wait for what goes onto the stack."""
        above: list[tuple[Stored, list[Oid]]] = []
        for item in self._fetch(oids):
            found = references_in(item.payload) if item.object is None else list(references(item.object))
            if found:
                above.append((item, found))
            else:
                yield item
                yield from self._arrived(item.frame.oid)
        stack.extend(reversed(self._ask(oid for _, found in above for oid in found)))
        for item, found in above:
            oid = item.frame.oid
            below = self._lacking.intersection(found)
            if not below:
                yield item
                yield from self._arrived(oid)
                continue
            self._left[oid], self._waiting[oid] = len(below), item
            for child in below:
                self._users.setdefault(child, []).append(oid)

    def _arrived(self, oid: Oid) -> Sequence[Stored]:
        """Note that an object has been given, and return what waited for it alone."""
        ready: list[Stored] = []
        arrived = [oid]
        while arrived:
            oid = arrived.pop()
            self._lacking.discard(oid)
            self._there.add(oid)
            for user in self._users.pop(oid, ()):
                self._left[user] -= 1
                if not self._left[user]:
                    del self._left[user]
                    ready.append(self._waiting.pop(user))
                    arrived.append(user)
        self._forget()
        return ready

    def _forget(self) -> None:
        """Let go of what was remembered first, if there is too much."""
        if len(self._there) >= REMEMBERED:
            self._there_before, self._there = self._there, set()
