"""Objects on their way into a store: collected until there are enough for one transaction, then checked together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from themis_vcs.errors import MissingReference
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import Record

MAX_OBJECTS: Final = 8_000
"""Many, since a transaction copies every page of the index that it touches, and oids spread over all of them."""
MAX_BYTES: Final = 8 << 20

Missing = Callable[[Iterable[Oid]], list[Oid]]


class Group:
    """Entries by oid, what each refers to, and derivations. Not safe between threads."""

    def __init__(self) -> None:
        self.entries: dict[Oid, Record] = {}
        self.derivations: dict[bytes, Oid] = {}
        self._references: dict[Oid, Sequence[Oid]] = {}
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self.entries or self.derivations)

    def add(self, oid: Oid, payload: bytes, label: str, references: Sequence[Oid]) -> bool:
        """Take in an object, unless it is here already; return whether the group is full."""
        if oid not in self.entries:
            self.entries[oid] = (oid, payload, label)
            self._bytes += len(payload)
            if references:
                self._references[oid] = references
        return self._bytes >= MAX_BYTES or len(self.entries) >= MAX_OBJECTS

    def derive(self, key: bytes, step: Oid) -> bool:
        """Take in a derivation; return whether the group is full."""
        self.derivations[key] = step
        return len(self.derivations) >= MAX_OBJECTS

    def extend(self, later: Group) -> None:
        """Take over what another group holds."""
        for oid, entry in later.entries.items():
            self.add(*entry, later._references.get(oid, ()))
        self.derivations.update(later.derivations)

    def check(self, missing: Missing, targets: Iterable[Oid]) -> None:
        """Raise MissingReference unless all that is referred to is in the group or in the store (STORE-17).

        `targets` are oids that refs are about to point to. The objects at fault, and those that need them, leave the
        group, so that the others can be written.
        """
        needed = dict.fromkeys(reference for group in self._references.values() for reference in group)
        needed.update(dict.fromkeys(self.derivations.values()))
        needed.update(dict.fromkeys(targets))
        absent = set(missing([oid for oid in needed if oid not in self.entries]))
        if not absent:
            return
        at_fault = next((oid for oid, refs in self._references.items() if absent.intersection(refs)), None)
        named = next(oid for oid in needed if oid in absent)
        if at_fault is not None:
            named = next(oid for oid in self._references[at_fault] if oid in absent)
        self._drop(absent)
        raise MissingReference(named, at_fault)

    def _drop(self, absent: set[Oid]) -> None:
        while True:
            lost = [oid for oid, refs in self._references.items() if absent.intersection(refs)]
            if not lost:
                break
            for oid in lost:
                del self.entries[oid], self._references[oid]
            absent.update(lost)
        self.derivations = {key: oid for key, oid in self.derivations.items() if oid not in absent}
