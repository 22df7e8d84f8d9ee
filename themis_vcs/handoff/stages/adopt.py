"""Making a run that arrived, whole or in part, a run of the store: beside what the store has of it (STAGE-11 …)."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from typing import Literal, NamedTuple

from msgspec.structs import replace

from themis_vcs.analysis.lookup import stages_of
from themis_vcs.analysis.metrics import metric_means
from themis_vcs.analysis.scores import ScoreNotes
from themis_vcs.errors import Rejected
from themis_vcs.handoff.stages.boundary import boundary_of
from themis_vcs.handoff.stages.merge import merged
from themis_vcs.model import refname
from themis_vcs.model.derivation import STAGES
from themis_vcs.model.objects import Identity, Run, Snapshot, Stage
from themis_vcs.model.oid import Oid
from themis_vcs.pipeline.provenance import who
from themis_vcs.pipeline.run import check_line
from themis_vcs.pipeline.stored import line_of
from themis_vcs.pipeline.workspace import Workspace
from themis_vcs.store.backend import RefUpdate
from themis_vcs.transfer.history import FROM
from themis_vcs.transfer.narrow import reached

_SHOWN = 5


class Adopted(NamedTuple):
    """What an import came to: the line of runs, the oid of the run there, and the run.

    `outcome` is "new" for a run that the store did not have, "merged", or "unchanged". `records` is the number of steps
    that the bundle has in the stage of its boundary, `stages` are those that the run has now.
    """

    name: str
    oid: Oid
    run: Run
    outcome: Literal["new", "merged", "unchanged"]
    stage: str
    records: int
    stages: list[str]


class Options(NamedTuple):
    """What the importer wants: another line of runs, and that what differs here is replaced. `origin` is noted."""

    name: str | None = None
    replace: bool = False
    origin: str = "a stage bundle"


def adopt(workspace: Workspace, arrived: Run, stage: str, options: Options) -> Adopted:
    """Make a run whose objects are here the newest of its line, with what the store has of it already.

    Rejected if a step has another value here, unless it is to be replaced. UsageError for a name that cannot be one.
    """
    repository = workspace.repository
    head = repository.ref(f"runs/{arrived.run_id.hex()}/head")
    held = None if head is None else repository.load(head, Run)
    line = options.name or line_of(repository, held or arrived, arrived.run_id.hex())
    refname.check(f"names/{line}")
    check_line(workspace, line)
    stages = _stages(workspace, arrived, held, options)
    theirs = stages_of(repository, arrived)[stage]
    records = sum(workspace.size(track.steps) + workspace.size(track.failures) for track in theirs.tracks)
    oids = {name: workspace.put(each) for name, each in stages.items()}
    if held is not None and head is not None and held.stages == list(oids.values()):
        repository.flush()
        return Adopted(line, head, held, "unchanged", stage, records, list(oids))
    parent = repository.ref(f"names/{line}")
    notes = ScoreNotes(workspace, line)
    run = replace(
        _described(workspace, arrived, held, oids, stage, notes), name=line, parents=[] if parent is None else [parent]
    )
    oid = workspace.put(run)
    run_ref = f"runs/{run.run_id.hex()}"
    updates = [
        RefUpdate(f"names/{line}", oid, parent),
        RefUpdate(f"{run_ref}/head", oid, head),
    ]
    updates += [RefUpdate(f"{run_ref}/{name}", each) for name, each in oids.items()]
    repository.commit(
        updates,
        message=f"import {boundary_of(stage)} from {options.origin}: {run.status}",
        who=who(),
        local={FROM + oid.hex(): options.origin.encode(), **notes.new},
    )
    return Adopted(line, oid, run, "new" if held is None else "merged", stage, records, list(oids))


def _stages(workspace: Workspace, arrived: Run, held: Run | None, options: Options) -> dict[str, Stage]:
    """Return the stages of the run to be made. Rejected."""
    repository = workspace.repository
    ours = {} if held is None else stages_of(repository, held)
    theirs = stages_of(repository, arrived)
    identity = repository.load(arrived.snapshot, Snapshot).identity
    roots = {"cases": identity.cases, "datasets": identity.datasets}
    made: dict[str, Stage] = {}
    left_out: set[str] = set()
    conflicts: list[str] = []
    for name in STAGES:
        if name in theirs:
            _check_inputs(arrived, theirs, name, roots)
            stage, differing = merged(workspace, ours.get(name), theirs[name], roots)
            conflicts += [f"{name}/{key}" for key in differing]
        elif name in ours:
            if _made_from_others(ours[name], roots, left_out):
                left_out.add(name)
                continue
            stage = ours[name]
        else:
            lent = _lent(workspace, identity, name, roots, theirs)
            if lent is None:
                continue
            stage = lent
        made[name] = stage
        if len(stage.tracks) == 1:
            roots[name] = stage.tracks[0].values
    if conflicts and not options.replace:
        shown = [(key, "another value is here") for key in conflicts[:_SHOWN]]
        more = [(f"… {len(conflicts) - _SHOWN:,} more", "another value is here")] if len(conflicts) > _SHOWN else []
        raise Rejected(
            f"run {arrived.run_id.hex()[:12]}",
            shown + more,
            hint="add --replace to take those of the file; what is here stays behind the new run",
        )
    return made


def _check_inputs(arrived: Run, theirs: Mapping[str, Stage], name: str, roots: Mapping[str, Oid]) -> None:
    """Rejected if a stage that arrived was made from other results than the store has of a stage that did not."""
    for track in theirs[name].tracks:
        other = [source for source, root in track.inputs if source not in theirs and roots.get(source, root) != root]
        if other:
            raise Rejected(
                f"run {arrived.run_id.hex()[:12]}",
                [(name, f"{track.id} was made from other results of {', '.join(other)} than are here")],
                hint="import a bundle that has the earlier stages too: one exported without --only",
            )


def _made_from_others(stage: Stage, roots: Mapping[str, Oid], left_out: Collection[str]) -> bool:
    """Say whether a stage was made from other trees than these, or from a stage that was.

    What it was made from need not be here at all.
    """
    inputs = [each for track in stage.tracks for each in track.inputs]
    return any(name in left_out or roots.get(name, root) != root for name, root in inputs)


def _fits(stage: Stage, roots: Mapping[str, Oid]) -> bool:
    """Say whether a stage was made from these trees."""
    return all(roots.get(name) == root for track in stage.tracks for name, root in track.inputs)


def _lent(
    workspace: Workspace, identity: Identity, name: str, roots: Mapping[str, Oid], theirs: Mapping[str, Stage]
) -> Stage | None:
    """Return a stage that comes before those that arrived from a run that has the same cases and settings up to it."""
    if STAGES.index(name) > max(map(STAGES.index, theirs)):
        return None
    wanted = {
        root for stage in theirs.values() for track in stage.tracks for source, root in track.inputs if source == name
    }
    for stage in _alike(workspace, identity, name):
        held = {track.values for track in stage.tracks}
        if _fits(stage, roots) and wanted <= held:
            return stage
    return None


def _alike(workspace: Workspace, identity: Identity, name: str) -> Iterator[Stage]:
    """Yield this stage of every run of the store that has the same cases and the same settings up to it."""
    upto = STAGES[: STAGES.index(name) + 1]
    for ref, oid in workspace.repository.refs("runs/"):
        if not ref.endswith("/head"):
            continue
        run = workspace.repository.load(oid, Run)
        other = workspace.repository.load(run.snapshot, Snapshot).identity
        same = (other.cases, other.datasets, other.revisions) == (identity.cases, identity.datasets, identity.revisions)
        if same and all(other.stages.get(each) == identity.stages.get(each) for each in upto):
            found = stages_of(workspace.repository, run).get(name)
            if found is not None:
                yield found


def _described(
    workspace: Workspace, arrived: Run, held: Run | None, oids: Mapping[str, Oid], stage: str, notes: ScoreNotes
) -> Run:
    """Return the run to be made, but for its name and parents: as it arrived, if it has no other stages and says the
    truth about them.
    """
    stages, through = list(oids.values()), reached(oids)
    status = _status(workspace, arrived, stages, through, notes)
    truthful = _rank(arrived.completed_through) <= _rank(through) and arrived.status in (status, "interrupted")
    if arrived.stages == stages and truthful:
        return arrived
    return replace(
        arrived,
        stages=stages,
        completed_through=through,
        status=status,
        reason=f"import {boundary_of(stage)}",
        time=time.time_ns(),
        who=who(),
        work={name: counts for name, counts in {**(held.work if held else {}), **arrived.work}.items() if name in oids},
    )


def _rank(through: str | None) -> int:
    return STAGES.index(through) if through in STAGES else -1


def _status(workspace: Workspace, run: Run, stages: list[Oid], through: str | None, notes: ScoreNotes) -> str:
    """Return how a run stands: complete only if every step has a value and every case a score."""
    cases = workspace.size(workspace.repository.load(run.snapshot, Snapshot).identity.cases)
    tracks = [track for oid in stages for track in workspace.repository.load(oid, Stage).tracks]
    if any(workspace.size(track.values) < cases * track.fanout for track in tracks):
        return "completed_with_failures"
    if any(mean.failed for mean in metric_means(workspace, stages, cases, notes).values()):
        return "completed_with_failures"
    return "completed" if through == STAGES[-1] else "stopped"
