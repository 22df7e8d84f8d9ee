"""Who needs a damaged object: collected while objects pass by, children mostly before parents.

Takes memory for one oid per sound object, and for more only where something is wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from themis_vcs.model.oid import Oid


class Closure:
    """Sound objects, what refs and tables need, and the objects above what is not sound."""

    def __init__(self) -> None:
        self.sound: set[Oid] = set()
        self._users: dict[Oid, list[Oid]] = defaultdict(list)
        self._needed: dict[Oid, list[str]] = defaultdict(list)

    def need(self, oid: Oid, user: str) -> None:
        """Note that a ref or a table points to an object."""
        self._needed[oid].append(user)

    def add(self, oid: Oid, references: Sequence[Oid]) -> None:
        """Note a sound object and what it refers to."""
        self.sound.add(oid)
        for reference in references:
            # What is not known yet may follow; what stands above it is remembered in case it does not.
            if reference not in self.sound or reference in self._users:
                self._users[reference].append(oid)
                self._users.setdefault(oid, [])

    def absent(self) -> list[Oid]:
        """Return what something needs and is not sound."""
        found = dict.fromkeys([*self._needed, *self._users])
        return [oid for oid in found if oid not in self.sound]

    def users(self, oid: Oid) -> tuple[list[Oid], list[str]]:
        """Return the objects that refer to an object directly, and the refs and tables from which it is reached."""
        direct = list(dict.fromkeys(self._users.get(oid, ())))
        return direct, sorted({name for each in self._above(oid) for name in self._needed.get(each, ())})

    def _above(self, oid: Oid) -> Iterable[Oid]:
        seen, stack = {oid}, [oid]
        while stack:
            each = stack.pop()
            yield each
            fresh = [user for user in self._users.get(each, ()) if user not in seen]
            seen.update(fresh)
            stack.extend(fresh)
