"""What a replay redoes, what it leaves as it is, and the job that comes of it."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

from themis_vcs.errors import UsageError
from themis_vcs.model.derivation import STAGES
from themis_vcs.model.objects import Identity, Run, Snapshot, Stage, Track
from themis_vcs.pipeline import snapshot as snapshots
from themis_vcs.pipeline.cases import StoredCases
from themis_vcs.pipeline.plan import Filter, TrackSpec, everything
from themis_vcs.pipeline.run import Job
from themis_vcs.pipeline.tracks import Components, Settings
from themis_vcs.pipeline.workspace import Workspace

Retry = Literal["failed", "none"]


@dataclass(frozen=True)
class Selection:
    """What a replay redoes."""

    stage: str
    metric_ids: Collection[str] | None = None
    cases: Collection[str] | None = None
    changed_only: bool = False
    fresh: bool = False

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that are brought up to date."""
        return STAGES[STAGES.index(self.stage) :]

    @property
    def only(self) -> Filter | None:
        """The cases that may be executed; None for all."""
        if self.cases is None:
            return None
        patterns = [pattern if "/" in pattern else f"*/{pattern}" for pattern in self.cases]
        return lambda case: any(fnmatch.fnmatchcase(case, pattern) for pattern in patterns)

    def force(self, spec: TrackSpec) -> Filter | None:
        """The cases of a track that are executed although they are on record."""
        if self.fresh or not (spec.ref.deterministic or self.changed_only):
            return self.only or everything
        return None


def replay_job(
    workspace: Workspace,
    run: Run,
    stored: Snapshot,
    selection: Selection,
    components: Components,
    settings: Settings,
    name: str,
    provenance: Callable[[], dict[str, Any]],
    retry: Retry = "failed",
) -> Job:
    """The job that redoes a stored run from a stage on, with these components."""
    stages = {workspace.repository.load(oid, Stage).name: oid for oid in run.stages}
    before = STAGES[: STAGES.index(selection.stage)]
    absent = [stage for stage in before if stage not in stages]
    if absent:
        raise UsageError(
            f"run {run.run_id.hex()[:12]} has no {absent[0]} stage, so {selection.stage} cannot be replayed",
            hint=f"bring it up to date first: run it until {before[-1]}",
        )
    redone = {stage: snapshots.stage_identity(stage, components, settings) for stage in selection.stages}
    imported = _imported(workspace, stages, selection, stored, redone)
    for stage, tracks in imported.items():
        listed = stored.identity.stages[stage]["metrics"]
        kept = [ref for ref in listed if ref["id"] in {track.id for track in tracks}]
        redone[stage] = {**redone[stage], "metrics": [*redone[stage]["metrics"], *kept]}
    carried_ids = {stage: {track.id for track in tracks} for stage, tracks in imported.items()}
    identity = stored.identity
    only = selection.only
    if only is not None and not any(only(key) for key, _ in workspace.scan(identity.cases)):
        raise UsageError(f"no case matches {', '.join(selection.cases or ())}", hint="cases are DATASET/CASE or CASE")
    cases = StoredCases(identity.cases, identity.datasets, identity.revisions)
    return Job(
        name=name,
        identity=Identity(cases.cases, cases.datasets, cases.revisions, {**identity.stages, **redone}),
        provenance=lambda: snapshots.kept_recipes(provenance(), stored.provenance, carried_ids),
        cases=cases,
        components=components,
        settings=settings,
        frozen={stage: stages[stage] for stage in before},
        carried=_joined(_carried(workspace, stages, selection, redone), imported),
        force=selection.force,
        only=only,
        metric_ids=frozenset(selection.metric_ids) if selection.metric_ids is not None else None,
        retry_failed=retry == "failed",
        vouched=selection.stages,
        reason=f"replay {selection.stage}",
    )


def _carried(
    workspace: Workspace, stages: dict[str, bytes], selection: Selection, redone: dict[str, dict[str, Any]]
) -> dict[str, list[Track]]:
    """The tracks that `metric_ids` leaves as they are."""
    if selection.metric_ids is None:
        return {}
    known = [ref["id"] for ref in redone[selection.stage].get("metrics", [])]
    unknown = sorted(set(selection.metric_ids) - set(known))
    if unknown:
        raise UsageError(
            f"no metric {', '.join(unknown)} in the {selection.stage} stage",
            hint=f"there are: {', '.join(known) or 'none'}",
        )
    oid = stages.get(selection.stage)
    tracks = workspace.repository.load(oid, Stage).tracks if oid is not None else []
    return {selection.stage: [t for t in tracks if t.id in known and t.id not in selection.metric_ids]}


def _imported(
    workspace: Workspace,
    stages: dict[str, bytes],
    selection: Selection,
    stored: Snapshot,
    redone: dict[str, dict[str, Any]],
) -> dict[str, list[Track]]:
    """The tracks that another tool made, which cannot be made again, where their inputs stay as they are.

    A metric of the same id takes the place of the one that was imported.
    """
    if selection.stage not in ("score", "judge"):
        return {}
    found: dict[str, list[Track]] = {}
    for stage in selection.stages:
        taken = {ref["id"] for later in selection.stages for ref in redone[later].get("metrics", [])}
        wanted = {recipe["id"] for recipe in snapshots.imported_from(stored.provenance, stage)} - taken
        if stage in stages and wanted:
            tracks = workspace.repository.load(stages[stage], Stage).tracks
            found[stage] = [track for track in tracks if track.id in wanted]
    return found


def _joined(one: dict[str, list[Track]], other: dict[str, list[Track]]) -> dict[str, list[Track]]:
    return {stage: [*one.get(stage, []), *other.get(stage, [])] for stage in {**one, **other}}
