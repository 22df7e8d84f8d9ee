"""What a run takes over from another one, found by comparing their trees instead of asking about every object."""

from __future__ import annotations

from collections.abc import Iterator

from themis_vcs.model.objects import Run, Snapshot, Stage, TreeNode
from themis_vcs.model.oid import OID_BYTES, Oid
from themis_vcs.store.view import View


def inherited(view: View, old: Oid, new: Oid) -> Iterator[Oid]:
    """Yield objects that the run `old` reaches by those nodes of its trees that `new` has not, and may refer to anew.

    Whoever has `old` has them. It takes reading the nodes in which the trees of the two runs differ.
    """
    before, after = _trees(view, old), _trees(view, new)
    for place in before.keys() & after.keys():
        yield from _entries(view, before[place], after[place])


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


def _entries(view: View, old: Oid, new: Oid) -> Iterator[Oid]:
    """Yield what those nodes of a tree refer to that another tree has not, level by level."""
    ours, theirs = {old}, {new}
    while ours:
        ours, theirs = ours - theirs, theirs - ours
        nodes = [view.load(oid, TreeNode) for oid in ours]
        ours = {oid for node in nodes for oid in _below(node)}
        yield from ours
        if not nodes or not nodes[0].level:
            return
        others = (view.load(oid, TreeNode) for oid in theirs)
        theirs = {oid for node in others if node.level for oid in _below(node)}


def _below(node: TreeNode) -> list[Oid]:
    return [node.oids[at : at + OID_BYTES] for at in range(0, len(node.oids), OID_BYTES)]
