"""Taking in packs: everything in one is checked before anything of it is stored (PACK-6).

A pack is read twice, to check it and to store it, so that memory is bounded by its largest object and by its oids.
"""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

from themis_vcs.errors import MissingReference
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.intake import Intake
from themis_vcs.transfer.unpack import PackReader


class Arrival(NamedTuple):
    """What came of a pack: how many objects it had beside dictionaries, how many are new here, its bytes, its hash."""

    objects: int
    new: int
    size: int
    hash: bytes


def receive(stream: BinaryIO, target: Repository, source: str = "pack", *, alone: bool = False) -> Arrival:
    """Store the objects of the pack that begins where `stream` stands, and index what its steps derive.

    The stream can be sought; with `alone`, nothing may follow the pack. MalformedPack, FormatError; MissingReference if
    something is neither in the pack nor here. Then nothing is stored.
    """
    start = stream.tell()
    checked = _reader(stream, target, source)
    for _ in checked:
        pass
    if alone:
        checked.expect_end()
    missing = target.missing(checked.needs)
    if missing:
        raise MissingReference(missing[0], checked.needs[missing[0]])
    stream.seek(start)
    reader = _reader(stream, target, source)
    intake = Intake(target, reader.dictionary)
    for item in reader:
        intake.add(item)
    intake.flush()
    return Arrival(reader.objects - reader.carried, intake.new, reader.offset, reader.hash)


def _reader(stream: BinaryIO, target: Repository, source: str) -> PackReader:
    return PackReader(stream, source, lambda oid: target.read(oid) if target.has(oid) else None)
