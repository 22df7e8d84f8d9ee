"""The disk fills up during a run: an error says so, what was acknowledged is kept, and with more space it goes on."""

from __future__ import annotations

from pathlib import Path

from tests.support import killing
from tests.support.killing import FULL, Judge, Tally, Trial
from tests.support.mounts import Ballast, tmpfs

DISK = 8 << 20
SPARE = 1 << 20
ROOMS = 24 if FULL else 4
FILLED = 22 if FULL else 4


def test_a_disk_that_is_too_small(tmp_path: Path, judge: Judge) -> None:
    tally = Tally("too small a disk")
    with tmpfs(tmp_path / "disk", DISK) as disk:
        for number in range(ROOMS):
            room = SPARE + judge.size * number // ROOMS
            ballast = Ballast(disk)
            ballast.leave(room)
            with killing.running(tmp_path / "run", store=disk / "store") as program:
                trial = program.end()
            ballast.drop()
            _settle(tally, f"{room:,} bytes", trial, judge)
    text = tally.report()
    assert tally.failures == [], text


def test_a_disk_that_fills_up_inside_a_transaction(tmp_path: Path, judge: Judge) -> None:
    tally = Tally("a disk filled up inside a transaction")
    with tmpfs(tmp_path / "disk", DISK) as disk:
        for number in range(FILLED):
            transaction = 1 + judge.transactions * number // FILLED
            ballast = Ballast(disk)
            with killing.running(tmp_path / "run", store=disk / "store", held=True) as program:
                assert program.enter(transaction)
                ballast.leave(0)
                program.go_on()
                trial = program.end()
            ballast.drop()
            _settle(tally, f"transaction {transaction}", trial, judge)
    text = tally.report()
    assert tally.failures == [], text


def _settle(tally: Tally, name: str, trial: Trial, judge: Judge) -> None:
    record = trial.record
    problems = judge.problems(trial)
    if not (trial.status == 1 and record.raised.startswith("StorageError ") and "no space left" in record.raised):
        problems.append(f"status {trial.status}, done: {record.done}, raised {record.raised!r}")
    tally.add(name, problems, "acknowledged before" if record.steps else "nothing yet")
    trial.clear()
