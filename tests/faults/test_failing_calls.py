"""Every write and sync call of a run fails once: the run ends by an error that says so, and nothing is lost by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import killing
from tests.support.killing import Judge, Point, Tally, Trial, needs_strace

POINTS = {"error=ENOSPC": 9, "error=EIO": 9, "retval=100": 3}


@needs_strace
@pytest.mark.parametrize("effect", POINTS)
def test_a_call_that_fails(effect: str, tmp_path: Path, judge: Judge) -> None:
    tally = Tally(f"a write or sync call with {effect}")
    calls = killing.PAGES if effect.startswith("retval") else killing.CALLS
    for point in killing.sample(killing.points(tmp_path / "trace", calls), POINTS[effect]):
        trial = killing.tampered(tmp_path / "fail", point, effect)
        tally.add(str(point), _wrong(trial, point) + judge.problems(trial), _ended(trial))
        trial.clear()
    text = tally.report()
    assert tally.failures == [], text


def _wrong(trial: Trial, point: Point) -> list[str]:
    record = trial.record
    if record.done:
        return ["taken for a success"] if trial.tampered and point.vital else []
    if trial.status == 1 and record.raised.startswith("StorageError "):
        return []
    return [f"ended with status {trial.status}: {record.raised}\n{trial.stderr[-600:]}"]


def _ended(trial: Trial) -> str:
    if not trial.tampered:
        return "not reached"
    return "done, for it does not matter" if trial.record.done else trial.record.raised.partition(" ")[0]
