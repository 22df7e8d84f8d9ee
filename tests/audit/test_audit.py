"""Audits: honest runs are reproduced without an alarm, damage is named, and no shape of anything makes it stumble.

What is forged is found: tests/audit/test_tampering.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.components import Answer, Equal
from tests.support.damage import damage_frame
from tests.support.experiments import dataset, experiment
from tests.support.forging import (
    CASE,
    asking_for,
    at,
    audited,
    changed,
    codes,
    head,
    outcomes,
    rewritten,
    with_step,
    written,
)
from themis_vcs import InMemoryRunStore, LmdbRunStore
from themis_vcs.model.derivation import key_of
from themis_vcs.model.objects import Run, Stage, Step, Track, Value
from themis_vcs.model.oid import Oid
from themis_vcs.store import segments


class Failing(Answer):
    """A generator that fails for c2."""

    async def generate(self, case: Any, ctx: Any) -> Any:
        if case.case_id == "c2":
            raise RuntimeError("down")
        return await super().generate(case, ctx)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbRunStore]:
    with LmdbRunStore(tmp_path / "store") as store:
        experiment(8, name="main").run(store=store)
        yield store


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"samples": 3},
        {"size": 300},
        {"generator": Failing()},
        {"evaluation": {"judge_repeats": 2}},
        {"seeds": [5, 6], "samples": 3},
        {"datasets": [dataset(3), dataset(2, "a/b", c0={"metadata": {}})]},
    ],
    ids=str,
)
def test_an_honest_run_is_reproduced(options: dict[str, Any]) -> None:
    store = InMemoryRunStore()
    experiment(**{"size": 6, "name": "main", **options}).run(store=store)
    found = audited(store.repository)
    assert found[0] == []
    assert outcomes(found) == ["reproduced", "reproduced"]


def test_a_replay_and_a_run_that_stopped_early_are_reproduced(store: LmdbRunStore) -> None:
    experiment(8, name="main", metrics=[Equal()]).replay(stage="score", store=store)
    experiment(8, name="early").run(store=store, until_stage="parse")
    for name in ("main", "early"):
        found = audited(store.repository, head(store.repository, name))
        assert outcomes(found) == ["reproduced", "reproduced"], found[0]


def test_a_run_that_was_interrupted_claims_no_more_than_it_has(store: LmdbRunStore) -> None:
    repository = store.repository

    def lack(track: Track) -> Track:
        lacking: dict[str, Oid | None] = {CASE: None, "sums/c2": None}
        return replace(
            track,
            values=changed(repository, track.values, lacking),
            steps=changed(repository, track.steps, lacking),
        )

    oid = rewritten(
        repository,
        "score",
        lack,
        lambda run: replace(run, stages=run.stages[:4], completed_through="parse", status="interrupted"),
    )
    found = audited(repository, oid)
    assert [(finding.code, finding.severity) for finding in found[0]] == [("stage-incomplete", "note")]
    assert found[0][0].message.startswith("2 cases")
    assert outcomes(found) == ["reproduced", "reproduced"]


def test_an_object_that_is_missing_or_not_what_was_stored_is_named_with_its_place(store: LmdbRunStore) -> None:
    repository = store.repository
    run = repository.load(head(repository), Run)
    (track,) = repository.load(run.stages[2], Stage).tracks
    oid = at(repository, track.values, CASE)
    damage_frame(repository, oid)
    (found,) = audited(repository)[0]
    assert (found.code, found.oid) == ("object-damaged", oid.hex())
    assert found.way[1:] == ["stage parse", f"track {track.id}", "values", CASE]
    written(
        repository,
        lambda writer: segments.forget(
            writer, list(segments.rows(writer.cursor(segments.INDEX), oid[: segments.PREFIX]))
        ),
    )
    assert codes(audited(repository)) == {"object-missing"}


class Blinkered(Equal):
    """A metric that reads one field of a case, so that its receipts refer to a value of that field alone."""

    reads = ("expected_output",)


def test_what_was_shown_of_a_case_belongs_to_a_run_too(tmp_path: Path) -> None:
    with LmdbRunStore(tmp_path / "store") as store:
        experiment(4, name="main", metrics=[Blinkered()]).run(store=store)
        repository = store.repository
        (track,) = repository.load(repository.load(head(repository), Run).stages[3], Stage).tracks
        shown = repository.load(at(repository, track.steps, CASE), Step).inputs[0]
        assert audited(repository)[0] == []
        damage_frame(repository, shown)
        (found,) = audited(repository)[0]
        assert (found.level, found.code, found.oid) == ("integrity", "object-damaged", shown.hex())
        assert found.way[-2:] == [CASE, "what was shown of its case"]


def test_an_index_that_cannot_be_read_is_a_finding(store: LmdbRunStore) -> None:
    repository = store.repository
    (track, *_) = repository.load(repository.load(head(repository), Run).stages[3], Stage).tracks
    key = key_of(repository.load(at(repository, track.steps, CASE), Step))
    written(repository, lambda writer: writer.put("derivations", key, b"x" * 70))
    found = audited(repository)
    assert codes(found) == {"index-damaged"}
    assert found[1][-1].damaged


@pytest.mark.parametrize("stages", [{"generate": 5}, {"generate": {"seeds": [None]}}, {"score": {"metrics": [1]}}])
def test_an_identity_of_another_shape_is_malformed_and_no_more(store: LmdbRunStore, stages: dict[str, Any]) -> None:
    found = audited(store.repository, asking_for(store.repository, **stages))
    assert codes(found) == {"object-malformed"}
    assert outcomes(found) == ["not reproduced", "cannot tell"]


def test_more_draws_than_there_are_is_one_finding_for_each_case(store: LmdbRunStore) -> None:
    found = audited(store.repository, rewritten(store.repository, "judge", lambda track: replace(track, fanout=10**15)))
    assert [finding.code for finding in found[0]] == ["component-unasked", *["case-left-out"] * 8]


@pytest.mark.parametrize("key", ["sums/c1/x", "sums/c1/00", "sums/c1/\u0663", "sums/c1/" + "9" * 900])
def test_a_key_that_is_no_draw_is_found(store: LmdbRunStore, key: str) -> None:
    repository = store.repository

    def add(track: Track) -> Track:
        forged = {
            name: changed(repository, root, {key: at(repository, root, f"{CASE}/0")})
            for name, root in (("values", track.values), ("steps", track.steps))
        }
        return replace(track, **forged)

    found = audited(repository, rewritten(repository, "judge", add))
    assert codes(found) == {"case-unknown"}


@pytest.mark.parametrize(
    ("scores", "stated", "code"),
    [
        ([0.5, 1.0], 0.75, set()),
        ([0.5, 1.0], 0.8, {"score-aggregate"}),
        ([1e308, 1e308], 1e308, set()),
        ([float("inf"), float("-inf")], 0.0, set()),
        (5, 0.5, set()),
        ([None], 0.5, set()),
    ],
)
def test_a_mean_is_held_against_its_scores(store: LmdbRunStore, scores: Any, stated: float, code: set[str]) -> None:
    repository = store.repository

    def judged(track: Track) -> Track:
        key = f"{CASE}/0"
        value = repository.load(at(repository, track.values, key), Value)
        given = [{"metric_id": "m", "value": each} for each in scores] if type(scores) is list else scores
        data = {**value.data, "scores": given, "aggregation_output": {"method": "mean", "value": stated, "details": {}}}
        forged = repository.put(replace(value, data=data))
        return with_step(repository, key, value=forged)(
            replace(track, values=changed(repository, track.values, {key: forged}))
        )

    assert codes(audited(repository, rewritten(repository, "judge", judged))) - {"receipts-disagree"} == code
