"""kill -9 during a run: what was acknowledged is there, the store is sound, the next run repeats what was in flight."""

from __future__ import annotations

import random
from pathlib import Path

from tests.support import killing
from tests.support.killing import FULL, Judge, Tally, needs_strace

KILLS = 100 if FULL else 12
POINTS = 18
RUNS = 8 if FULL else 1
LIVES = 60
PAUSE = 0.004
TARGETED = 0.9
BETWEEN = 0.05


def test_kill_at_random(tmp_path: Path, judge: Judge) -> None:
    tally = Tally("kill -9 at random")
    draw = random.Random(20261123)
    for number in range(KILLS):
        transaction = 1 + number * judge.transactions // KILLS
        targeted = draw.random() < TARGETED
        delay = draw.uniform(0, 0.6 * judge.transaction if targeted else BETWEEN)
        trial = killing.kill(tmp_path / "kill", transaction, delay, PAUSE)
        record = trial.record
        kind = "after the end" if record.done else "inside a transaction" if record.inside else "outside"
        tally.add(f"{delay * 1e3:.1f} ms into transaction {transaction}", judge.problems(trial), kind)
        trial.clear()
    text = tally.report()
    assert tally.failures == [], text
    assert tally.counts["inside a transaction"] >= KILLS / (2 if FULL else 4), text


def test_a_run_that_is_killed_again_and_again_gets_done(tmp_path: Path, judge: Judge) -> None:
    tally = Tally("kill -9 of one run, again and again")
    draw = random.Random(20261124)
    for run in range(RUNS):
        trial = killing.kill(tmp_path / "kill", 1, 0, PAUSE)
        while not trial.record.done and tally.tried < LIVES * (run + 1):
            trial = killing.kill(tmp_path / "kill", draw.randint(1, 4), draw.uniform(0, judge.transaction), PAUSE)
            problems = [f"called again although acknowledged: {step}" for step in trial.record.repeated]
            tally.add(f"life {tally.tried + 1}", problems)
        tally.add(f"run {run}", judge.problems(trial), "done" if trial.record.done else "given up")
        trial.clear()
    text = tally.report()
    assert tally.failures == [], text
    assert tally.counts["done"] == RUNS, text


@needs_strace
def test_kill_at_every_write_and_sync(tmp_path: Path, judge: Judge) -> None:
    tally = Tally("kill -9 at every write and sync call")
    for point in killing.sample(killing.points(tmp_path / "trace"), POINTS):
        trial = killing.tampered(tmp_path / "kill", point, "signal=KILL")
        kinds = ["killed" if trial.tampered else "not reached"]
        if trial.record.inside:
            kinds.append("inside a transaction")
        tally.add(str(point), judge.problems(trial), *kinds)
        trial.clear()
    text = tally.report()
    assert tally.failures == [], text
    # Now and then a run needs a write more or less than the one that was traced.
    assert tally.counts["not reached"] <= max(3, tally.tried / 20), text
