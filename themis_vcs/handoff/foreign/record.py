"""A log becomes a run: made by the pipeline like any other, from components that play the log back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from themis_vcs.catalog.parsers import PassthroughParser
from themis_vcs.catalog.reducers import MajorityVote, PassthroughReducer
from themis_vcs.errors import DataError, ThemisError
from themis_vcs.evaluation.dataset import Case, Dataset
from themis_vcs.evaluation.secrets import redacted
from themis_vcs.handoff.foreign.log import Log
from themis_vcs.handoff.foreign.playback import Generator, Judge, JudgeMetric, Metric
from themis_vcs.handoff.foreign.spool import Spool
from themis_vcs.model import refname
from themis_vcs.model.derivation import STAGES
from themis_vcs.model.objects import Identity, Run
from themis_vcs.pipeline import snapshot as snapshots
from themis_vcs.pipeline.cases import store_cases
from themis_vcs.pipeline.config import RuntimeConfig
from themis_vcs.pipeline.events import Observer
from themis_vcs.pipeline.provenance import capture
from themis_vcs.pipeline.result import RunResult
from themis_vcs.pipeline.run import Job, carry_out, check_line
from themis_vcs.pipeline.tracks import Components, Settings
from themis_vcs.pipeline.workspace import Workspace
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.history import FROM, comes_after

TOLERANCE = 1e-12
"""How far the mean of imported scores may be from the one that the tool states."""


@dataclass(frozen=True)
class Disagreement:
    """A mean of the tool's own summary that its samples do not have. `found` is None where they have no score."""

    scorer: str
    dataset: str
    stated: float
    found: float | None


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What became of a log. `outcome` is "imported", "unchanged", or "dry run"; `result` is None where nothing ran.

    `failed` of the `answers` are errors. `agreed` counts the means of the tool's own summary that the samples have.
    """

    outcome: str
    tool: str
    version: str
    model: str
    name: str
    run_id: str
    samples: dict[str, int]
    answers: int
    failed: int
    means: dict[str, float | None]
    judged: list[str]
    agreed: int
    disagreements: list[Disagreement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    result: RunResult | None = None


@dataclass(frozen=True, kw_only=True)
class Options:
    """`name` is the line of runs, by default the log's. `reading` is told samples and bytes, `observer` the events."""

    name: str | None = None
    dry_run: bool = False
    reading: Callable[[int, int], None] | None = None
    observer: Observer | None = None


def record(repository: Repository, log: Log, options: Options) -> Recorded:
    """Make a run of a log. All of it is read and checked before anything is stored: DataError names file and place.

    A log that is here already adds nothing.
    """
    name = options.name or line_for(log.name)
    refname.check(f"names/{name}")
    with Spool(log.samples_each) as spool:
        for sample in log.read():
            spool.add(sample)
            if options.reading is not None and len(spool) % 64 == 0:
                options.reading(len(spool), spool.size)
        if not len(spool):
            raise DataError(f"{_files(log)}: it holds no sample", hint="nothing was stored")
        return _recorded(repository, log, spool, name, options)


def line_for(text: str) -> str:
    """A text of a log as the name of a line of runs."""
    parts = [re.sub(r"[^A-Za-z0-9_.-]+|\.{2,}", "-", part).strip("-.") for part in text.split("/")]
    name = "/".join(part for part in parts if part)[:120].strip("-./") or "imported"
    with suppress(ThemisError):
        refname.check(f"names/{name}")
        return name
    return "imported"


class _Cases:
    """The cases of a dataset as often as they are wanted; the spool has checked them."""

    checked = True

    def __init__(self, spool: Spool, dataset: str) -> None:
        self._spool, self._dataset = spool, dataset

    def __iter__(self) -> Iterator[Case]:
        return self._spool.cases(self._dataset)


def _recorded(repository: Repository, log: Log, spool: Spool, name: str, options: Options) -> Recorded:
    job = _job(Workspace(Repository.memory(), dry=True), log, spool, name)
    run_id = snapshots.run_id_of(job.identity)
    agreed, disagreements = _held_against(log, spool)
    recorded = Recorded(
        outcome="dry run",
        tool=log.tool,
        version=log.version,
        model=log.model,
        name=name,
        run_id=run_id.hex(),
        samples={dataset: len(rows) for dataset, rows in spool.datasets.items()},
        answers=spool.answers,
        failed=spool.failed,
        means={scorer: tally.mean("") for scorer, tally in sorted(spool.tallies.items())},
        judged=_judged(spool),
        agreed=agreed,
        disagreements=disagreements,
        notes=log.notes,
    )
    if options.dry_run:
        return recorded
    if _is_here(repository, run_id, name):
        return replace(recorded, outcome="unchanged")
    workspace = Workspace(repository)
    check_line(workspace, name)
    job = _job(workspace, log, spool, name)
    result = asyncio.run(carry_out(workspace, job, RuntimeConfig(), options.observer))
    head = repository.ref(f"names/{name}")
    assert head is not None
    origin = f"{log.tool} {_files(log)}"
    repository.commit([], message="", local={FROM + head.hex(): origin.encode()})
    return replace(recorded, outcome="imported", result=result)


def _job(workspace: Workspace, log: Log, spool: Spool, name: str) -> Job:
    components = _components(log, spool)
    settings = Settings(samples=log.samples_each)
    datasets = [
        Dataset(dataset, _Cases(spool, dataset), log.revisions.get(dataset), {"tool": log.tool})
        for dataset in spool.datasets
    ]
    cases = store_cases(workspace, datasets)
    stages = {stage: snapshots.stage_identity(stage, components, settings) for stage in STAGES}
    return Job(
        name=name,
        identity=Identity(cases.cases, cases.datasets, cases.revisions, stages),
        provenance=lambda: _provenance(log, components),
        cases=cases,
        components=components,
        settings=settings,
        retry_failed=False,
        passed_through=frozenset({"parse"} if log.samples_each > 1 else {"reduce", "parse"}),
        reason=f"import {log.tool}",
    )


def _components(log: Log, spool: Spool) -> Components:
    judged = _judged(spool)
    asked = {model for scorer in judged for model in spool.tallies[scorer].asked}
    return Components(
        generator=Generator(log, spool, log.model),
        reducer=MajorityVote() if log.samples_each > 1 else PassthroughReducer(),
        parser=PassthroughParser(),
        metrics=[(JudgeMetric if scorer in judged else Metric)(log, spool, scorer) for scorer in sorted(spool.tallies)],
        judge_models=[Judge(log, spool, model) for model in sorted(asked)],
    )


def _judged(spool: Spool) -> list[str]:
    """The scorers of which the log has a judge's words for whatever they scored."""
    return sorted(
        scorer
        for scorer, tally in spool.tallies.items()
        if tally.asked and tally.judged == sum(map(len, tally.values.values()))
    )


def _provenance(log: Log, components: Components) -> dict[str, Any]:
    # The source tree that the command happens to run in has nothing to do with the log.
    surroundings = {name: value for name, value in capture().items() if name != "git"}
    imported = {
        "tool": log.tool,
        "version": log.version,
        "model": log.model,
        "created": log.created,
        "configuration": log.configuration,
        "files": msgspec.to_builtins(log.files),
    }
    return {
        **surroundings,
        "components": snapshots.rebuild_instructions(components),
        "imported": redacted(imported),
    }


def _held_against(log: Log, spool: Spool) -> tuple[int, list[Disagreement]]:
    """Compare the means of the samples with those that the tool states."""
    agreed, found = 0, []
    for scorer, by_dataset in log.summary.items():
        for dataset, stated in by_dataset.items():
            mean = spool.tallies[scorer].mean(dataset) if scorer in spool.tallies else None
            if mean is not None and abs(mean - stated) <= TOLERANCE * max(1.0, abs(stated)):
                agreed += 1
            else:
                found.append(Disagreement(scorer, dataset, stated, mean))
    return agreed, found


def _is_here(repository: Repository, run_id: bytes, name: str) -> bool:
    """Whether the line of runs has this run, finished."""
    head, line = repository.ref(f"runs/{run_id.hex()}/head"), repository.ref(f"names/{name}")
    if head is None or line is None or not comes_after(repository, line, head):
        return False
    run = repository.load(head, Run)
    return run.completed_through == STAGES[-1] and run.status != "interrupted"


def _files(log: Log) -> str:
    names = [each.name for each in log.files]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
