"""Ctrl-C during a run, once or impatiently: what was finished is kept, the store is sound, the next run goes on."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import killing, scripted
from tests.support.killing import FULL, Judge, Tally, Trial
from themis_vcs.store.gate import Gate
from themis_vcs.store.repository import Repository

TRIALS = 40 if FULL else 5
PAUSE = 0.01


def _interrupted(place: Path, times: int, draw: random.Random, judge: Judge) -> Trial:
    with killing.running(place, PAUSE) as program:
        program.enter(draw.randint(3, judge.transactions - 5))
        for _ in range(times):
            time.sleep(draw.uniform(0, 0.02))
            program.process.send_signal(signal.SIGINT)
        return program.end()


@pytest.mark.parametrize("times", [1, 3])
def test_interrupts_at_random(times: int, tmp_path: Path, judge: Judge) -> None:
    tally = Tally(f"SIGINT at random, {times} in a row")
    draw = random.Random(20261125 + times)
    for number in range(TRIALS):
        trial = _interrupted(tmp_path / "run", times, draw, judge)
        record = trial.record
        problems = judge.problems(trial)
        if times == 1:
            lost = set(record.built) - set(record.steps.values())
            problems += [f"finished and not kept: {step}" for step in lost]
        if not record.done and not record.raised.startswith("KeyboardInterrupt"):
            problems.append(f"ended by {record.raised}")
        tally.add(f"trial {number}", problems, "after the end" if record.done else "interrupted")
        trial.clear()
    text = tally.report()
    assert tally.failures == [], text
    assert tally.counts["interrupted"] >= TRIALS / 2, text


@pytest.mark.parametrize("component", ["parser", "equal"])
def test_calls_of_plain_components_that_have_returned_are_kept(component: str, tmp_path: Path, judge: Judge) -> None:
    with killing.running(tmp_path / "run", 0.08) as program:
        called = 0
        while called < 10:
            called = sum(name == component for name, _ in program.trial.record.calls)
            time.sleep(0.01)
        program.process.send_signal(signal.SIGINT)
        trial = program.end()
    record = trial.record
    called = sum(name == component for name, _ in record.calls)
    assert called < scripted.CASES, "it was interrupted too late"
    assert sum(name == component for name, _ in record.steps.values()) >= called - 1
    assert judge.problems(trial) == []


def test_an_interrupt_in_the_midst_of_a_read_does_not_keep_the_store_from_closing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(gate: Gate) -> None:
        enter(gate)
        raise KeyboardInterrupt

    enter = Gate.enter
    repository = Repository.init(tmp_path / "store")
    with monkeypatch.context() as patch:
        patch.setattr(Gate, "enter", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(repository.refs())
    with _within(5):
        repository.close()


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    def too_long(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
