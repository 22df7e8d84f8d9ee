"""Bringing a run up to date: `run`, `resume` and `replay` are this one function with other frozen stages and forces."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from themis_vcs.analysis.metrics import metric_means
from themis_vcs.errors import UsageError
from themis_vcs.model.derivation import STAGES
from themis_vcs.model.objects import Identity, Run, Snapshot, Stage, Track
from themis_vcs.model.oid import Oid
from themis_vcs.pipeline import events
from themis_vcs.pipeline.attempts import Caller
from themis_vcs.pipeline.cases import StoredCases
from themis_vcs.pipeline.config import RuntimeConfig
from themis_vcs.pipeline.execute import Execution, outcomes
from themis_vcs.pipeline.plan import Filter, TrackSpec, plan_track
from themis_vcs.pipeline.provenance import who
from themis_vcs.pipeline.result import PendingStep, RunResult, StageCounts
from themis_vcs.pipeline.snapshot import run_id_of
from themis_vcs.pipeline.tracks import Binder, Components, Settings
from themis_vcs.pipeline.workspace import Workspace
from themis_vcs.store.backend import ANY, RefUpdate

Force = Callable[[TrackSpec], Filter | None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to bring up to date. `frozen` stages stand as they are; `carried` tracks stand in a stage beside new ones.

    `force` says of a track of the first stage that is not frozen which of its cases are executed again.
    """

    name: str
    identity: Identity
    provenance: Callable[[], dict[str, Any]]
    cases: StoredCases
    components: Components
    settings: Settings
    frozen: dict[str, Oid] = field(default_factory=dict)
    carried: dict[str, list[Track]] = field(default_factory=dict)
    until: str = STAGES[-1]
    force: Force = lambda spec: None
    force_all: bool = False
    only: Filter | None = None
    metric_ids: frozenset[str] | None = None
    retry_failed: bool = True
    passed_through: frozenset[str] = frozenset()
    reason: str = "run"

    @property
    def stages(self) -> list[str]:
        """The stages to bring up to date, in order."""
        last = STAGES.index(self.until)
        return [stage for stage in STAGES[: last + 1] if stage not in self.frozen]


class Progress:
    """What a run has done so far."""

    def __init__(self) -> None:
        self.stages: dict[str, Oid] = {}
        self.counts: dict[str, StageCounts] = {}
        self.index: dict[bytes, bytes] = {}
        self.pending: list[PendingStep] = []
        self.completed: str | None = None


async def carry_out(
    workspace: Workspace, job: Job, runtime: RuntimeConfig, observer: events.Observer | None = None
) -> RunResult:
    """Bring the stages of a job up to date and move the refs.

    What was finished is kept when the run is cancelled or a store fails; then the exception goes on.
    """
    tell = observer or (lambda event: None)
    run_id = run_id_of(job.identity).hex()
    progress = Progress()
    before = workspace.repository.objects_added
    tell(events.RunStarted(run_id, job.name, job.stages))
    caller = Caller(runtime)
    binder = Binder(workspace, job.components, job.settings, caller)
    roots = dict(job.cases.roots)
    for stage, oid in job.frozen.items():
        _adopt(workspace, progress, roots, stage, oid)
    try:
        for stage in job.stages:
            first = stage == job.stages[0]
            await _bring_up(workspace, job, binder, stage, roots, progress, runtime, observer, first)
            progress.completed = stage
    except (asyncio.CancelledError, KeyboardInterrupt):
        if not workspace.dry:
            _record(workspace, job, progress, "interrupted")
        raise
    finally:
        await _close(job.components)
    status = _status(job, progress)
    run = _record(workspace, job, progress, status)
    tell(events.RunFinished(run_id, status, progress.completed))
    cases = workspace.size(job.cases.cases)
    return RunResult(
        run_id=run_id,
        name=job.name,
        status=status,
        completed_through_stage=progress.completed,
        stages=progress.counts,
        metrics={} if workspace.dry else metric_means(workspace, run, cases),
        objects_added=workspace.repository.objects_added - before,
        pending=progress.pending,
        passed_through=sorted(job.passed_through),
    )


async def _bring_up(
    workspace: Workspace,
    job: Job,
    binder: Binder,
    stage: str,
    roots: dict[str, Oid],
    progress: Progress,
    runtime: RuntimeConfig,
    observer: events.Observer | None,
    first: bool,
) -> None:
    executions: list[Execution] = []
    for spec in binder.tracks(stage):
        if first and job.metric_ids is not None and spec.id not in job.metric_ids:
            continue
        plan = plan_track(
            workspace,
            spec,
            dict(roots),
            force=_forced(job, spec, first),
            only=job.only if first else None,
            retry_failed=job.retry_failed,
        )
        executions.append(Execution(workspace, plan, runtime, observer))
    if observer is not None:
        steps = sum(len(each.plan.work) for each in executions)
        carried = sum(workspace.size(each.plan.base.values) for each in executions if each.plan.base)
        observer(events.StageStarted(stage, steps, carried, stage in job.passed_through))
    try:
        for execution in executions:
            if not execution.plan.complete:
                await execution.run()
    except (asyncio.CancelledError, KeyboardInterrupt):
        _conclude(workspace, job, stage, executions, roots, progress)
        raise
    counts = _conclude(workspace, job, stage, executions, roots, progress)
    for execution in executions:
        if not execution.left_out and not execution.pending:
            for key in execution.spec.keys(execution.plan.roots):
                progress.index[key] = progress.stages[stage] + execution.spec.id.encode()
    if observer is not None:
        observer(events.StageFinished(stage, counts.built, counts.reused, counts.failed, counts.blocked))


def _forced(job: Job, spec: TrackSpec, first: bool) -> Filter | None:
    if job.force_all:
        return lambda case: True
    return job.force(spec) if first else None


def _conclude(
    workspace: Workspace,
    job: Job,
    stage: str,
    executions: Sequence[Execution],
    roots: dict[str, Oid],
    progress: Progress,
) -> StageCounts:
    """Keep the tracks of a stage as far as they got."""
    tracks, total = [], Counter[str]()
    for execution in executions:
        track = execution.conclude()
        tracks.append(track)
        total += outcomes(execution, track)
        progress.pending.extend(PendingStep(stage, track.id, work.key) for work in execution.pending)
    tracks.extend(job.carried.get(stage, []))
    oid = workspace.put(Stage(stage, tracks))
    progress.stages[stage] = oid
    if len(tracks) == 1:
        roots[stage] = tracks[0].values
    counts = StageCounts(**{name: total[name] for name in ("built", "reused", "failed", "blocked")})
    progress.counts[stage] = counts
    return counts


def _adopt(workspace: Workspace, progress: Progress, roots: dict[str, Oid], stage: str, oid: Oid) -> None:
    tracks = workspace.repository.load(oid, Stage).tracks
    progress.stages[stage] = oid
    progress.completed = stage
    if len(tracks) == 1:
        roots[stage] = tracks[0].values
    size = workspace.size
    progress.counts[stage] = StageCounts(
        reused=sum(size(track.values) for track in tracks),
        failed=sum(size(track.failures) for track in tracks),
    )


def _status(job: Job, progress: Progress) -> str:
    if any(counts.failed or counts.blocked for counts in progress.counts.values()):
        return "completed_with_failures"
    return "completed" if job.until == STAGES[-1] else "stopped"


def _record(workspace: Workspace, job: Job, progress: Progress, status: str) -> Run:
    """Make the run object and move the refs, unless the name already stands at an equal one."""
    repository = workspace.repository
    run_id = run_id_of(job.identity)
    name_ref, head_ref = f"names/{job.name}", f"runs/{run_id.hex()}/head"
    stages = [progress.stages[stage] for stage in STAGES if stage in progress.stages]
    parent = None if workspace.dry else repository.ref(name_ref)
    if parent is not None:
        head = repository.load(parent, Run)
        if (head.run_id, head.stages, head.status) == (run_id, stages, status):
            repository.commit([], message="", tracks=_new_index(workspace, progress))
            return head
    run = Run(
        run_id=run_id,
        name=job.name,
        snapshot=workspace.put(Snapshot(job.identity, job.provenance())),
        stages=stages,
        completed_through=progress.completed,
        status=status,
        parents=[parent] if parent is not None else [],
        reason=job.reason,
        time=time.time_ns(),
        who=who(),
        work={
            stage: [counts.built, counts.reused, counts.failed] for stage, counts in progress.counts.items()
        },
    )
    oid = workspace.put(run)
    if not workspace.dry:
        updates = [RefUpdate(name_ref, oid, parent), RefUpdate(head_ref, oid, ANY)]
        updates += [
            RefUpdate(f"runs/{run_id.hex()}/{stage}", each, ANY) for stage, each in progress.stages.items()
        ]
        repository.commit(
            updates,
            message=f"{job.reason}: {status}",
            tracks=_new_index(workspace, progress),
            local={f"run:{run_id.hex()}": b"1"},
        )
    return run


def _new_index(workspace: Workspace, progress: Progress) -> dict[bytes, bytes]:
    return {key: value for key, value in progress.index.items() if workspace.repository.track(key) != value}


async def _close(components: Components) -> None:
    members = [components.generator, components.selector, components.reducer, *components.judge_models]
    for each in members:
        close = getattr(each, "aclose", None)
        if close is not None:
            with contextlib.suppress(Exception):
                await close()


def check_stage(stage: str) -> str:
    """The stage, if it is one. UsageError names those that are."""
    if stage not in STAGES:
        raise UsageError(f"unknown stage {stage!r}", hint=f"the stages are {', '.join(STAGES)}")
    return stage
