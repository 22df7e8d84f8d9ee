"""Taking in packs: everything in one is checked before anything of it is stored (PACK-6)."""

from __future__ import annotations

from itertools import islice
from typing import BinaryIO, NamedTuple

from themis_vcs.errors import MissingReference
from themis_vcs.model.derivation import key_of
from themis_vcs.model.objects import Dictionary, Step
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import Foreign
from themis_vcs.store.group import MAX_OBJECTS
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.unpack import PackReader


class Arrival(NamedTuple):
    """What came of a pack: how many objects it had beside dictionaries, how many are new here, its bytes, its hash."""

    objects: int
    new: int
    size: int
    hash: bytes


def receive(stream: BinaryIO, target: Repository, source: str = "pack") -> Arrival:
    """Store the objects of the pack that begins where `stream` stands, and index what its steps derive.

    MalformedPack, FormatError; MissingReference if something is neither in the pack nor here. Then nothing is stored.
    """
    reader = PackReader(stream, source, lambda oid: target.read(oid) if target.has(oid) else None)
    objects: list[Foreign] = []
    derived: dict[Oid, bytes] = {}
    for frame, _, found in reader:
        if isinstance(found, Dictionary):
            continue  # It enters the store with the first object that uses it.
        objects.append(Foreign(frame, reader.dictionaries[frame.dictionary - 1] if frame.dictionary else None))
        if isinstance(found, Step) and found.value is not None:
            derived[frame.oid] = key_of(found)
    missing = target.missing(reader.needs)
    if missing:
        raise MissingReference(missing[0], reader.needs[missing[0]])
    new = 0
    pending = iter(objects)
    while group := list(islice(pending, MAX_OBJECTS)):
        steps = {derived[each.frame.oid]: each.frame.oid for each in group if each.frame.oid in derived}
        new += target.take_in(group, steps)
    return Arrival(len(objects), new, reader.offset, reader.hash)
