"""What a benchmark says: figures beside what is wanted of them, and the clocks that they come from.

The machine may be shared, so what is compared takes turns, and a ratio is the median of the ratios of the rounds.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Figure:
    """One row. `least` and `most` are what is wanted of the value; without either it is there to be compared with."""

    row: str
    value: float
    unit: str = "×"
    least: float | None = None
    most: float | None = None
    note: str = ""

    @property
    def ok(self) -> bool | None:
        if self.least is None and self.most is None:
            return None
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def wanted(self) -> str:
        bounds = [f"{sign} {bound:,g}" for sign, bound in (("≥", self.least), ("≤", self.most)) if bound is not None]
        return " and ".join(bounds) or "-"

    def __str__(self) -> str:
        number = f"{self.value:,.0f}" if abs(self.value) >= 100 else f"{self.value:.3g}"
        verdict = {True: "yes", False: "NO", None: "-"}[self.ok]
        line = f"{self.row} | {number} {self.unit} | {self.wanted} | {verdict}"
        return f"{line}   ({self.note})" if self.note else line

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok}


@dataclass(frozen=True)
class Dose:
    """How much is measured. `files` is for tools that keep one file per record, `runs` the sizes of full runs."""

    records: int = 100_000
    files: int = 10_000
    runs: tuple[int, int, int] = (1_000, 10_000, 50_000)
    unchanged: int = 100_000
    cases: int = 10_000
    calls: int = 500
    rounds: int = 3
    starts: int = 40


QUICK = Dose(
    records=10_000, files=1_000, runs=(500, 2_000, 5_000), unchanged=5_000, cases=2_000, calls=100, rounds=1, starts=10
)


@dataclass(frozen=True)
class Time:
    """Seconds on the wall, and of all processors of this process."""

    wall: float
    cpu: float


def clock(action: Callable[[], object]) -> Time:
    """Run an action once."""
    cpu, wall = time.process_time(), time.perf_counter()
    action()
    return Time(time.perf_counter() - wall, time.process_time() - cpu)


def in_turns(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Run all contestants once per round; wall seconds by name, one per round."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, action in contestants.items():
            seconds[name].append(clock(action).wall)
    return seconds


def ratio(numbers: Sequence[float], others: Sequence[float]) -> float:
    """Return the median over the rounds of number / other."""
    return median(number / other for number, other in zip(numbers, others, strict=True))


def in_a_process(module: str, *arguments: object) -> Any:
    """Run a module in a new process and return the JSON that it prints."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, cwd=_ROOT, stdout=subprocess.PIPE, text=True).stdout)
