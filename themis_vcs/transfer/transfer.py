"""Bringing refs, with all that they reach, from one store to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.receive import receive
from themis_vcs.transfer.send import packs
from themis_vcs.transfer.walk import lacking


class Transferred(NamedTuple):
    """What went over: objects that the target lacked, and the bytes of their packs."""

    objects: int
    size: int


def transfer(source: Repository, target: Repository, updates: Sequence[RefUpdate], *, message: str) -> Transferred:
    """Move refs of `target` to objects of `source`, which are brought there first; all of the refs or none.

    RefConflict, before anything is sent, if a ref is not where its update expects it. What arrived before a failure
    stays, so that a repeat does not send it again.
    """
    target.expect(updates)
    roots = [update.new for update in updates if update.new is not None]
    objects = size = 0
    for pack in packs(source, lacking(source, roots, target.missing), knows=target.has):
        arrival = receive(pack, target)
        objects, size = objects + arrival.objects, size + arrival.size
    target.commit(updates, message=message)
    return Transferred(objects, size)
