"""Packs and bundles with something wrong in them are refused, in bounded memory and time; the store stays sound.

THEMIS_FAULTS=full tries 10,000 instead of 400; THEMIS_SEED is the seed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

from tests.support.killing import Tally

PACKS = 10_000 if os.environ.get("THEMIS_FAULTS") == "full" else 400
SEED = os.environ.get("THEMIS_SEED", "1")


def test_a_hostile_pack_or_bundle_is_refused() -> None:
    tally = Tally("a pack or a bundle with something wrong in it")
    command = [sys.executable, "-m", "tests.support.hostile_packs", str(PACKS), SEED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    for outcome, count in json.loads(done.stdout).items():
        problems = [outcome] if re.search("[A-Z]{2}", outcome) else []
        for number in range(count):
            tally.add(f"{outcome} {number}", problems, outcome)
    text = tally.report()
    assert tally.failures == [], text
    assert tally.tried == PACKS
