"""Runs that are compared: which cases are paired, which count, and what is said of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from tests.support.components import AfterEquals, Equal, Judge, Verdict
from tests.support.experiments import dataset, experiment
from themis_vcs import Case, Dataset, InMemoryRunStore, Repository, Score, ScoreError, compare
from themis_vcs.analysis import scores
from themis_vcs.analysis.comparison.document import Comparison, MetricComparison
from themis_vcs.analysis.reading import Reader
from themis_vcs.errors import NotFound, UsageError
from themis_vcs.store.editing import change
from themis_vcs.store.settings import Settings


class Graded:
    """Gives the number that `grades` has for a case, and cannot score one that it has not."""

    component_id = "test/graded"

    def __init__(self, **grades: float) -> None:
        self.grades = grades

    def fingerprint(self) -> str:
        return f"graded:{self.grades}"

    def score(self, parsed: Any, case: Case, ctx: Any) -> Any:
        if case.case_id in self.grades:
            return Score(self.component_id, self.grades[case.case_id])
        return ScoreError(self.component_id, "no grade")


def run(store: Any, name: str, wrong: Iterable[str] = (), **options: Any) -> None:
    """A run of six cases on the line `name` in which the cases `wrong` are answered in capitals."""
    options = {"size": 6, "metrics": [Equal()], **options}
    experiment(name=name, parser=AfterEquals(shouted=tuple(wrong)), **options).run(store=store)


def only(found: Comparison) -> MetricComparison:
    (row,) = found.metrics
    return row


def test_each_case_is_held_against_itself(store: InMemoryRunStore) -> None:
    run(store, "base", ["c0", "c1", "c2"])
    run(store, "candidate", ["c2", "c3"])
    found = compare(store, "base", ["candidate"])
    row = only(found)
    assert (row.n, row.wins, row.losses, row.ties) == (6, 2, 1, 3)
    assert (row.base_mean, row.candidate_mean) == (3 / 6, 4 / 6)
    assert row.difference == pytest.approx(1 / 6)
    assert (row.p, row.test, row.interval_method) == (1.0, "McNemar, exact", "Tango score")
    assert found.candidates[0].pairs == 6


def test_equal_ids_of_two_datasets_are_not_one_case(store: InMemoryRunStore) -> None:
    run(store, "base", datasets=[dataset(6, "sums")])
    run(store, "candidate", ["c1"], datasets=[dataset(6, "more")])
    found = compare(store, "base", ["candidate"])
    assert (found.candidates[0].pairs, only(found).n, only(found).difference) == (0, 0, None)
    assert found.candidates[0].only_base == [f"sums/c{n}" for n in range(6)]
    assert found.candidates[0].only_candidate == [f"more/c{n}" for n in range(6)]


def test_equal_ids_of_two_datasets_stay_apart_within_a_run(store: InMemoryRunStore) -> None:
    """The grade of c1 is another one in each dataset; each is compared with itself, in whichever order they come."""
    marked = {
        name: Dataset(name, [Case("c1", "1+1", "v2", {"n": number})]) for number, name in enumerate(("more", "sums"))
    }

    class ByNumber(Graded):
        def score(self, parsed: Any, case: Case, ctx: Any) -> Any:
            return Score(self.component_id, float(case.metadata["n"]))

    for name, order in (("base", ["more", "sums"]), ("candidate", ["sums", "more"])):
        run(store, name, metrics=[ByNumber()], datasets=[marked[each] for each in order])
    found = compare(store, "base", ["candidate"], by="dataset")
    assert [(row.part, row.n, row.base_mean, row.candidate_mean) for row in found.metrics] == [
        (None, 2, 0.5, 0.5),
        ("more", 1, 0.0, 0.0),
        ("sums", 1, 1.0, 1.0),
    ]


def test_cases_of_another_snapshot_are_paired_by_key_and_named(store: InMemoryRunStore) -> None:
    run(store, "base", datasets=[dataset(6)])
    run(store, "candidate", datasets=[dataset(5, c2={"input": "other"}), dataset(1, "more")])
    found = compare(store, "base", ["candidate"])
    candidate = found.candidates[0]
    assert (candidate.pairs, only(found).n) == (5, 5)
    assert (candidate.only_base, candidate.only_candidate, candidate.changed) == (["sums/c5"], ["more/c0"], ["sums/c2"])


def test_the_pairs_are_the_same_from_either_side(store: InMemoryRunStore) -> None:
    run(store, "base", ["c1", "c4"], datasets=[dataset(6)])
    run(store, "candidate", ["c2"], datasets=[dataset(9), dataset(3, "a")])
    there, back = (only(compare(store, *each)) for each in (("base", ["candidate"]), ("candidate", ["base"])))
    assert (there.wins, there.losses, there.n) == (back.losses, back.wins, back.n) == (2, 1, 6)


def test_a_case_without_a_score_is_left_out_or_counts_as_zero(store: InMemoryRunStore) -> None:
    run(store, "base", metrics=[Graded(c0=0.5, c1=0.4, c2=0.3)], size=4)
    run(store, "candidate", metrics=[Graded(c1=0.6, c2=0.3, c3=0.9)], size=4)
    row = only(compare(store, "base", ["candidate"]))
    assert (row.pairs, row.n, row.base_failed, row.candidate_failed) == (4, 2, 1, 1)
    assert (row.base_mean, row.candidate_mean) == pytest.approx((0.35, 0.45))
    row = only(compare(store, "base", ["candidate"], failed="zero"))
    assert (row.pairs, row.n, row.base_failed, row.candidate_failed) == (4, 4, 1, 1)
    assert (row.base_mean, row.candidate_mean) == pytest.approx((1.2 / 4, 1.8 / 4))
    assert (row.wins, row.losses, row.ties) == (2, 1, 1)


def test_the_store_says_what_failed_cases_are(tmp_path: Any) -> None:
    with Repository.init(tmp_path / "store") as repository:
        for name in ("base", "candidate"):
            run(repository, name, metrics=[Graded(c0=0.5)], size=2)
        assert compare(repository, "base", ["candidate"]).failed == "exclude"
        change(Settings(tmp_path / "store"), {"analysis.failed": "zero"})
        found = compare(repository, "base", ["candidate"])
        assert (found.failed, only(found).n) == ("zero", 2)
        assert compare(repository, "base", ["candidate"], failed="exclude").failed == "exclude"


def test_draws_of_one_case_are_one_case(store: InMemoryRunStore) -> None:
    options = {"metrics": [Verdict()], "judge": Judge(deterministic=False), "evaluation": {"judge_repeats": 3}}
    for name in ("base", "candidate"):
        run(store, name, **options)
    assert only(compare(store, "base", ["candidate"])).n == 6


def test_the_keys_of_draws_may_come_in_another_order_than_those_of_cases(store: InMemoryRunStore) -> None:
    """ "!" comes before "/", so that a!/0 is before a/0, while a is before a!."""
    cases = Dataset("d", [Case("a", "plain", "v2"), Case("a!", "loud", "v2")])
    run(store, "base", metrics=[Verdict()], datasets=[cases])
    run(store, "candidate", ["a"], metrics=[Verdict()], datasets=[cases])
    found = compare(store, "base", ["candidate"], by="input")
    assert {row.part: row.losses for row in found.metrics} == {None: 1, "plain": 1, "loud": 0}


def test_metrics_of_one_run_alone_are_named(store: InMemoryRunStore) -> None:
    run(store, "base", metrics=[Equal(), Graded(c0=1.0)])
    run(store, "candidate", metrics=[Equal(), Equal("test/other")])
    found = compare(store, "base", ["candidate"])
    assert [row.metric for row in found.metrics] == ["test/equal"]
    assert found.candidates[0].metrics_only_base == ["test/graded"]
    assert found.candidates[0].metrics_only_candidate == ["test/other"]


def test_the_correction_is_over_metrics_and_candidates(store: InMemoryRunStore) -> None:
    metrics = [Equal(), Equal("test/again")]
    run(store, "base", size=40, metrics=metrics)
    for name, wrong in (("one", 12), ("two", 3)):
        run(store, name, [f"c{n}" for n in range(wrong)], size=40, metrics=metrics)
    found = compare(store, "base", ["one", "two"], by="dataset")
    whole = [row for row in found.metrics if row.part is None]
    p, q = 2 * 0.5**12, 2 * 0.5**3
    assert [row.p for row in whole] == pytest.approx([p, p, q, q])
    assert [row.p_holm for row in whole] == pytest.approx([4 * p, 4 * p, 2 * q, 2 * q])
    assert [row.p_holm for row in found.metrics if row.part] == [row.p_holm for row in whole]


def test_clusters_of_two_datasets_are_apart_and_cases_without_the_field_alone(store: InMemoryRunStore) -> None:
    def cases(name: str, documents: str) -> Dataset:
        held = [{"document": letter} if letter != "-" else {} for letter in documents]
        return Dataset(name, [Case(f"c{n}", "1+1", "v2", metadata) for n, metadata in enumerate(held)])

    both = [cases("one", "aabb"), cases("two", "aa--")]
    run(store, "base", datasets=both)
    run(store, "candidate", ["c0", "c1"], datasets=both)
    found = compare(store, "base", ["candidate"], cluster="metadata.document")
    row = only(found)
    assert (row.clusters, found.candidates[0].alone, row.n) == (5, 2, 8)
    assert "clusters" in row.test
    sums, sizes = np.array([-2.0, 0, -2, 0, 0]), np.array([2.0, 2, 2, 1, 1])
    error = np.sqrt(((sums - sums.sum() / 8 * sizes) ** 2).sum() * 5 / 4) / 8
    assert row.standard_error == pytest.approx(error, abs=1e-12)


def test_parts_are_those_of_the_field(store: InMemoryRunStore) -> None:
    run(store, "base", size=3)
    run(store, "candidate", ["c2"], size=3)
    found = compare(store, "base", ["candidate"], by="metadata.n")
    assert [(row.part, row.n, row.losses) for row in found.metrics] == [
        (None, 3, 1),
        ("0", 1, 0),
        ("1", 1, 0),
        ("2", 1, 1),
    ]


def test_shared_scores_are_read_once(store: InMemoryRunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run(store, "base")
    run(store, "candidate")
    read: list[int] = []
    every = scores._read

    def counted(reader: Reader, oids: Iterable[bytes]) -> dict[bytes, float]:
        wanted = list(oids)
        read.append(len(wanted))
        return every(reader, wanted)

    monkeypatch.setattr(scores, "_read", counted)
    monkeypatch.setattr(scores.ScoreNotes, "_noted", lambda self, name: scores._unpacked(None))
    assert [row.n for row in compare(store, "base", ["candidate", "base"]).metrics] == [6, 6]
    assert read == [6]


def test_a_comparison_is_the_same_every_time(store: InMemoryRunStore) -> None:
    grades = {f"c{n}": float(value) for n, value in enumerate(np.random.default_rng(1).random(30))}
    run(store, "base", metrics=[Graded(**grades)], size=30)
    run(store, "candidate", metrics=[Graded(**{key: value**2 for key, value in grades.items()})], size=30)
    first = compare(store, "base", ["candidate"])
    assert compare(store, "base", ["candidate"]) == first
    other = compare(store, "base", ["candidate"], seed=1)
    assert only(other).interval != only(first).interval
    assert (other.seed, only(other).difference) == (1, only(first).difference)


def test_what_is_asked_for_has_to_be_there(store: InMemoryRunStore) -> None:
    run(store, "base")
    run(store, "candidate")
    with pytest.raises(NotFound):
        compare(store, "base", ["nobody"])
    for options, message in (
        ({"metrics": ["exact"]}, "no metric exact"),
        ({"by": "metdata.x"}, "no place in a case"),
        ({"by": "metadata.subject"}, "no case has metadata.subject"),
        ({"cluster": "metadata.document"}, "no case has metadata.document"),
        ({"failed": "skip"}, "none of exclude, zero"),
        ({"power": 0.0}, "power"),
        ({"power": float("nan")}, "power"),
        ({"seed": -1}, "seed"),
        ({"fail_if": ["exact < 1"]}, "no metric exact"),
        ({"agreement": True}, "no run has a metric that judges"),
    ):
        with pytest.raises(UsageError, match=message):
            compare(store, "base", ["candidate"], **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="part of a run"):
        compare(store, "base:score", ["candidate"])
    with pytest.raises(UsageError, match="nothing to compare"):
        compare(store, "base", [])


def test_a_field_that_is_different_in_every_case_makes_no_parts(store: InMemoryRunStore) -> None:
    run(store, "base", size=201)
    with pytest.raises(UsageError, match="has 201 values"):
        compare(store, "base", ["base"], by="metadata.n")


def test_conditions_are_held_against_every_candidate(store: InMemoryRunStore) -> None:
    run(store, "base")
    run(store, "good")
    run(store, "bad", ["c0", "c1"])
    found = compare(store, "base", ["good", "bad"], fail_if=["test/equal < base - 0.1", "test/equal > 1"])
    assert [(each.candidate, each.holds) for each in found.fail_if] == [(0, False), (1, True), (0, False), (1, False)]
    assert [each.candidate for each in found.failing] == [1]


def test_a_condition_holds_where_nothing_was_shown(store: InMemoryRunStore) -> None:
    run(store, "base", metrics=[Graded(c0=1.0)])
    run(store, "candidate", metrics=[Graded(c1=1.0)])
    (result,) = compare(store, "base", ["candidate"], fail_if=["test/graded < 0"]).fail_if
    assert result.holds
    assert "no case of 6 has a score in both" in result.reason


def test_a_field_that_no_case_has_is_refused_with_those_that_there_are(store: InMemoryRunStore) -> None:
    run(store, "base")
    with pytest.raises(UsageError) as refused:
        compare(store, "base", ["base"], by="metadata.m")
    assert refused.value.hint == "did you mean metadata.n? it can be dataset, metadata.n"


def states(found: Comparison) -> list[tuple[str, str, str]]:
    """Role and ids of what is of another state."""
    return [
        (each.role, (each.base or "").partition(" ")[0], (each.candidate or "").partition(" ")[0])
        for each in only(found).other_states
    ]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"metrics": [Equal()]}, {"metrics": [Equal()]}, []),
        (
            {"metrics": [Graded(c0=1.0)]},
            {"metrics": [Graded(c0=0.5)]},
            [("metric", "test/graded", "test/graded")],
        ),
        ({}, {"wrong": ["c0"]}, [("parser", "test/after-equals", "test/after-equals")]),
        (
            {"metrics": [Verdict()], "judge": Judge(component_id="one")},
            {"metrics": [Verdict()], "judge": Judge(component_id="two")},
            [("judge", "one", "two")],
        ),
        (
            {
                "metrics": [Verdict()],
                "judge": Judge(component_id="one"),
                "evaluation": {"judge_config": {"rubric": "strict"}},
            },
            {
                "metrics": [Verdict()],
                "judge": Judge(component_id="one"),
                "evaluation": {"judge_config": {"rubric": "lenient"}},
            },
            [("settings", "", "")],
        ),
    ],
)
def test_what_scores_were_made_with_is_named_where_it_is_not_the_same(
    store: InMemoryRunStore, one: dict[str, Any], other: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    run(store, "base", **one)
    run(store, "candidate", **other)
    assert states(compare(store, "base", ["candidate"])) == expected
