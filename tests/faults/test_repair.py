"""Repair of stores that were damaged at random: all that the other store has comes back, then fsck is clean.

THEMIS_DAMAGES sets the number of damages (9 by default; 300 is the full dose), THEMIS_SEED the seed.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.support.damage import copy_of, flip, flip_header, zero_page
from tests.support.killing import Tally
from tests.support.stores import store_run
from themis_vcs.errors import Corrupt, ThemisError
from themis_vcs.model.oid import Oid
from themis_vcs.store.fsck import fsck
from themis_vcs.store.layout import Layout
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.repair import repair
from themis_vcs.transfer.store_endpoint import StoreEndpoint

DAMAGES = int(os.environ.get("THEMIS_DAMAGES", "9"))
SEED = int(os.environ.get("THEMIS_SEED", "1"))
KINDS = {"flip": flip, "flip in a header": flip_header, "zeroed page": zero_page}
AT_ONCE = {"flip": 40, "flip in a header": 2, "zeroed page": 2}


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("repair") / "healthy"
    with Repository.init(path) as repository:
        first = store_run(repository, 120)
        store_run(repository, 130, draw=1, parent=first.run)
    return path


def test_all_that_the_other_has_comes_back(tmp_path: Path, healthy: Path) -> None:
    with Repository.open(healthy, readonly=True) as other:
        oids = set(other.backend.oids())
        refs = dict(other.refs())
    tally = Tally(f"repair of random damage, seed {SEED}")
    draw = random.Random(SEED)
    for number in range(DAMAGES):
        kind = list(KINDS)[number % len(KINDS)]
        store = copy_of(healthy, tmp_path / "damaged")
        for _ in range(AT_ONCE[kind]):
            KINDS[kind](Layout(store).data, draw)
        tally.add(f"{kind} {number}", *_judged(store, healthy, oids, refs))
    text = tally.report()
    assert tally.failures == [], text
    assert tally.counts["repaired"] >= DAMAGES / 2, text


def _judged(store: Path, healthy: Path, oids: set[Oid], refs: dict[str, Oid]) -> tuple[list[str], str]:
    """Return what is wrong after a repair, and how it went."""
    before = fsck(store)
    if not any(finding.severity != "note" for finding in before.findings):
        return [], "no effect"
    if any(finding.code == "store" for finding in before.findings):
        return [], "cannot be opened"
    with Repository.open(healthy, readonly=True) as other:
        try:
            found = repair(store, StoreEndpoint(other))
        except Corrupt as error:
            return ([], "cannot be opened") if "the store cannot be opened" in str(error) else ([str(error)], "")
        except ThemisError as error:
            return [f"{type(error).__name__}: {error}"], "failed"
    left = [finding.message for finding in fsck(store).findings if finding.severity != "note"]
    problems = [f"fsck: {message}" for message in left]
    with Repository.open(store, readonly=True) as repository:
        problems += [f"lost {oid.hex()}" for oid in repository.missing(oids)]
        here = dict(repository.refs())
        problems += [f"lost the ref {name}" for name in refs if name not in here and name not in found.lost_refs]
        problems += [f"{name} is elsewhere" for name, oid in here.items() if refs.get(name) != oid]
    return problems, "repaired, a ref lost" if found.lost_refs else "repaired"
