"""Taking in packs: everything in one is checked before anything of it is stored (PACK-6).

Memory is bounded by the bytes of a pack and by its largest object.
"""

from __future__ import annotations

from typing import NamedTuple

from themis_vcs.errors import MissingReference
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.intake import Intake
from themis_vcs.transfer.pack import Readable
from themis_vcs.transfer.unpack import PackReader


class Arrival(NamedTuple):
    """What came of a pack: how many objects it had beside dictionaries, how many are new here, its bytes, its hash."""

    objects: int
    new: int
    size: int
    hash: bytes


def receive(stream: Readable, target: Repository, source: str = "pack") -> Arrival:
    """Store the objects of the pack that is the rest of `stream`, and index what its steps derive.

    MalformedPack, FormatError; MissingReference if something is neither in the pack nor here; WrongKind if it is not
    what it is referred to as. Then nothing is stored.
    """
    reader = PackReader(stream, source, lambda oid: target.read(oid) if target.has(oid) else None)
    intake = Intake(target, reader.dictionary, whole=True)
    for item in reader:
        intake.add(item)
    with target.working():
        missing = target.lacking(reader.needs)
        if missing:
            raise MissingReference(missing[0], reader.needs[missing[0]])
        intake.flush()
    return Arrival(reader.objects - reader.carried, intake.new, reader.offset, reader.hash)
