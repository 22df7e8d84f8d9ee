"""Full runs of the trivial evaluation: cases per second, how the time grows, how memory grows.

Each run is a process of its own: this module with a number of cases prints what it took. Memory is RssAnon, since the
pages of LMDB's map that are resident are the kernel's cache of a file.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.figure import Dose, Figure, clock, in_a_process
from tests.benchmarks.workload import Cases, experiment
from themis_vcs.store.repository import Repository

_SAMPLE_SECONDS = 0.05


def rows(dose: Dose, directory: Path) -> Iterator[Figure]:
    """Yield figures of the sizes of a dose; the least of the rounds counts, since a shared machine only adds.

    The largest size is measured in every other round, and takes so long that it meets fast and slow moments alike.
    So what it is compared with is the median of many short runs before and after.
    """
    small, middle, large = dose.runs
    runs: dict[int, list[dict[str, float]]] = {size: [] for size in dose.runs}
    for number in range(dose.rounds):
        for size in (small, small, large, small, small, middle) if number % 2 == 0 else (small, middle):
            runs[size].append(in_a_process(__spec__.name, size, directory))
    best = {size: min(run["wall"] for run in found) for size, found in runs.items()}
    for size in dose.runs:
        processor = size / min(run["cpu"] for run in runs[size])
        note = f"{processor:,.0f} per second of processor time"
        least = 2_000 if size == middle else None
        yield Figure(f"full run of {size:,} cases", size / best[size], "cases/s", least=least, note=note)
    usual = {size: median(run["wall"] for run in found) for size, found in runs.items()}
    growth = (usual[large] / large) / (usual[small] / small)
    yield Figure(f"time per case at {large:,} over that at {small:,}", growth, most=1.2)
    memory = runs[large][0]["memory"] - min(run["memory"] for run in runs[small])
    yield Figure("growth of memory per case between these", memory / (large - small), "bytes", most=2_048)
    yield Figure(f"store of {middle:,} cases", runs[middle][0]["bytes"] / middle / 1024, "KB per case")


class Peak(threading.Thread):
    """Watches the anonymous memory of this process, in bytes, for as long as the block lasts."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            self.bytes = max(self.bytes, anonymous())

    def __enter__(self) -> Peak:
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self.join()
        self.bytes = max(self.bytes, anonymous())


def anonymous() -> int:
    """Return the bytes of resident memory of this process that no file backs."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def _main() -> None:
    size, directory = int(sys.argv[1]), Path(sys.argv[2])
    described = experiment(Cases(size))
    with tempfile.TemporaryDirectory(dir=directory) as place, Repository.init(Path(place) / "store") as repository:
        with Peak() as peak:
            time = clock(lambda: described.run(store=repository))
        taken = repository.statistics().file_bytes
    print(json.dumps({"wall": time.wall, "cpu": time.cpu, "memory": peak.bytes, "bytes": taken}))


if __name__ == "__main__":
    _main()
