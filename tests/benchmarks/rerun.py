"""Runs that have little to do: nothing has changed, one case is new, one case in a hundred is another.

What the parts of a run take is measured by wrapping the functions that do them; nothing in the product counts. The run
without a change is a process of its own: this module with a number of cases and the store prints its parts.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.benchmarks.figure import Dose, Figure, clock, in_a_process
from tests.benchmarks.workload import Cases, experiment
from themis_vcs.pipeline import experiment as experiments
from themis_vcs.pipeline import run as runs
from themis_vcs.pipeline.workspace import Workspace
from themis_vcs.store.repository import Repository

_PARTS = {"dataset": (experiments, "store_cases"), "planner": (runs, "plan_track"), "summary": (runs, "metric_means")}


def rows(dose: Dose, directory: Path) -> Iterator[Figure]:
    """Yield figures of the run without a change, then of those with one."""
    yield from _unchanged(dose.unchanged, dose.rounds, directory / "unchanged")
    with Repository.init(directory / "changed") as repository:
        full = clock(lambda: experiment(Cases(dose.cases)).run(store=repository)).wall
        yield from _one_more(dose.cases, repository, full)
        yield from _one_in_a_hundred(dose.cases, dose.rounds, repository, full)


def _unchanged(size: int, rounds: int, store: Path) -> Iterator[Figure]:
    with Repository.init(store) as repository:
        full = clock(lambda: experiment(Cases(size)).run(store=repository)).wall
    found = [in_a_process(__spec__.name, size, store) for _ in range(rounds)]
    best = {part: min(each[part] for each in found) for part in found[0]}
    what = f"nothing changed in {size:,} cases"
    yield Figure(f"{what}: planning", best["planner"] * 1000, "ms", most=100)
    rest = min(each["all"] - each["dataset"] - each["summary"] for each in found)
    yield Figure(f"{what}: all but dataset and summary", rest * 1000, "ms")
    yield Figure(f"{what}: reading the dataset", best["dataset"] / full * 100, "% of the full run")
    yield Figure(f"{what}: summary", best["summary"] / full * 100, "% of the full run")
    yield Figure(f"{what}: the whole run", best["all"] / full * 100, "% of the full run")


def _one_more(size: int, repository: Repository, full: float) -> Iterator[Figure]:
    parts = timed(lambda: experiment(Cases(size + 1)).run(store=repository))
    what = f"one case added to {size:,}"
    yield Figure(f"{what}: tree nodes read", parts["nodes"], "nodes", most=100, note="of about 1,000 in 11 trees")
    yield Figure(f"{what}: the whole run", parts["all"] / full * 100, "% of the full run")


def _one_in_a_hundred(size: int, rounds: int, repository: Repository, full: float) -> Iterator[Figure]:
    found, replays = [], []
    for number in range(rounds):
        changed = experiment(Cases(size, edited=100, edition=1 + 2 * number))
        found.append(timed(partial(changed.run, store=repository)))
        again = experiment(Cases(size, edited=100, edition=2 + 2 * number))
        again.run(store=repository, until_stage="reduce")
        replays.append(timed(partial(again.replay, stage="parse", store=repository))["all"])
    what = f"one case in a hundred of {size:,} changed"
    allowed = 0.02 * full + 0.1
    best = {part: min(each[part] for each in found) for part in found[0]}
    rest = min(each["all"] - each["dataset"] - each["summary"] for each in found)
    yield Figure(f"{what}: replay from parse / (2 % of the full run + 0.1 s)", min(replays) / allowed, "", most=1)
    yield Figure(f"{what}: run, all but dataset and summary / the same", rest / allowed, "")
    yield Figure(f"{what}: the whole run / the same", best["all"] / allowed, "")
    yield Figure(f"{what}: reading the dataset", best["dataset"] / full * 100, "% of the full run")
    yield Figure(f"{what}: summary", best["summary"] / full * 100, "% of the full run")
    yield Figure(f"{what}: the whole run", best["all"] / full * 100, "% of the full run")


def timed(action: Callable[[], object]) -> dict[str, float]:
    """Run an action; the seconds of its parts and of `all`, and how many tree `nodes` were read before the summary."""
    spent: dict[str, float] = defaultdict(float)
    workspaces: list[Workspace] = []

    def nodes() -> int:
        return sum(workspace.nodes_read for workspace in workspaces)

    def wrapped(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            if part == "summary":
                spent["nodes"] = nodes()
            try:
                return function(*arguments, **options)
            finally:
                spent[part] += time.perf_counter() - started

        return call

    def made(*arguments: Any, **options: Any) -> Workspace:
        workspaces.append(Workspace(*arguments, **options))
        return workspaces[-1]

    with ExitStack() as patches:
        for part, (module, name) in _PARTS.items():
            patches.enter_context(patch.object(module, name, wrapped(part, getattr(module, name))))
        patches.enter_context(patch.object(experiments, "Workspace", made))
        spent["all"] = clock(action).wall
    return spent


if __name__ == "__main__":
    with Repository.open(sys.argv[2]) as opened:
        print(json.dumps(timed(lambda: experiment(Cases(int(sys.argv[1]))).run(store=opened))))
