"""A report of a run of many cases, as a person makes it: the command, with all that a process has to load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.comparing import drawn_experiment, themis
from tests.benchmarks.figure import Dose, Figure, clock
from themis_vcs.store.repository import Repository

_WANTED = 5.0


def rows(dose: Dose, directory: Path) -> Iterator[Figure]:
    """Yield the seconds of `themis report` in each form that is not another one's spelling."""
    size, store = dose.unchanged, directory / "store"
    with Repository.init(store) as repository:
        drawn_experiment(size, "main", 0.7).run(store=repository)
    for form in ("table", "csv", "jsonl", "json", "html"):
        options = () if form == "table" else ("-o", f"r.{form}", "--force")
        command = ("--store", str(store), "report", "main", "--format", form, *options)
        best = min(clock(lambda: themis(directory, *command)).wall for _ in range(dose.rounds))  # noqa: B023
        yield Figure(f"report of {size:,} cases × 2 metrics as {form}", best, "s", most=_WANTED)
