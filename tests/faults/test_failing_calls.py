"""Every write and sync call of a run fails once: the run ends by an error that says so, and nothing is lost by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import killing
from tests.support.killing import Judge, Tally, Trial, needs_strace

POINTS = {"error=ENOSPC": 10, "error=EIO": 10, "retval=100": 4}


@needs_strace
@pytest.mark.parametrize("effect", POINTS)
def test_a_call_that_fails(effect: str, tmp_path: Path, judge: Judge) -> None:
    tally = Tally(f"a write or sync call with {effect}")
    calls = killing.PAGES if effect.startswith("retval") else killing.CALLS
    for point in killing.sample(killing.points(tmp_path / "trace", calls), POINTS[effect]):
        trial = killing.tampered(tmp_path / "fail", point, effect)
        tally.add(str(point), _wrong(trial) + judge.problems(trial), _ended(trial))
        trial.clear()
    text = tally.report()
    assert tally.failures == [], text


def _wrong(trial: Trial) -> list[str]:
    """A run that says it is done may only do so if nothing that matters failed, which its judge will see."""
    record = trial.record
    if record.done:
        return [] if trial.status == 0 else [f"done, with status {trial.status}"]
    if trial.status == 1 and record.raised.startswith("StorageError "):
        return []
    return [f"ended with status {trial.status}: {record.raised}\n{trial.stderr[-600:]}"]


def _ended(trial: Trial) -> str:
    if not trial.tampered:
        return "not reached"
    return "done in spite of it" if trial.record.done else trial.record.raised.partition(" ")[0]
