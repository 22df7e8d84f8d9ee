"""What a run takes over from another one, found by comparing their trees instead of asking about every object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from themis_vcs.model.objects import Run, Snapshot, Stage, links
from themis_vcs.model.oid import Oid
from themis_vcs.store.view import View


def inherited(view: View, old: Oid, new: Oid) -> set[Oid]:
    """Return objects that the run `old` reaches by those nodes of its trees that `new` has not, and may refer to anew.

    Whoever has `old` has them. It takes reading the nodes in which the trees of the two runs differ.
    """
    before, after = _trees(view, old), _trees(view, new)
    found: set[Oid] = set()
    for place in before.keys() & after.keys():
        found.update(*_entries(view, before[place], after[place]))
    return found


def _trees(view: View, oid: Oid) -> dict[tuple[str, ...], Oid]:
    """Return the roots of the trees of a run by where they are."""
    run = view.load(oid, Run)
    identity = view.load(run.snapshot, Snapshot).identity
    found: dict[tuple[str, ...], Oid] = {("cases",): identity.cases, ("datasets",): identity.datasets}
    for stage in (view.load(at, Stage) for at in run.stages):
        for track in stage.tracks:
            found[stage.name, track.id, "values"] = track.values
            found[stage.name, track.id, "steps"] = track.steps
            found[stage.name, track.id, "failures"] = track.failures
    return found


def _entries(view: View, old: Oid, new: Oid) -> Iterator[set[Oid]]:
    """Yield level by level what those nodes of a tree refer to that another tree has not."""
    ours, theirs = {old}, {new}
    while ours:
        ours, theirs = ours - theirs, theirs - ours
        level, ours = _children(view, ours)
        yield ours
        if not level:
            return
        level, below = _children(view, theirs)
        theirs = below if level else set()


def _children(view: View, nodes: Iterable[Oid]) -> tuple[int, set[Oid]]:
    """Return the level of nodes of one level, 0 if there are none, and what they refer to."""
    found = [links(payload) for _, payload in view.read_many(nodes)]
    return max((level for level, _ in found), default=0), set(chain.from_iterable(oids for _, oids in found))
