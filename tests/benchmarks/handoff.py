"""Stage bundles as JSON Lines: records per second out of a store and into another one, and the memory that it takes.

Each way is a process of its own: this module with a direction, a number of cases and a directory. The bundle is one of
generations, so beside each record it has a case.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.figure import Dose, Figure, clock, in_a_process
from tests.benchmarks.full_run import Peak
from tests.benchmarks.workload import Cases, experiment
from themis_vcs.handoff.stages.adopt import Options
from themis_vcs.handoff.stages.files import export, take
from themis_vcs.store.repository import Repository


def rows(dose: Dose, directory: Path) -> Iterator[Figure]:
    """Yield figures of a dose; the fastest of the rounds counts, since a shared machine only adds."""
    with Repository.init(directory / "here") as repository:
        experiment(Cases(dose.records)).run(store=repository, until_stage="generate")
    found = {
        way: [in_a_process(__spec__.name, way, directory, number) for number in range(dose.rounds)]
        for way in ("export", "import")
    }
    for way, rounds in found.items():
        processor = dose.records / min(each["cpu"] for each in rounds)
        rate = dose.records / min(each["wall"] for each in rounds)
        note = f"{processor:,.0f} per second of processor time"
        yield Figure(f"{way} of {dose.records:,} records as JSON Lines", rate, "records/s", least=10_000, note=note)
        memory = max(each["memory"] for each in rounds) / 2**20
        yield Figure(f"memory of the {way}", memory, "MiB", most=200)


def _main() -> None:
    way, directory, number = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    path = directory / "generation.jsonl"
    if way == "export":
        with (
            Repository.open(directory / "here", readonly=True) as repository,
            path.open("wb") as target,
            Peak() as peak,
        ):
            time = clock(lambda: export(repository, "main", "generate", target, "jsonl"))
    else:
        with Repository.init(directory / f"there-{number}") as repository, path.open("rb") as source, Peak() as peak:
            time = clock(lambda: take(repository, source, path.name, "generate", Options()))
    print(json.dumps({"wall": time.wall, "cpu": time.cpu, "memory": peak.bytes}))


if __name__ == "__main__":
    _main()
