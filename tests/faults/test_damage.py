"""Damage to a store file or a bundle: what changes a read is found and named; nothing else raises an alarm.

Of a store by reading and by fsck, of a run in it by its audit, of a bundle by its verification. THEMIS_DAMAGES sets the
number of damages (60 by default; 2,000 is the full dose), THEMIS_SEED the seed.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.support.damage import KINDS, Read, Said, commanded, copy_of, read_all
from tests.support.experiments import experiment
from tests.support.killing import Tally
from tests.support.records import values
from tests.support.stores import store_run
from themis_vcs import LmdbRunStore
from themis_vcs.errors import ThemisError
from themis_vcs.model.objects import Run
from themis_vcs.store.findings import Report
from themis_vcs.store.fsck import fsck
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.bundle import open_bundle
from themis_vcs.transfer.bundling import verify

DAMAGES = int(os.environ.get("THEMIS_DAMAGES", "60"))
AUDITS = int(os.environ.get("THEMIS_DAMAGES", "30"))
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


def _concluded(tally: Tally, outcomes: Counter[str]) -> None:
    print(f"\n{tally.tried} damages, seed {SEED}:", *(f"  {how}: {n}" for how, n in sorted(outcomes.items())), sep="\n")
    tally.report()
    assert tally.failures == [], "\n".join(tally.failures)


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
    _concluded(tally, outcomes)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a run of 30 cases, and one after it with two answers to each."""
    path = tmp_path_factory.mktemp("audited") / "store"
    with LmdbRunStore(path) as store:
        experiment(30, name="main").run(store=store)
        experiment(30, name="main", samples=2).run(store=store)
    return path


def _changed(before: Read, after: Read) -> list[str]:
    return [question for question, answer in before.answers.items() if after.answers.get(question) != answer]


def _audited(changed: list[str], certain: list[str], said: Said, what: str) -> tuple[str, list[str]]:
    """Return how the audit went, and what is wrong with that.

    `changed` are the reads of the store that come out otherwise, `certain` those of the objects and refs of the run.
    """
    how = f"audit {said.status}"
    if said.status not in (0, 14, 16) or "Traceback" in said.err:
        return how, [f"{what}: the audit ended with {said.status}: {said.err[-300:]}"]
    if not changed and said.status != 0:
        return how, [f"{what}: a false alarm: {said.out[-500:]} {said.err}"]
    if certain and said.status == 0:
        return how, [f"{what}: not found: {certain[:3]}"]
    findings = json.loads(said.out)["findings"] if said.out else []
    named = said.err + " ".join(f"{each['oid']} {each['message']} {each['way']}" for each in findings)
    lost = [question.split()[1][:12] for question in certain]
    if lost and said.out and not any(each in named for each in lost):
        return how, [f"{what}: none of {lost[:3]} is named: {named[:300]}"]
    return how, []


def test_damage_to_a_run_is_found_by_its_audit_and_no_other(audited: Path, tmp_path: Path) -> None:
    with Repository.open(audited, readonly=True) as repository:
        oids, names = sorted(repository.backend.oids()), [name for name, _ in repository.refs()]
        head = repository.ref("names/main")
        assert head is not None
        run = f"runs/{repository.load(head, Run).run_id.hex()}/"
    of_run = ["names/main", *(name for name in names if name.startswith(run))]
    before, before_run = read_all(audited, oids, names), read_all(audited, oids, of_run, named_only=True)
    clean = commanded("--store", str(audited), "audit", "main", "--level", "provenance", "--json")
    assert (clean.status, json.loads(clean.out)["findings"]) == (0, []), clean.err
    draw = random.Random(SEED)
    outcomes: Counter[str] = Counter()
    tally = Tally(f"a damage to the store of a run, seed {SEED}")
    for number in range(AUDITS):
        kind = list(KINDS)[number % len(KINDS)]
        path = copy_of(audited, tmp_path / "copy")
        what = f"#{number} {kind}: {KINDS[kind](path / 'db' / 'data.mdb', draw)}"
        after = read_all(path, oids, names)
        said = commanded("--store", str(path), "audit", "main", "--level", "provenance", "--json")
        changed, certain = _changed(before, after), []
        if changed:  # or reading all of it ended by a signal
            certain = _changed(before_run, read_all(path, oids, of_run, named_only=True))
        how, wrong = _audited(changed, certain, said, what)
        outcomes[f"{kind}: {how}"] += 1
        tally.add(what, wrong, how)
    _concluded(tally, outcomes)


def test_damage_to_a_bundle_is_found_and_placed(audited: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.bundle"
    made = commanded("--store", str(audited), "bundle", "create", str(whole), "main")
    assert made.status == 0, made.err
    draw = random.Random(SEED)
    tally = Tally(f"a damage to a bundle, seed {SEED}")
    damaged = tmp_path / "damaged.bundle"
    for number in range(DAMAGES):
        kind = ("flip", "cut")[number % 2]
        damaged.write_bytes(whole.read_bytes())
        what = f"#{number} {kind}: {KINDS[kind](damaged, draw)}"
        try:
            bundle = open_bundle(damaged)
            try:
                verify(bundle)
            finally:
                bundle.close()
        except ThemisError as error:
            placed = damaged.name in str(error)
            tally.add(what, [] if placed else [f"{what}: not placed: {error}"], error.code)
        except Exception as error:
            tally.add(what, [f"{what}: {type(error).__name__}: {error}"], "crash")
        else:
            tally.add(what, [f"{what}: not found"], "not found")
    _concluded(tally, Counter())
