"""The demonstration says what was built and what was reused, on the recorded answers and verdicts."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COUNTS = re.compile(r"^(generate|reduce|parse|score|judge) +(\d+) +(\d+) +(\d+)", re.M)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = str(tmp_path_factory.mktemp("demo"))
    done = subprocess.run(
        [ROOT / "scripts" / "demo"],
        env={**os.environ, "HOME": directory, "TMPDIR": directory, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demonstration_rebuilds_what_changed_and_nothing_else(said: str) -> None:
    runs = [said.split("$ themis ")[number] for number in (2, 3, 4)]
    counts = [{stage: (int(b), int(r), int(f)) for stage, b, r, f in COUNTS.findall(run)} for run in runs]
    full = {"generate": (600, 0, 0), "reduce": (200, 0, 0), "parse": (200, 0, 0), "score": (200, 0, 0)}
    assert counts[0] == {**full, "judge": (200, 0, 0)}
    changed = counts[1]["score"][0]
    assert 0 < changed < 200
    partly = (changed, 200 - changed, 0)
    kept = {"generate": (0, 600, 0), "reduce": (0, 200, 0)}
    assert counts[1] == {**kept, "parse": (200, 0, 0), "score": partly, "judge": partly}
    assert counts[2] == {**kept, "parse": (0, 200, 0), "score": (0, 200, 0), "judge": (200, 0, 0)}


def test_what_the_demonstration_leaves_can_be_looked_at_and_taken_away(said: str) -> None:
    (kept,) = re.findall(r"^  cd (.+)$", said, re.M)
    assert (Path(kept) / ".themis" / "format").exists()
    assert f"  rm -r {kept}\n" in said
