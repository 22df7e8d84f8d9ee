"""8 processes that run, replay, push, collect and forget on one store: nothing reached is lost, no update either."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.support.crowd import SHARED
from tests.support.killing import FULL, ROOT, Tally
from themis_vcs.store.fsck import fsck
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.history import runs_behind

SECONDS = 60 if FULL else 8
CROWD = ("run", "run", "replay", "push", "push", "gc", "gc", "forget")


def test_a_crowd_on_one_store(tmp_path: Path) -> None:
    store = tmp_path / "store"
    Repository.init(store).close()
    tally = Tally(f"8 processes on one store for {SECONDS} s")
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.crowd", kind, str(store), str(number), str(SECONDS)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        )
        for number, kind in enumerate(CROWD)
    ]  # fmt: skip
    last: dict[str, str] = {}
    done: Counter[str] = Counter()
    gone: set[str] = set()
    together: set[str] = set()
    for kind, process in zip(CROWD, processes, strict=True):
        said, errors = process.communicate(timeout=SECONDS + 120)
        lines = [json.loads(line) for line in said.splitlines()]
        for what, value in lines:
            done[what if "/" not in what else kind] += 1
            if what.startswith("names/"):
                last[what] = value
            if what == "forgotten":
                gone.add(value)
            if what == SHARED:
                together.add(value)
        problem = [f"{kind}: {errors[-1000:]}"] if process.returncode else []
        tally.add(kind, problem, *(f"{kind} given way" for what, _ in lines if what == "again"))
    tally.failures += _problems(store, last, gone, together)
    tally.counts.update(done)
    text = tally.report()
    assert tally.failures == [], text
    assert min(done[what] for what in ("run", "replay", "push", "collected", "forgotten")) > 0, text


def _problems(store: Path, last: dict[str, str], gone: set[str], together: set[str]) -> list[str]:
    problems = [f"fsck: {finding.message}" for finding in fsck(store).findings if finding.severity == "damage"]
    if problems:
        return problems
    with Repository.open(store, readonly=True) as repository:
        for name, oid in last.items():
            at = repository.ref(name)
            if at is None or at.hex() != oid:
                problems.append(f"lost: {name} was moved to {oid}, and is at {at and at.hex()}")
        for _ in repository.walk(oid for _, oid in repository.refs()):
            pass
        problems += [f"{oid} was forgotten, and is here" for oid in gone if repository.has(bytes.fromhex(oid))]
        line = {oid.hex() for oid, _ in runs_behind(repository, repository.ref(f"names/{SHARED}") or b"")}
        problems += [f"lost: run {oid} is not in the line {SHARED}" for oid in together - line]
    return problems
