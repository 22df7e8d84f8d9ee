"""Putting objects that came from elsewhere into a store, with what their steps derive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import Final

from themis_vcs.errors import Rejected
from themis_vcs.model.derivation import key_of
from themis_vcs.model.objects import Dictionary, Step, is_step, load
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import Foreign, Stored
from themis_vcs.store.group import MAX_BYTES, MAX_OBJECTS
from themis_vcs.store.objects import steps
from themis_vcs.store.repository import Repository
from themis_vcs.store.tombstones import ref_of, story
from themis_vcs.transfer.kinds import Kinds

ALLOW: Final = "name what else is wanted, or add --allow-forgotten where it shall come back"


def refusal(target: Repository, run: Oid | None) -> str:
    """Return why a run that was forgotten does not enter a store."""
    run = run or b""
    return f"it was forgotten here ({ref_of(run)[:24]}…) {story(target, run) or ''}".strip()


class Intake:
    """Stores what is added, in groups; each comes after all that it refers to, for which the caller vouches.

    `dictionary` gives the payload of a dictionary that a frame needs. With `whole`, nothing is stored before `flush`.
    """

    def __init__(self, target: Repository, dictionary: Callable[[Oid], bytes], *, whole: bool = False) -> None:
        self._target, self._dictionary, self._whole = target, dictionary, whole
        self._dictionaries: dict[Oid, bytes] = {}
        self._group: dict[Oid, Foreign] = {}
        self._keys: dict[Oid, bytes] = {}
        self._bytes = 0
        self._kinds = Kinds(self._here, complete=True)
        self._forgotten = set() if target.takes_forgotten else target.forgotten()
        self.new = 0
        """How many objects were not here."""

    def add(self, item: Stored) -> None:
        """Store an object with the next group. DecodingError; WrongKind if it refers to what it cannot refer to.

        What comes undecoded is from a store of ours, which has looked at its form and its references when it was made.
        """
        frame, name, obj = item.frame, item.dictionary, item.object
        oid = frame.oid
        if oid in self._forgotten:
            what = refusal(self._target, oid)
            raise Rejected("this store", [(f"run {oid.hex()[:12]}", what)], hint=ALLOW)
        if obj is not None:
            self._kinds.add(item)
            if type(obj) is Dictionary:
                return  # It enters the store with the first object that uses it.
        elif is_step(item.payload):
            obj = load(item.payload, Step)
        if type(obj) is Step and obj.value is not None:
            self._keys[oid] = key_of(obj)
        self._group[oid] = Foreign(frame, None if name is None else self._payload(name))
        self._bytes += len(frame.data)
        if not self._whole and (len(self._group) >= MAX_OBJECTS or self._bytes >= MAX_BYTES):
            self.flush()

    def flush(self) -> None:
        """Store what was added so far; when this returns it is durable. WrongKind: then nothing of it is stored."""
        self._kinds.settle()
        # A few objects more than fit in a group would cost as much as another full one.
        groups = max(1, round(len(self._group) / MAX_OBJECTS))
        for group in steps(self._group.values(), ceil(len(self._group) / groups)):
            derived = {self._keys[oid]: oid for each in group if (oid := each.frame.oid) in self._keys}
            self.new += self._target.take_in(derived, foreign=group)
        self._group, self._keys, self._bytes = {}, {}, 0

    def _here(self, oids: Sequence[Oid]) -> Iterator[tuple[Oid, bytes]]:
        absent = set(self._target.missing(oids))
        return self._target.read_many(oid for oid in oids if oid not in absent)

    def _payload(self, oid: Oid) -> bytes:
        payload = self._dictionaries.get(oid)
        if payload is None:
            payload = self._dictionaries[oid] = self._dictionary(oid)
        return payload
