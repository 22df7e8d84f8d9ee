"""kill -9 while a store is collected, repaired or made to forget: nothing reached is lost, the next call finishes."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import upkeep
from tests.support.killing import FULL, ROOT, TIMEOUT, Tally, needs_strace, sample
from tests.support.upkeep import PROGRAMS

KILLS = 60 if FULL else 4
POINTS = 4


@pytest.mark.parametrize("what", PROGRAMS)
def test_kill_at_random(tmp_path: Path, what: str) -> None:
    scene = upkeep.scene(tmp_path, damaged=what == "repair")
    began = time.monotonic()
    subprocess.run(upkeep.program(what, scene.copy(tmp_path / "whole"), scene.other), cwd=ROOT, check=True)
    whole = time.monotonic() - began
    tally = Tally(f"kill -9 of {what} at random")
    draw = random.Random(20261128)
    for number in range(KILLS):
        store = scene.copy(tmp_path / "killed")
        with subprocess.Popen(upkeep.program(what, store, scene.other), cwd=ROOT) as process:
            try:
                process.wait(draw.uniform(0.3, 0.95) * whole)
            except subprocess.TimeoutExpired:
                process.kill()
        kind = "after the end" if process.wait(TIMEOUT) == 0 else "killed"
        tally.add(f"kill {number}", scene.problems(what, store), kind)
    text = tally.report()
    assert tally.failures == [], text
    assert tally.counts["killed"] >= KILLS / 4, text


@needs_strace
@pytest.mark.parametrize("what", PROGRAMS)
def test_kill_at_every_write_and_sync(tmp_path: Path, what: str) -> None:
    scene = upkeep.scene(tmp_path, damaged=what == "repair")
    tally = Tally(f"kill -9 of {what} at every write and sync call")
    store = tmp_path / "killed"
    for point in sample(upkeep.points(what, scene.copy(store), scene.other, tmp_path / "trace"), POINTS):
        kind = "killed" if upkeep.killed(what, scene.copy(store), scene.other, point) else "not reached"
        tally.add(str(point), scene.problems(what, store), kind)
    text = tally.report()
    assert tally.failures == [], text
    assert tally.counts["not reached"] <= max(3, tally.tried / 20), text
