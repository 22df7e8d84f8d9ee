"""Attacks that are after memory or time, in a process that has 256 MB more than before, and two seconds, for each."""

from __future__ import annotations

import subprocess
import sys

import pytest

ATTACKS = {
    "needs": "more than 1,048,576 objects are needed from elsewhere",
    "dictionaries": "more than 33,554,432 bytes of dictionaries",
    "answer": "answers with more objects than fit in an answer",
    "chain": "expected an object of kind run, found a tag",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_refused_within_its_limits(name: str) -> None:
    command = [sys.executable, "-m", "tests.support.heavy_attacks", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, ATTACKS[name] in done.stdout) == (0, True), (done.stdout[-500:], done.stderr[-2_000:])
