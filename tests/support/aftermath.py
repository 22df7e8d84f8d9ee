"""What must hold of a store whose writer was killed or failed, judged from its journal.

    python -m tests.support.aftermath EXPECTED

reads a line of JSON per store from stdin, [STORE, JOURNAL], and answers each with a line: a list of what is wrong.
Every store is judged in a process of its own, since reading a damaged one may end it. EXPECTED is a file with the
outcome of undisturbed runs.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from tests.support import journal, scripted
from tests.support.journal import Journal, Record
from themis_vcs.model.derivation import key_of
from themis_vcs.model.objects import Run, Stage, Step, Value, references
from themis_vcs.model.objects import load as decode
from themis_vcs.pipeline import provenance
from themis_vcs.store.fsck import fsck
from themis_vcs.store.repository import Repository


def judge(store: Path, written: Path, expected: dict[str, Any]) -> list[str]:
    """Return what is wrong; two more runs are made in the store."""
    before = journal.read(written)
    problems: list[str] = []
    durable: dict[bytes, journal.Done] = {}
    if (store / "format").exists():
        problems += [f"fsck: {finding}" for finding in fsck(store).findings]
        with Repository.open(store) as repository:
            problems += _audit(repository)
            durable = _steps(repository)
            problems += _lost(repository, before, durable)
    elif before.opened:
        problems.append("the store is gone")
    problems += _next_run(store, written, durable, before, expected)
    problems += _third_run(store, written, expected)
    return problems


def _audit(repository: Repository) -> list[str]:
    """Read everything, without fsck: every object, what it refers to, and where indexes and refs lead."""
    objects = dict(repository.backend.everything())
    needed = {oid: "an object" for payload in objects.values() for oid in references(decode(payload))}
    needed.update((oid, "a derivation") for _, oid in repository.backend.derivations())
    needed.update((row[:32], "a track") for _, row in repository.backend.tracks())
    for name, oid in repository.refs():
        moves = repository.reflog(name)
        needed.update((move.new, f"the reflog of {name}") for move in moves if move.new)
        needed[oid] = name
        if not moves or moves[0].new != oid:
            return [f"{name} is not where its reflog ends"]
    return [f"{user} needs {oid.hex()}, which is not there" for oid, user in needed.items() if oid not in objects]


def _steps(repository: Repository) -> dict[bytes, journal.Done]:
    found = {}
    for key, oid in repository.backend.derivations():
        step = repository.load(oid, Step)
        repository.load(step.value or b"", Value)
        assert key_of(step) == key, f"the derivation {key.hex()} leads to another step"
        found[key] = step.component, step.case
    return found


def _lost(repository: Repository, before: Record, durable: dict[bytes, journal.Done]) -> list[str]:
    """What was acknowledged and is not there."""
    problems = [f"lost: the step {step}" for key, step in before.steps.items() if durable.get(key) != step]
    for name, oid in before.refs:
        if oid not in [move.new for move in repository.reflog(name)]:
            problems.append(f"lost: a move of {name} to {oid.hex()}")
        kind = Run if name.startswith("names/") or name.endswith("/head") else Stage
        repository.load(oid, kind)
    return problems


def _next_run(
    store: Path,
    written: Path,
    durable: dict[bytes, journal.Done],
    before: Record,
    expected: dict[str, Any],
) -> list[str]:
    path = written.with_suffix(".next")
    with Repository.init(store) as repository:
        scripted.carry_out(repository, Journal(path))
        came_to = scripted.outcome(repository)
    calls = journal.read(path).calls
    kept = set(durable.values())
    problems = [f"called again although it was kept: {step}" for step in calls if step in kept]
    problems += [f"called again although acknowledged: {step}" for step in before.steps.values() if step in calls]
    problems += [f"called {number} times: {step}" for step, number in calls.items() if number > 1]
    if len(kept) + len(calls) != scripted.STEPS:
        problems.append(f"{len(kept)} steps kept and {len(calls)} called make no {scripted.STEPS}")
    if before.done and calls:
        problems.append(f"{len(calls)} calls although the run had come to its end")
    if came_to != expected:
        problems.append(f"another outcome: {came_to}")
    return problems


def _third_run(store: Path, written: Path, expected: dict[str, Any]) -> list[str]:
    path = written.with_suffix(".third")
    with Repository.open(store) as repository:
        results = scripted.carry_out(repository, Journal(path))
        problems = _audit(repository)
        if scripted.outcome(repository) != expected:
            problems.append("the third run came to something else")
    calls, added = journal.read(path).calls, sum(result.objects_added for result in results)
    if calls or added:
        problems.append(f"the third run called {len(calls)} times and added {added} objects")
    return problems


def _judged(store: str, written: str, expected: dict[str, Any]) -> list[str]:
    """Judge in a forked child; that it died is a finding."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            problems = judge(Path(store), Path(written), expected)
        except BaseException:
            problems = [traceback.format_exc()]
        os.write(writing, json.dumps(problems)[:60_000].encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return list(json.loads(answer)) if status == 0 else [f"judging the store ended with status {status}"]


def main(expected: dict[str, Any]) -> None:
    # Cached, for the sake of all children.
    provenance.packages()
    for line in sys.stdin:
        store, written = json.loads(line)
        print(json.dumps(_judged(store, written, expected)), flush=True)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
