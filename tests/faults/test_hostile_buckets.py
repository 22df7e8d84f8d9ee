"""Buckets with something wrong in them are refused, in bounded memory and time, and move no ref of who fetches.

THEMIS_FAULTS=full tries 20,000 instead of 400; THEMIS_SEED is the seed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.support.killing import FULL, Tally

BUCKETS = 20_000 if FULL else 400
SEED = os.environ.get("THEMIS_SEED", "1")


def test_a_hostile_bucket_is_refused() -> None:
    tally = Tally("a bucket with something wrong in it")
    command = [sys.executable, "-m", "tests.support.hostile_buckets", str(BUCKETS), SEED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    for outcome, count in json.loads(done.stdout).items():
        problems = [outcome] if outcome.isupper() else []
        for number in range(count):
            tally.add(f"{outcome} {number}", problems, outcome)
    text = tally.report()
    assert tally.failures == [], text
    assert tally.tried == BUCKETS
