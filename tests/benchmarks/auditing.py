"""An audit of a run of many cases through all levels, in a process of its own, with the memory that it takes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.comparing import drawn_experiment
from tests.benchmarks.figure import Dose, Figure, clock, in_a_process
from tests.benchmarks.full_run import Peak
from themis_vcs.audit.audit import Audit
from themis_vcs.store.repository import Repository


def rows(dose: Dose, directory: Path) -> Iterator[Figure]:
    """Yield seconds and memory of the audit of a run with two metrics."""
    size = dose.unchanged
    with Repository.init(directory / "store") as repository:
        drawn_experiment(size, "main", 0.7).run(store=repository)
    found = in_a_process(__spec__.name, directory / "store")
    assert found["outcomes"] == ["reproduced", "reproduced"], found
    yield Figure(f"audit of {size:,} cases × 2 metrics", found["wall"], "s", most=60, note=f"{found['read']:,} objects")
    yield Figure("memory of the audit", found["memory"] / 2**20, "MiB", most=300)


def _main() -> None:
    with Repository.open(Path(sys.argv[1]), readonly=True) as repository, Peak() as peak:
        oid = repository.ref("names/main")
        assert oid is not None
        audit = Audit(repository, oid)
        time = clock(lambda: list(audit.findings()))
    read = sum(sum(each.checked.values()) for each in audit.verdicts)
    outcomes = [each.outcome for each in audit.verdicts]
    print(json.dumps({"wall": time.wall, "memory": peak.bytes, "read": read, "outcomes": outcomes}))


if __name__ == "__main__":
    _main()
