"""Continuing a stored run without its experiment file: the components are made again from what the run recorded."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from themis_vcs.errors import ConfigurationError, ThemisError, UsageError
from themis_vcs.evaluation.component import describe
from themis_vcs.model.derivation import STAGES
from themis_vcs.model.objects import Run, Snapshot, Stage, Track
from themis_vcs.model.oid import Oid
from themis_vcs.pipeline import snapshot as snapshots
from themis_vcs.pipeline.cases import StoredCases
from themis_vcs.pipeline.config import RuntimeConfig
from themis_vcs.pipeline.events import Observer
from themis_vcs.pipeline.provenance import capture
from themis_vcs.pipeline.recipes import remade
from themis_vcs.pipeline.replay import Retry, Selection, replay_job
from themis_vcs.pipeline.result import RunResult
from themis_vcs.pipeline.run import Job, carry_out, check_stage
from themis_vcs.pipeline.stores import load_run
from themis_vcs.pipeline.tracks import Components
from themis_vcs.pipeline.workspace import Workspace
from themis_vcs.store.repository import Repository


async def resume_async(
    repository: Repository,
    revision: str,
    *,
    name: str | None = None,
    until_stage: str = STAGES[-1],
    trust_code: bool = False,
    runtime: RuntimeConfig | None = None,
    on_event: Observer | None = None,
    retry: Retry = "failed",
    dry_run: bool = False,
) -> RunResult:
    """Finish a stored run with the components that it was begun with.

    ConfigurationError if a component cannot be made again, or its code has changed since; UsageError if one of them
    is somebody's own code that no experiment has named in this store, unless `trust_code`.
    """
    check_stage(until_stage)
    run, stored = load_run(repository, revision)
    frozen, carried = _standing(repository, run, stored)
    components = stored_components(repository, run, stored, STAGES, trust_code=trust_code, unchanged=True)
    identity = stored.identity
    workspace = Workspace(repository, dry=dry_run)
    job = Job(
        name=name or line_of(repository, run, revision),
        identity=identity,
        provenance=lambda: stored.provenance,
        cases=StoredCases(identity.cases, identity.datasets, identity.revisions),
        components=components,
        settings=snapshots.stored_settings(identity),
        frozen=frozen,
        carried=carried,
        until=until_stage,
        retry_failed=retry == "failed",
        vouched=STAGES,
        reason="resume",
    )
    return await carry_out(workspace, job, runtime or RuntimeConfig(), on_event)


async def replay_stored_async(
    repository: Repository,
    revision: str,
    selection: Selection,
    *,
    name: str | None = None,
    repeats: int | None = None,
    trust_code: bool = False,
    runtime: RuntimeConfig | None = None,
    on_event: Observer | None = None,
    retry: Retry = "failed",
    dry_run: bool = False,
) -> RunResult:
    """Redo a stored run from a stage on, with its own components as their code is today. Errors as `resume_async`."""
    run, stored = load_run(repository, revision)
    _refuse_imported(run, stored, selection)
    components = stored_components(repository, run, stored, selection.stages, trust_code=trust_code)
    settings = snapshots.stored_settings(stored.identity)
    if repeats is not None:
        settings = replace(settings, repeats=repeats)
    workspace = Workspace(repository, dry=dry_run)
    job = replay_job(
        workspace,
        run,
        stored,
        selection,
        components,
        settings,
        name or line_of(repository, run, revision),
        _provenance(stored, components, selection.stages),
        retry,
    )
    return await carry_out(workspace, job, runtime or RuntimeConfig(), on_event)


def stored_components(
    repository: Repository,
    run: Run,
    stored: Snapshot,
    stages: Collection[str],
    *,
    trust_code: bool = False,
    unchanged: bool = False,
) -> Components:
    """The components of a stored run for these stages, made again; with `unchanged` their fingerprints must agree.

    Which of them are trusted, `recipes` says.
    """
    directory = stored.provenance.get("directory")
    problems: list[tuple[str, str]] = []
    made: dict[str, list[Any]] = {}
    for stage in stages:
        for recipe in stored.provenance.get("components", {}).get(stage, []):
            if recipe["target"].startswith(snapshots.IMPORTED):
                continue
            try:
                component = remade(repository, recipe, directory, trust_code=trust_code)
            except ThemisError as error:
                problems.append(
                    (f"{stage}: {recipe['id']}", error.message + (f" ({error.hint})" if error.hint else ""))
                )
                continue
            if unchanged and describe(component, recipe["role"]).fingerprint != recipe["fingerprint"]:
                problems.append((f"{stage}: {recipe['id']}", "its code or configuration has changed since"))
            made.setdefault(recipe["role"], []).append(component)
    needed = {"generate": "generator", "reduce": "reducer", "parse": "parser"}
    imported = [stage for stage in stages if snapshots.imported_from(stored.provenance, stage)]
    absent = [stage for stage, role in needed.items() if stage in stages and role not in made and stage not in imported]
    problems = problems or [(stage, "the run does not say how its component is made") for stage in absent]
    if problems:
        raise ConfigurationError(
            f"run {run.run_id.hex()[:12]}", problems, hint="run its experiment file instead: themis run FILE"
        )
    first = {role: members[0] for role, members in made.items()}
    return Components(
        generator=first.get("generator"),
        selector=first.get("selector"),
        reducer=first.get("reducer"),
        parser=first.get("parser"),
        metrics=made.get("metric", []),
        judge_models=made.get("judge_model", []),
    )


def line_of(repository: Repository, run: Run, revision: str) -> str:
    """The name whose line a run is continued on: the one it was asked for by, else one that stands at it."""
    base = revision.split("@")[0].split("~")[0].split(":")[0]
    if repository.ref(f"names/{base}") is not None:
        return base
    for name, oid in repository.refs("names/"):
        if repository.load(oid, Run).run_id == run.run_id:
            return name.removeprefix("names/")
    return run.name


def _standing(repository: Repository, run: Run, stored: Snapshot) -> tuple[dict[str, Oid], dict[str, list[Track]]]:
    """What another tool made of a run, which stands as it is: whole stages, and tracks beside those of our own.

    UsageError where that is not whole.
    """
    oids = {repository.load(oid, Stage).name: oid for oid in run.stages}
    frozen: dict[str, Oid] = {}
    carried: dict[str, list[Track]] = {}
    for stage in STAGES:
        ids = {recipe["id"] for recipe in snapshots.imported_from(stored.provenance, stage)}
        if ids and stage not in oids:
            raise UsageError(
                f"run {run.run_id.hex()[:12]} was imported as far as {run.completed_through or 'nothing'}",
                hint="import the file again; what is here already is not read twice",
            )
        if stage == "generate" and ids:
            frozen[stage] = oids[stage]
        elif ids:
            carried[stage] = [track for track in repository.load(oids[stage], Stage).tracks if track.id in ids]
    return frozen, carried


def _refuse_imported(run: Run, stored: Snapshot, selection: Selection) -> None:
    """UsageError where a stage is to be redone that another tool made, or where nothing else would be."""
    made = stored.provenance.get("components", {})
    of_its_own = any(
        not recipe["target"].startswith(snapshots.IMPORTED)
        for stage in selection.stages
        for recipe in made.get(stage, ())
    )
    stages = (selection.stage,) if selection.stage == "generate" else () if of_its_own else selection.stages
    for recipe in (recipe for stage in stages for recipe in snapshots.imported_from(stored.provenance, stage)):
        said = recipe["config"]
        what = "answers" if selection.stage == "generate" else "scores"
        raise UsageError(
            f"the {what} of run {run.run_id.hex()[:12]} were imported from {said['tool']} {said['version']}"
            f" ({', '.join(said['files'])}), and cannot be made again here",
            hint=f"themis replay FILE --stage {selection.stage} --base REV does it with an experiment of yours",
        )


def _provenance(stored: Snapshot, components: Components, stages: Collection[str]) -> Callable[[], dict[str, Any]]:
    def make() -> dict[str, Any]:
        kept = {name: stored.provenance.get(name) for name in ("directory", "environment")}
        return {**capture(), **kept, "components": snapshots.merged_recipes(stored.provenance, components, stages)}

    return make
