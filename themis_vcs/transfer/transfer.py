"""Bringing refs, with all that they reach, from one endpoint to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import Final

from themis_vcs.errors import MissingReference, RemoteError
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import RefUpdate, Stored
from themis_vcs.store.refs import moves_of
from themis_vcs.store.tombstones import TOMBSTONES
from themis_vcs.store.walk import Walk
from themis_vcs.transfer.endpoint import Holder, Progress, Source, Target, Transferred, with_references
from themis_vcs.transfer.history import lacking_runs

REMEMBERED: Final = 250_000
"""So many oids are remembered, so that memory does not depend on the size of the stores."""
RUNS_AT_ONCE: Final = 64
"""So many runs of a line are walked together: it takes a round trip per level of them, and memory per level."""


def transfer(
    source: Source,
    target: Target,
    updates: Sequence[RefUpdate],
    *,
    message: str,
    seen: Mapping[str, Oid] | None = None,
    known: Set[Oid] = frozenset(),
    progress: Progress | None = None,
) -> Transferred:
    """Move refs of `target` to objects of `source`, which are brought there first; all of the refs or none.

    `seen` is where the refs of the target were a moment ago, if the caller has asked; `known` are objects that it has,
    which then are not asked about. RefConflict, before anything is
    sent, if a ref is not where its update expects it. What arrived before a failure stays, so that a repeat does not
    send it again.
    """
    moves = [update for update, _ in moves_of(updates, (target.refs() if seen is None else seen).get)]
    brought = Transferred()
    # Runs may refer to forgotten ones, so the target must know which those are before they come.
    stones = [update for update in moves if update.name.startswith(TOMBSTONES)]
    for some in (stones, [update for update in moves if update not in stones]):
        if some:
            brought += _brought(source, target, some, message, known, progress)
    return brought


def _brought(
    source: Source,
    target: Target,
    moves: Sequence[RefUpdate],
    message: str,
    known: Set[Oid],
    progress: Progress | None,
) -> Transferred:
    roots = [update.new for update in moves if update.new is not None]
    brought = Transferred()
    for last in (False, True):
        try:
            if roots:
                brought += target.take(lacking(source, target, roots, frozenset() if last else known), source, progress)
            target.move(moves, message)
        except (MissingReference, RemoteError) as error:
            # What the target had a moment ago, somebody has deleted there meanwhile.
            if last or MissingReference.code not in (error.code, getattr(error, "failure", None)):
                raise
        else:
            break
    return brought


def lacking(source: Source, target: Holder, roots: Sequence[Oid], known: Set[Oid] = frozenset()) -> Iterator[Stored]:
    """Yield what the roots reach and the target lacks, each object once and after all that it refers to.

    `known` are objects that the target has.
    """
    walk = Walk(lambda oids: with_references(source.objects(oids)), target.missing, REMEMBERED, known)
    runs = iter(lacking_runs(source, target, roots))
    while some := list(islice(runs, RUNS_AT_ONCE)):
        yield from walk.reach(some)
