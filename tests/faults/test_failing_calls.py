"""Every write and sync call of a run fails once: the run ends by an error that says so, and nothing is lost by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import killing
from tests.support.killing import Judge, Tally, Trial, needs_strace

POINTS = {"error=ENOSPC": 9, "error=EIO": 9, "retval=100": 5}


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
    # Now and then a run needs a write more or less than the one that was traced.
    assert tally.counts["not reached"] <= max(3, tally.tried / 20), text


def _wrong(trial: Trial) -> list[str]:
    record = trial.record
    if not record.done:
        as_it_should = trial.status == 1 and record.raised.startswith("StorageError ")
        return [] if as_it_should else [f"status {trial.status}: {record.raised}\n{trial.stderr[-600:]}"]
    # Only the note who holds the write lock may be lost in silence.
    unnoticed = trial.tampered and "write.lock" not in trial.tampered
    return [f"taken for a success: {trial.tampered}"] if unnoticed else []


def _ended(trial: Trial) -> str:
    if not trial.tampered:
        return "not reached"
    return "done, for it does not matter" if trial.record.done else trial.record.raised.partition(" ")[0]
