"""Damage to a store file: what changes a read is found by reading and by fsck; nothing else raises an alarm.

THEMIS_DAMAGES sets the number of damages (60 by default; 1,000 is the full dose), THEMIS_SEED the seed.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.support.damage import KINDS, Read, copy_of, read_all
from tests.support.killing import Tally
from tests.support.records import values
from tests.support.stores import store_run
from themis_vcs.store.fsck import Report, fsck
from themis_vcs.store.repository import Repository

DAMAGES = int(os.environ.get("THEMIS_DAMAGES", "60"))
SEED = int(os.environ.get("THEMIS_SEED", "1"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("damage") / "store"
    with Repository.init(path) as repository:
        first = store_run(repository, 150)
        for value in values(700):
            repository.put(value)
        store_run(repository, 160, draw=1, parent=first.run)
    return path


def _judged(before: Read, after: Read, report: Report, what: str) -> tuple[str, list[str]]:
    """Return how reading went, and what is wrong with that or with the report."""
    faults = []
    changed = [question for question, answer in before.answers.items() if after.answers.get(question) != answer]
    if after.signal:
        how = f"signal {after.signal}"
    elif "open" in after.answers:
        how = str(after.answers["open"])
    elif changed:
        how = "changed"
        answers = [after.answers[question] for question in changed]
        silent = [q for q, a in zip(changed, answers, strict=True) if a not in ("error: corrupt", "error: decoding")]
        if silent:
            faults.append(f"{what}: read as if nothing were wrong: {silent[:5]}")
    else:
        how = "the same"
    if (how != "the same") != report.damaged:
        faults.append(f"{what}: reading: {how} {changed[:3]}; fsck: {[f.message for f in report.findings][:4]}")
    return how, faults


def test_damage_that_changes_a_read_is_found_and_no_other(store: Path, tmp_path: Path) -> None:
    with Repository.open(store, readonly=True) as repository:
        oids = sorted(repository.backend.oids())
        names = [name for name, _ in repository.refs()]
    before = read_all(store, oids, names)
    assert not before.signal and not any(isinstance(answer, str) for answer in before.answers.values())
    assert fsck(store).findings == []
    draw = random.Random(SEED)
    outcomes: Counter[str] = Counter()
    tally = Tally(f"a damage to a store file, seed {SEED}")
    for number in range(DAMAGES):
        kind = list(KINDS)[number % len(KINDS)]
        path = copy_of(store, tmp_path / "copy")
        what = f"#{number} {kind}: {KINDS[kind](path / 'db' / 'data.mdb', draw)}"
        after = read_all(path, oids, names)
        how, wrong = _judged(before, after, fsck(path), what)
        outcomes[f"{kind}: {how}"] += 1
        tally.add(what, wrong, how)
    print(f"\n{DAMAGES} damages, seed {SEED}:", *(f"  {how}: {n}" for how, n in sorted(outcomes.items())), sep="\n")
    tally.report()
    assert tally.failures == [], "\n".join(tally.failures)
