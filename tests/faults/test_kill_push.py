"""`themis push` to a store on this machine and `themis pull` from it are killed at random moments.

No ref has moved before its closure is there, both stores are sound, and a repeat finishes and sends nothing again that
arrived. The full dose (THEMIS_FAULTS=full) takes 100 moments each.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.commandline import COMMAND, Project, environment
from tests.support.killing import FULL, Tally
from tests.support.stores import store_run
from themis_vcs.store.fsck import fsck
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import lacking

CASES = 6_000 if FULL else 2_500
KILLS = 100 if FULL else 5
SEED = os.environ.get("THEMIS_SEED", "1")


@pytest.mark.parametrize("verb", ["push", "pull"])
def test_a_transfer_that_is_killed_goes_on(verb: str, tmp_path: Path) -> None:
    template = tmp_path / "template"
    with Repository.init(template / "here" / ".themis") as here, Repository.init(template / "there"):
        run = store_run(here, CASES).run
    source, target = (".themis", "../there")
    if verb == "pull":
        (template / "there").rename(template / "empty")
        (template / "here" / ".themis").rename(template / "there")
        (template / "empty").rename(template / "here" / ".themis")
        source, target = target, source
    draw, tally = random.Random(SEED), Tally(f"a {verb} on a path that is killed")
    whole = shutil.copytree(template, tmp_path / "whole")
    started = time.perf_counter()
    assert Project(whole / "here")(verb, "../there").status == 0
    seconds = time.perf_counter() - started
    for number in range(KILLS):
        here_path = shutil.copytree(template, tmp_path / str(number)) / "here"
        process = subprocess.Popen(
            [COMMAND, verb, "../there"], cwd=here_path, env=environment(), stdout=subprocess.DEVNULL
        )
        time.sleep(draw.uniform(0.2, 1.0) * seconds)
        process.kill()
        outcome = "killed" if process.wait() < 0 else "through"
        problems = []
        with Repository.open(here_path / source) as ours, Repository.open(here_path / target) as theirs:
            arrived = theirs.statistics().objects
            moved = theirs.ref("names/demo") is not None
            left = sum(1 for _ in lacking(StoreEndpoint(ours), StoreEndpoint(theirs), [run]))
            if moved and left:
                problems.append("the ref moved before its closure was there")
        again = Project(here_path)(verb, "../there", "--json")
        if again.status != 0 or again.document["objects"] != (0 if moved else left):
            problems.append(
                f"the repeat ended with {again.status}: {again.err or again.document['objects']}, not {left}"
            )
        for store in (source, target):
            problems += [finding.message for finding in fsck(here_path / store).findings]
        tally.add(str(number), problems, outcome + (" inside" if arrived > 0 and left else ""))
        shutil.rmtree(here_path.parent)
    text = tally.report()
    assert tally.failures == [], text
    assert tally.tried == KILLS
