"""--since: what an earlier run reaches is taken as audited, and what is new is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.components import AfterEquals
from tests.support.damage import damage_frame
from tests.support.experiments import experiment
from tests.support.forging import CASE, asking_for, at, audited, codes, head, outcomes, rewritten, with_value
from themis_vcs import LmdbRunStore, Repository
from themis_vcs.model.objects import Run, Snapshot, Stage
from themis_vcs.model.oid import Oid


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """A run `main` of many cases, and the one before it, which differs in the parsing of one case."""
    with LmdbRunStore(tmp_path / "store") as store:
        experiment(300, name="main").run(store=store)
        experiment(300, name="main", parser=AfterEquals(("c1",))).replay(stage="parse", store=store)
        yield store


def first(repository: Repository) -> Oid:
    return repository.load(head(repository), Run).parents[0]


def value_of(repository: Repository, run: Oid, stage: int, key: str) -> Oid:
    (track, *_) = repository.load(repository.load(run, Run).stages[stage], Stage).tracks
    return at(repository, track.values, key)


def test_less_is_read_and_the_verdict_says_so(store: LmdbRunStore) -> None:
    repository = store.repository
    whole = audited(repository)
    since = audited(repository, since=first(repository))
    assert outcomes(since) == outcomes(whole) == ["reproduced", "reproduced"]
    read = [sum(sum(verdict.checked.values()) for verdict in found[1]) for found in (whole, since)]
    assert read[1] < read[0] / 2
    assert all(f"what run {first(repository).hex()[:12]} reaches" in verdict.why for verdict in since[1])


def test_new_damage_is_found_and_old_is_left_to_the_audit_before(store: LmdbRunStore) -> None:
    repository = store.repository
    old = first(repository)
    damage_frame(repository, value_of(repository, old, 0, f"{CASE}/0"))
    assert codes(audited(repository)) == {"object-damaged"}
    assert codes(audited(repository, since=old)) == set()
    new = value_of(repository, head(repository), 2, CASE)
    assert new != value_of(repository, old, 2, CASE)
    damage_frame(repository, new)
    (found,) = audited(repository, since=old)[0]
    assert (found.code, found.oid) == ("object-damaged", new.hex())


def test_a_forgery_in_what_is_new_is_found(store: LmdbRunStore) -> None:
    repository = store.repository
    forged = rewritten(repository, "score", with_value(repository, CASE, lambda data: {**data, "value": 0.5}))
    assert codes(audited(repository, forged, since=first(repository))) == {"step-of-another-value"}


def test_the_same_tracks_under_other_seeds_are_not_taken_as_audited(store: LmdbRunStore) -> None:
    repository = store.repository
    asked = repository.load(repository.load(head(repository), Run).snapshot, Snapshot).identity.stages["generate"]
    forged = asking_for(repository, generate={**asked, "seeds": [9]})
    assert "step-seed" in codes(audited(repository, forged, since=head(repository)))


def test_a_run_since_itself_has_its_refs_looked_at(store: LmdbRunStore) -> None:
    repository = store.repository
    assert outcomes(audited(repository, since=head(repository))) == ["reproduced", "reproduced"]
