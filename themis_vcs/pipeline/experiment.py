"""The experiment: what a person describes, compiles, runs and replays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from themis_vcs.errors import ConfigurationError, ThemisError, UsageError
from themis_vcs.evaluation.dataset import Dataset
from themis_vcs.evaluation.secrets import find_literals
from themis_vcs.model import refname
from themis_vcs.model.derivation import STAGES
from themis_vcs.model.objects import Identity
from themis_vcs.pipeline import snapshot as snapshots
from themis_vcs.pipeline.cases import store_cases
from themis_vcs.pipeline.config import EvaluationConfig, GenerationConfig, RuntimeConfig, StorageConfig
from themis_vcs.pipeline.events import Observer
from themis_vcs.pipeline.provenance import capture
from themis_vcs.pipeline.replay import Retry, Selection, replay_job
from themis_vcs.pipeline.resolve import beneath, resolve_components, settings_of
from themis_vcs.pipeline.result import RunResult
from themis_vcs.pipeline.run import Job, carry_out, check_stage
from themis_vcs.pipeline.stores import RunStore, load_base, opened
from themis_vcs.pipeline.tracks import Components, Settings
from themis_vcs.pipeline.workspace import Workspace
from themis_vcs.store.repository import Repository

T = TypeVar("T")
Store = RunStore | Repository | str | Path


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """An evaluation, described. `name` is the line of runs that its runs are put on, like a branch.

    `directory` is where its code lies, and `source` what error messages call it.
    """

    generation: GenerationConfig
    evaluation: EvaluationConfig = EvaluationConfig()
    storage: StorageConfig = StorageConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    datasets: Sequence[Dataset] = ()
    seeds: Sequence[int] = ()
    name: str = "main"
    environment_metadata: dict[str, Any] = field(default_factory=dict)
    directory: Path | None = None
    source: str = "experiment"

    def compile(self) -> snapshots.RunSnapshot:
        """Resolve and read everything, and say what the run is: its id, identity and surroundings. Stores nothing."""
        workspace = Workspace(Repository.memory(), dry=True)
        job = self._job(workspace)
        return snapshots.RunSnapshot(snapshots.run_id_of(job.identity).hex(), job.identity, job.provenance())

    def run(self, **options: Any) -> RunResult:
        """As `run_async`, outside of an event loop."""
        return blocking(self.run_async(**options), "run_async")

    async def run_async(
        self,
        *,
        until_stage: str = STAGES[-1],
        store: Store | None = None,
        on_event: Observer | None = None,
        runtime: RuntimeConfig | None = None,
        retry: Retry = "failed",
        dry_run: bool = False,
    ) -> RunResult:
        """Bring every stage up to `until_stage` up to date; only what is not on record is executed.

        ConfigurationError and DataError before anything is executed; a case that fails is recorded and stops no other.
        """
        check_stage(until_stage)
        runtime = runtime or self.runtime
        with opened(store, self.storage) as repository:
            workspace = Workspace(repository, dry=dry_run)
            job = self._job(workspace, until=until_stage, retry=retry, rerun=runtime.existing_run_policy == "rerun")
            run_id = snapshots.run_id_of(job.identity).hex()
            if runtime.existing_run_policy == "error" and repository.ref(f"runs/{run_id}/head") is not None:
                raise UsageError(f"run {run_id[:12]} exists", hint='existing_run_policy = "auto" continues it')
            return await carry_out(workspace, job, runtime, on_event)

    def replay(self, **options: Any) -> RunResult:
        """As `replay_async`, outside of an event loop."""
        return blocking(self.replay_async(**options), "replay_async")

    async def replay_async(
        self,
        *,
        stage: str,
        base: str | None = None,
        metric_ids: Collection[str] | None = None,
        cases: Collection[str] | None = None,
        changed_only: bool = False,
        fresh: bool = False,
        repeats: int | None = None,
        store: Store | None = None,
        on_event: Observer | None = None,
        runtime: RuntimeConfig | None = None,
        retry: Retry = "failed",
        dry_run: bool = False,
    ) -> RunResult:
        """Redo `stage` and what follows on the stored results of a run; the stages before it are not even imported.

        `base` is a revision, by default the last run of this name. In `stage`, nondeterministic components are drawn
        again, unless `changed_only`; with `fresh` all are. `metric_ids` and `cases` (patterns like "gsm8k/case-1*")
        narrow the stage; what they leave out stands as it is. `repeats` sets the draws of each judgment.
        """
        selection = Selection(check_stage(stage), metric_ids, cases, changed_only, fresh)
        with opened(store, self.storage) as repository:
            problems = name_problems(self.name)
            if problems:
                raise ConfigurationError(self.source, problems)
            run, stored = load_base(repository, self.name, base)
            workspace = Workspace(repository, dry=dry_run)
            evaluation = self.evaluation
            if repeats is not None:
                evaluation = msgspec.structs.replace(evaluation, judge_repeats=repeats)
            components = resolve_components(self.generation, evaluation, selection.stages)
            wanted = settings_of(self.generation, evaluation, self.seeds)
            settings = _upstream_settings(stored.identity, wanted, selection)
            job = replay_job(
                workspace,
                run,
                stored,
                selection,
                components,
                settings,
                self.name,
                self._provenance(components, stored.provenance, selection.stages),
                retry,
            )
            return await carry_out(workspace, job, runtime or self.runtime, on_event)

    def rejudge(self, **options: Any) -> RunResult:
        """`replay` of the judge stage."""
        return self.replay(stage="judge", **options)

    async def rejudge_async(self, **options: Any) -> RunResult:
        """`replay_async` of the judge stage."""
        return await self.replay_async(stage="judge", **options)

    def _job(
        self, workspace: Workspace, *, until: str = STAGES[-1], retry: Retry = "failed", rerun: bool = False
    ) -> Job:
        components, settings = self._resolved()
        cases = store_cases(workspace, self.datasets)
        stages = {stage: snapshots.stage_identity(stage, components, settings) for stage in STAGES}
        return Job(
            name=self.name,
            identity=Identity(cases.cases, cases.datasets, cases.revisions, stages),
            provenance=self._provenance(components),
            cases=cases,
            components=components,
            settings=settings,
            until=until,
            force_all=rerun,
            retry_failed=retry == "failed",
            vouched=STAGES,
            passed_through=_passed_through(self.generation, self.evaluation),
        )

    def _provenance(
        self, components: Components, stored: Mapping[str, Any] | None = None, stages: Collection[str] = STAGES
    ) -> Callable[[], dict[str, Any]]:
        """The surroundings; those recipes of a stored run are kept that are for none of `stages`."""
        return lambda: {
            **capture(self.directory),
            "directory": str(self.directory) if self.directory else None,
            "components": snapshots.merged_recipes(stored or {}, components, stages),
            "environment": self.environment_metadata,
        }

    def _resolved(self) -> tuple[Components, Settings]:
        """Components and settings. ConfigurationError lists everything that is wrong with either."""
        problems = self._problems()
        found: list[Any] = []
        for make in (
            lambda: resolve_components(self.generation, self.evaluation, STAGES),
            lambda: settings_of(self.generation, self.evaluation, self.seeds),
        ):
            try:
                found.append(make())
            except ConfigurationError as error:
                problems.extend(error.problems)
        if problems:
            raise ConfigurationError(self.source, problems)
        return found[0], found[1]

    def _problems(self) -> list[tuple[str, str]]:
        plain = {
            "generation.candidate_policy": self.generation.candidate_policy,
            "evaluation.judge_config": self.evaluation.judge_config,
            "evaluation.workflow_overrides": self.evaluation.workflow_overrides,
            "storage.parameters": self.storage.parameters,
            "environment_metadata": self.environment_metadata,
        }
        problems = name_problems(self.name)
        problems += [(beneath(path, where), why) for path, data in plain.items() for where, why in find_literals(data)]
        return problems if self.datasets else [*problems, ("datasets", "missing: at least one dataset")]


def blocking(coroutine: Coroutine[Any, Any, T], twin: str) -> T:
    """Run a coroutine to its end. UsageError inside of an event loop, where its async twin has to be awaited."""
    try:
        asyncio.get_running_loop()
        running = True
    except RuntimeError:
        running = False
    if not running:
        return asyncio.run(coroutine)
    coroutine.close()
    raise UsageError("an event loop is running here", hint=f"use `await {twin}(…)`")


def name_problems(name: str) -> list[tuple[str, str]]:
    """What is wrong with the name of a line of runs."""
    try:
        refname.check(f"names/{name}")
    except ThemisError as error:
        return [("name", error.message)]
    return []


def _upstream_settings(identity: Identity, wanted: Settings, selection: Selection) -> Settings:
    if selection.stage == "generate":
        return wanted
    stored = snapshots.stored_settings(identity)
    return replace(
        wanted,
        samples=stored.samples,
        policy=stored.policy,
        prompt_spec=stored.prompt_spec,
        seeds=wanted.seeds or stored.seeds,
    )


def _passed_through(generation: GenerationConfig, evaluation: EvaluationConfig) -> frozenset[str]:
    missing = {
        "reduce": generation.reducer is None and generation.selector is None,
        "parse": not evaluation.parsers,
    }
    return frozenset(stage for stage, absent in missing.items() if absent)
