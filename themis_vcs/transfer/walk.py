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

    `missing` says which of some oids are lacking, `fetch` gives these objects. Both are called for whole batches, so
    that each costs one round trip. The deepest are taken first, so memory is bounded: what waits for others is about a
    batch per level.
    """

    def __init__(self, fetch: Fetch, missing: Missing) -> None:
        self._fetch, self._missing = fetch, missing
        self._there: set[Oid] = set()
        self._there_before: set[Oid] = set()
        self._waiting: dict[Oid, Stored] = {}
        self._left: dict[Oid, int] = {}
        self._users: dict[Oid, list[Oid]] = {}

    def reach(self, roots: Iterable[Oid]) -> Iterator[Stored]:
        """Yield what the roots reach and is lacking. What it yields is to be taken before the next call."""
        stack = list(roots)[::-1]
        while stack:
            batch = self._batch(stack)
            absent = self._missing(batch) if batch else []
            lacking = set(absent)
            for oid in batch if len(absent) < len(batch) else ():
                if oid not in lacking:
                    yield from self._arrived(oid)
            if absent:
                yield from self._fetched(absent, stack)

    def _batch(self, stack: list[Oid]) -> list[Oid]:
        """Take oids that nothing is known of from the top of the stack."""
        batch: dict[Oid, None] = {}
        while stack and len(batch) < BATCH:
            oid = stack.pop()
            if not self._is_there(oid) and oid not in self._left:
                batch[oid] = None
        return list(batch)

    def _fetched(self, oids: list[Oid], stack: list[Oid]) -> Iterator[Stored]:
        below: list[Oid] = []
        for item in self._fetch(oids):
            oid = item.frame.oid
            found = references_in(item.payload) if item.object is None else list(references(item.object))
            children = [child for child in dict.fromkeys(found) if not self._is_there(child)] if found else found
            if not children:
                yield item
                yield from self._arrived(oid)
                continue
            self._left[oid], self._waiting[oid] = len(children), item
            for child in children:
                self._users.setdefault(child, []).append(oid)
            below += children
        stack.extend(reversed(below))

    def _arrived(self, oid: Oid) -> Sequence[Stored]:
        """Note that an object is there, or has been given, and return what waited for it alone."""
        self._remember(oid)
        users = self._users.pop(oid, None)
        if users is None:
            return ()
        ready: list[Stored] = []
        while users:
            user = users.pop()
            self._left[user] -= 1
            if not self._left[user]:
                del self._left[user]
                ready.append(self._waiting.pop(user))
                self._remember(user)
                users += self._users.pop(user, ())
        return ready

    def _is_there(self, oid: Oid) -> bool:
        return oid in self._there or oid in self._there_before

    def _remember(self, oid: Oid) -> None:
        if len(self._there) >= REMEMBERED:
            self._there_before, self._there = self._there, set()
        self._there.add(oid)
