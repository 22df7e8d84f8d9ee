"""Bringing a run up to date: `run`, `resume` and `replay` are this one function with other frozen stages and forces."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from themis_vcs.analysis.metrics import MetricMean, metric_means
from themis_vcs.analysis.scores import ScoreNotes
from themis_vcs.errors import UsageError
from themis_vcs.model.derivation import STAGES
from themis_vcs.model.objects import Identity, Run, Snapshot, Stage, Track
from themis_vcs.model.oid import Oid
from themis_vcs.pipeline import events
from themis_vcs.pipeline.attempts import Caller
from themis_vcs.pipeline.cases import StoredCases
from themis_vcs.pipeline.config import RuntimeConfig
from themis_vcs.pipeline.execute import Execution, outcomes
from themis_vcs.pipeline.garbage import collected_seldom
from themis_vcs.pipeline.pending import pending_steps
from themis_vcs.pipeline.plan import Filter, TrackPlan, TrackSpec, everything, plan_track
from themis_vcs.pipeline.provenance import who
from themis_vcs.pipeline.result import PendingStep, RunResult, StageCounts
from themis_vcs.pipeline.snapshot import recipe_name, run_id_of
from themis_vcs.pipeline.tracks import Binder, Components, Settings
from themis_vcs.pipeline.workspace import Workspace
from themis_vcs.store.backend import ANY, RefUpdate

Force = Callable[[TrackSpec], Filter | None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to bring up to date. `frozen` stages stand as they are; `carried` tracks stand in a stage beside new ones.

    `vouched` are the stages whose components come from the person here: of an experiment, or trusted.
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
    vouched: Collection[str] = ()
    reason: str = "run"

    @property
    def stages(self) -> list[str]:
        """The stages to bring up to date, in order."""
        last = STAGES.index(self.until)
        return [stage for stage in STAGES[: last + 1] if stage not in self.frozen]


async def carry_out(
    workspace: Workspace, job: Job, runtime: RuntimeConfig, observer: events.Observer | None = None
) -> RunResult:
    """Bring the stages of a job up to date and move the refs.

    What was finished is kept when the run is cancelled or a store fails; then the exception goes on.
    """
    check_line(workspace, job.name)
    before = workspace.repository.objects_added
    progress = Progress(workspace, job, runtime, observer)
    progress.tell(events.RunStarted(progress.run_id.hex(), job.name, job.stages))
    try:
        with collected_seldom():
            for stage in job.stages:
                await progress.bring_up(stage)
    except (asyncio.CancelledError, KeyboardInterrupt):
        if not workspace.dry:
            progress.record("interrupted")
        raise
    finally:
        await _close(job.components)
    metrics = {} if workspace.dry else progress.metrics()
    status = progress.status(metrics.values())
    progress.record(status)
    progress.tell(events.RunFinished(progress.run_id.hex(), status, progress.completed))
    return RunResult(
        run_id=progress.run_id.hex(),
        name=job.name,
        status=status,
        completed_through_stage=progress.completed,
        stages=progress.counts,
        metrics=metrics,
        objects_added=workspace.repository.objects_added - before,
        pending=progress.pending,
        passed_through=sorted(job.passed_through),
        store=workspace.repository.path or workspace.repository,
    )


def check_line(workspace: Workspace, name: str) -> None:
    """UsageError if a new line of runs would hide a tag: a revision means the line first."""
    view = workspace.repository
    if view.ref(f"names/{name}") is None and view.ref(f"tags/{name}") is not None:
        hint = f"give the runs another name, or take the tag away with `themis tag -d {name}`"
        raise UsageError(f"{name} is a tag; as the name of a line of runs it would be ambiguous", hint=hint)


class Progress:
    """A job on its way: the stages that it has, and the roots of their values for those that follow."""

    def __init__(
        self, workspace: Workspace, job: Job, runtime: RuntimeConfig, observer: events.Observer | None
    ) -> None:
        self.workspace, self.job, self.runtime, self.observer = workspace, job, runtime, observer
        self.run_id = run_id_of(job.identity)
        self.stages: dict[str, Oid] = {}
        self.counts: dict[str, StageCounts] = {}
        self.pending: list[PendingStep] = []
        self.completed: str | None = None
        self._roots = dict(job.cases.roots)
        self._index: dict[bytes, bytes] = {}
        self._notes = ScoreNotes(workspace, job.name)
        self._binder = Binder(workspace, job.components, job.settings, Caller(runtime))
        for stage, oid in job.frozen.items():
            self._adopt(stage, oid)

    def tell(self, event: events.RunEvent) -> None:
        """Hand an event to the subscriber, if there is one."""
        if self.observer is not None:
            self.observer(event)

    async def bring_up(self, stage: str) -> None:
        """Plan a stage, execute what it lacks, and keep its tracks; as far as they got, if it is interrupted."""
        executions = [
            Execution(self.workspace, self._plan(spec), self.runtime, self.observer)
            for spec in self._binder.tracks(stage)
            if self._wanted(spec)
        ]
        steps = sum(each.plan.expected for each in executions)
        total = self.workspace.size(self.job.cases.cases) * sum(each.spec.fanout for each in executions)
        self.tell(events.StageStarted(stage, steps, max(0, total - steps), stage in self.job.passed_through))
        try:
            for execution in executions:
                if not execution.plan.complete:
                    await execution.run()
        except (asyncio.CancelledError, KeyboardInterrupt):
            self._conclude(stage, executions)
            raise
        counts = self._conclude(stage, executions)
        self._remember(stage, executions)
        self.completed = stage
        self.workspace.flush()
        self.tell(events.StageFinished(stage, counts.built, counts.reused, counts.failed, counts.blocked))

    def metrics(self) -> dict[str, MetricMean]:
        """The mean of every metric that the stages have."""
        cases = self.workspace.size(self.job.cases.cases)
        return metric_means(self.workspace, self.stages.values(), cases, self._notes)

    def status(self, metrics: Iterable[MetricMean]) -> str:
        """How the run ends, now that nothing is left to do. A case without a score is a failed one."""
        if any(counts.failed or counts.blocked for counts in self.counts.values()) or any(m.failed for m in metrics):
            return "completed_with_failures"
        return "completed" if self.job.until == STAGES[-1] else "stopped"

    def record(self, status: str) -> Run:
        """Make the run object and move the refs, unless the name already stands at an equal one."""
        workspace, repository, job = self.workspace, self.workspace.repository, self.job
        name_ref, head_ref = f"names/{job.name}", f"runs/{self.run_id.hex()}/head"
        stages = [self.stages[stage] for stage in STAGES if stage in self.stages]
        parent = repository.ref(name_ref)
        if parent is not None:
            head = repository.load(parent, Run)
            if (head.run_id, head.stages, head.status) == (self.run_id, stages, status):
                if not workspace.dry:
                    repository.commit([], message="", tracks=self._new_index(), local=self._notes.new)
                return head
        provenance = job.provenance()
        run = Run(
            run_id=self.run_id,
            name=job.name,
            snapshot=workspace.put(Snapshot(job.identity, provenance)),
            stages=stages,
            completed_through=self.completed,
            status=status,
            parents=[parent] if parent is not None else [],
            reason=job.reason,
            time=time.time_ns(),
            who=who(),
            work={stage: [counts.built, counts.reused, counts.failed] for stage, counts in self.counts.items()},
        )
        oid = workspace.put(run)
        if not workspace.dry:
            updates = [RefUpdate(name_ref, oid, parent), RefUpdate(head_ref, oid, ANY)]
            updates += [RefUpdate(f"runs/{self.run_id.hex()}/{stage}", each) for stage, each in self.stages.items()]
            repository.commit(
                updates,
                message=f"{job.reason}: {status}",
                who=run.who,
                tracks=self._new_index(),
                local={**self._vouched(provenance), **self._notes.new},
            )
        return run

    def _vouched(self, provenance: dict[str, Any]) -> dict[str, bytes]:
        """The local facts that say whose components a stored run may have here (`stored_components`)."""
        recipes = (recipe for stage in self.job.vouched for recipe in provenance["components"].get(stage, ()))
        return {recipe_name(recipe, provenance.get("directory")): b"1" for recipe in recipes}

    def _adopt(self, stage: str, oid: Oid) -> None:
        """Take a frozen stage as it is."""
        tracks = self.workspace.repository.load(oid, Stage).tracks
        self.stages[stage] = oid
        self.completed = stage
        if len(tracks) == 1:
            self._roots[stage] = tracks[0].values
        size = self.workspace.size
        self.counts[stage] = StageCounts(
            reused=sum(size(track.values) for track in tracks), failed=sum(size(track.failures) for track in tracks)
        )

    def _is_first(self, spec: TrackSpec) -> bool:
        return spec.stage == self.job.stages[0]

    def _wanted(self, spec: TrackSpec) -> bool:
        return not self._is_first(spec) or self.job.metric_ids is None or spec.id in self.job.metric_ids

    def _plan(self, spec: TrackSpec) -> TrackPlan:
        job, first = self.job, self._is_first(spec)
        return plan_track(
            self.workspace,
            spec,
            dict(self._roots),
            force=everything if job.force_all else job.force(spec) if first else None,
            only=job.only if first else None,
            retry_failed=job.retry_failed,
        )

    def _conclude(self, stage: str, executions: Sequence[Execution]) -> StageCounts:
        tracks, total = [], Counter[str]()
        for execution in executions:
            track = execution.conclude()
            tracks.append(track)
            total += outcomes(execution, track)
            self.pending.extend(pending_steps(self.workspace, self.job.name, self.job.components, execution))
        tracks.extend(self.job.carried.get(stage, []))
        self.stages[stage] = self.workspace.put(Stage(stage, tracks))
        if len(tracks) == 1:
            self._roots[stage] = tracks[0].values
        counts = StageCounts(**{name: total[name] for name in ("built", "reused", "failed", "blocked")})
        self.counts[stage] = counts
        return counts

    def _remember(self, stage: str, executions: Sequence[Execution]) -> None:
        """Note the tracks under their keys, those apart in which cases were left out."""
        for execution in executions:
            if not execution.left_out and not execution.pending:
                for key in execution.spec.keys(execution.plan.roots):
                    self._index[key] = self.stages[stage] + execution.spec.id.encode()

    def _new_index(self) -> dict[bytes, bytes]:
        track = self.workspace.repository.track
        return {key: value for key, value in self._index.items() if track(key) != value}


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
