"""Comparing two runs of many cases, as a person does it: the command, with all that a process has to load.

Both metrics differ between the runs: one gives zeros and ones, the other a number that is hardly ever there twice. The
runs are on lines of their own, as those of two models are.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3
from msgspec import structs

from tests.benchmarks.figure import Dose, Figure, clock
from tests.benchmarks.workload import Cases, experiment
from themis_vcs import Case, Experiment, ParsedOutput, Score
from themis_vcs.store.repository import Repository

_WANTED = 5.0


@dataclass
class Drawn:
    """A metric that looks like one of a model of this `skill`: for a case always the same, and anything from 0 to 1."""

    skill: float
    binary: bool

    @property
    def component_id(self) -> str:
        return "bench/right" if self.binary else "bench/graded"

    def fingerprint(self) -> str:
        return f"{self.component_id}:{self.skill}"

    def score(self, parsed: ParsedOutput, case: Case, ctx: Any) -> Score:
        hashed = blake3(f"{self.component_id}/{case.case_id}".encode()).digest()
        drawn = int.from_bytes(hashed[:6], "big") / 2**48
        return Score(self.component_id, float(drawn < self.skill) if self.binary else drawn**self.skill)


def rows(dose: Dose, directory: Path) -> Iterator[Figure]:
    """Yield the seconds of `themis compare`: where runs left notes of their scores, and in a clone, which has none."""
    size, store, clone = dose.unchanged, directory / "store", directory / "clone"
    with Repository.init(store) as repository:
        for name, skill in (("base", 0.7), ("candidate", 0.72)):
            drawn_experiment(size, name, skill).run(store=repository)
    themis(directory, "clone", str(store), str(clone))
    for path, what in ((store, ""), (clone / ".themis", " of a clone")):
        command = ("--store", str(path), "compare", "base", "candidate", "--json")
        best = min(clock(lambda: themis(directory, *command)).wall for _ in range(dose.rounds))  # noqa: B023
        yield Figure(f"compare {size:,} cases × 2 metrics{what}", best, "s", most=_WANTED)


def themis(directory: Path, *arguments: str) -> None:
    """Run the command in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [str(Path(sys.executable).with_name("themis")), *arguments]
    subprocess.run(command, check=True, cwd=directory, env=environment, capture_output=True)


def drawn_experiment(size: int, name: str, skill: float) -> Experiment:
    """Return an experiment of two metrics whose scores are drawn."""
    made = experiment(Cases(size))
    metrics = [Drawn(skill, binary=True), Drawn(skill, binary=False)]
    evaluation = structs.replace(made.evaluation, metrics=metrics, judge_models=[])
    return dataclasses.replace(made, name=name, evaluation=evaluation)
