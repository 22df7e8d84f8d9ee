"""Runs with less in them, to be given away: without their later stages, or without what was observed beside results.

What is left out changes the objects above it up to the run, so that a narrowed run is another object, made in the same
way wherever and whenever it is made. Its run id is that of the whole, and so are its values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

import msgspec

from themis_vcs.errors import UsageError
from themis_vcs.model import tree
from themis_vcs.model.derivation import STAGES
from themis_vcs.model.objects import Run, Snapshot, Stage, Step, Tag, TreeNode, load
from themis_vcs.model.oid import Oid
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.history import runs_behind

_PLACES: Final = ("host", "executable")
"""What the provenance of a run says about the machine."""


def check_stages(stages: Sequence[str]) -> tuple[str, ...]:
    """Return stages in their order, if they are the first ones of the pipeline. UsageError."""
    given = tuple(stages)
    if set(given) != set(STAGES[: len(given)]) or not given:
        raise UsageError(
            f"{', '.join(given)!r} are not the first stages",
            hint=f"the stages are {', '.join(STAGES)}; leave out the last ones, as in --stages generate,reduce",
        )
    return STAGES[: len(given)]


def with_stages(run: Run, stages: Mapping[str, Oid]) -> Run:
    """Return a run with fewer stages: these, by name in their order. It says that it was not carried to the end."""
    names = list(stages)
    work = {name: counts for name, counts in run.work.items() if name in names}
    return msgspec.structs.replace(
        run,
        stages=list(stages.values()),
        completed_through=reached(names),
        status="completed_with_failures" if any(any(counts[2:]) for counts in work.values()) else "stopped",
        reason=f"{run.reason} ({', '.join(names)} only)",
        work=work,
    )


def reached(stages: Collection[str]) -> str | None:
    """Return the last stage up to which these are all that there are; None if the first is not among them."""
    before = list(takewhile(lambda stage: stage in stages, STAGES))
    return before[-1] if before else None


class Narrowing:
    """Makes narrowed runs, and puts them into the store that the whole ones are in.

    `stages` are those that stay, None for all. Without `observations`, steps have no latencies, token counts, ids of
    providers nor places of execution, and runs name neither a host nor the interpreter's path.
    """

    def __init__(
        self, repository: Repository, stages: Sequence[str] | None = None, *, observations: bool = True
    ) -> None:
        self._repository = repository
        self._stages = None if stages is None else check_stages(stages)
        self._observations = observations
        self._runs: dict[Oid, Oid] = {}
        self._trees: dict[Oid, Oid] = {}
        self._snapshots: dict[Oid, Oid] = {}

    def refs(self, refs: dict[str, Oid]) -> dict[str, Oid]:
        """Return names and tags with the narrowed runs in place of the whole."""
        if self._stages is None and self._observations:
            return refs
        found = {ref: self._narrowed(oid) for ref, oid in refs.items()}
        self._repository.flush()
        return found

    def _narrowed(self, oid: Oid) -> Oid:
        target = self._repository.get(oid)
        if isinstance(target, Tag):
            return self._repository.put(msgspec.structs.replace(target, target=self._narrowed(target.target)))
        if not isinstance(target, Run):
            raise UsageError(f"object {oid.hex()[:12]} is not a run, and cannot be narrowed")
        for each, run in reversed(list(runs_behind(self._repository, oid, self._runs))):
            self._runs[each] = self._run(run)
        return self._runs[oid]

    def _run(self, run: Run) -> Oid:
        stages = [(at, self._repository.load(at, Stage)) for at in run.stages]
        kept = {stage.name: at for at, stage in stages if self._stages is None or stage.name in self._stages}
        if len(kept) < len(stages):
            run = with_stages(run, kept)
        changes: dict[str, Any] = {"parents": [self._runs.get(parent, parent) for parent in run.parents]}
        if not self._observations:
            changes |= {"stages": [self._stage(stage) for _, stage in stages if stage.name in kept]}
            changes |= {"snapshot": self._snapshot(run.snapshot), "who": run.who.split("@")[0]}
        return self._repository.put(msgspec.structs.replace(run, **changes))

    def _stage(self, stage: Stage) -> Oid:
        tracks = [
            msgspec.structs.replace(track, steps=self._tree(track.steps), failures=self._tree(track.failures))
            for track in stage.tracks
        ]
        return self._repository.put(Stage(stage.name, tracks))

    def _tree(self, root: Oid) -> Oid:
        """Return the tree of the same steps without observations."""
        if root not in self._trees:
            entries = tree.scan(root, self._node)
            built = tree.build((key, self._step(oid)) for key, oid in entries)
            for oid, payload in built.nodes.items():
                self._repository.put_payload(oid, payload, "tree")
            if built.root == tree.EMPTY[0]:
                self._repository.put_payload(*tree.EMPTY, "tree")
            self._trees[root] = built.root
        return self._trees[root]

    def _step(self, oid: Oid) -> Oid:
        step = load(self._repository.read(oid), Step)
        if not step.observations and not step.origin:
            return oid
        return self._repository.put(msgspec.structs.replace(step, observations={}, origin={}))

    def _snapshot(self, oid: Oid) -> Oid:
        if oid not in self._snapshots:
            snapshot = self._repository.load(oid, Snapshot)
            provenance = {name: value for name, value in snapshot.provenance.items() if name not in _PLACES}
            self._snapshots[oid] = self._repository.put(Snapshot(snapshot.identity, provenance))
        return self._snapshots[oid]

    def _node(self, oid: Oid) -> TreeNode:
        return self._repository.load(oid, TreeNode)
