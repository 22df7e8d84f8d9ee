"""The note of scores changes no result, and spares reading what it has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.support.components import AfterEquals, Equal
from tests.support.experiments import dataset, experiment
from themis_vcs import Experiment, InMemoryRunStore
from themis_vcs.analysis import scores
from themis_vcs.analysis.lookup import locate
from themis_vcs.analysis.metrics import MetricMean, means_at_hand, metric_means
from themis_vcs.analysis.outcomes import Wanted, outcomes
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.scores import ScoreNotes
from themis_vcs.evaluation.results import Score, ScoreError
from themis_vcs.model.objects import Run


class Picky:
    """Scores all but the odd numbers."""

    component_id = "test/picky"

    def score(self, parsed: Any, case: Any, ctx: Any) -> Any:
        number = case.metadata["n"]
        return ScoreError(self.component_id, "odd") if number % 2 else Score(self.component_id, float(number))


def _read_anew(store: InMemoryRunStore, line: str) -> dict[str, MetricMean]:
    repository = store.repository
    run = repository.load(repository.ref(f"names/{line}") or b"", Run)
    return metric_means(Reader(repository), run.stages, 6)


NEXT = {
    "the same": dataset(6),
    "another answer": dataset(6, c2={"input": "other", "expected_output": "v5"}),
    "another number": dataset(6, c2={"metadata": {"n": 40}}, c3={"metadata": {"n": 8}}),
}


def _experiment(cases: Any, repeats: int) -> Experiment:
    return experiment(
        metrics=[*experiment().evaluation.metrics, Picky()],
        datasets=[cases],
        evaluation={"judge_repeats": repeats},
        name="line",
    )


@pytest.mark.parametrize("following", NEXT)
@pytest.mark.parametrize("repeats", [1, 3])
def test_the_means_are_those_of_reading_everything(store: InMemoryRunStore, following: str, repeats: int) -> None:
    _experiment(dataset(6), repeats).run(store=store)
    found = _experiment(NEXT[following], repeats).run(store=store)
    assert found.metrics == _read_anew(store, "line")


def test_cases_that_come_and_go_are_counted(store: InMemoryRunStore) -> None:
    for size in (6, 9, 6):
        found = experiment(size, metrics=[Picky()], name="line").run(store=store)
        assert found.metrics["test/picky"].count == (size + 1) // 2
    assert found.metrics == _read_anew(store, "line")


def test_only_what_is_new_to_the_line_is_read(store: InMemoryRunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment(6, name="line").run(store=store)
    read: list[int] = []
    every = scores._read

    def counted(reader: Reader, oids: Iterable[bytes]) -> dict[bytes, float]:
        wanted = list(oids)
        read.append(len(wanted))
        return every(reader, wanted)

    monkeypatch.setattr(scores, "_read", counted)
    experiment(6, name="line").run(store=store)
    assert read == []
    experiment(datasets=[NEXT["another answer"]], name="line").run(store=store)
    assert read == [1]


def _at_hand(store: InMemoryRunStore, revision: str) -> dict[str, MetricMean] | None:
    reader = Reader(store.repository)
    run = locate(store.repository, revision).run
    return means_at_hand(reader, run.stages, 6, ScoreNotes(reader, "line"))


def test_the_means_of_the_newest_run_are_at_hand_without_reading_a_score(
    store: InMemoryRunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = experiment(6, name="line").run(store=store)
    monkeypatch.setattr(scores, "_FEW", 0)
    monkeypatch.setattr(scores, "_read", None)
    assert _at_hand(store, "line") == made.metrics


def test_the_means_of_an_older_run_are_at_hand_only_where_its_scores_are_few(
    store: InMemoryRunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = experiment(6, name="line").run(store=store)
    experiment(6, name="line", parser=AfterEquals(shouted=("c1",))).run(store=store)
    assert _at_hand(store, "line~1") == first.metrics
    monkeypatch.setattr(scores, "_FEW", 5)
    assert _at_hand(store, "line~1") is None


def test_another_line_begins_without_a_note(store: InMemoryRunStore) -> None:
    first = experiment(6, name="line").run(store=store)
    assert experiment(6, name="other").run(store=store).metrics == first.metrics


class Detailed:
    """Gives details to one case."""

    component_id = "test/detailed"

    def score(self, parsed: Any, case: Any, ctx: Any) -> Any:
        return Score(self.component_id, 1.0, details={"seen": True} if case.case_id == "c3" else {})


def test_details_of_a_single_case_are_shown(store: InMemoryRunStore) -> None:
    experiment(6, metrics=[Detailed()], name="line").run(store=store)
    reader, found = Reader(store.repository), locate(store.repository, "line")
    rows = list(outcomes(reader, found, Wanted(details=True)))
    assert [row.details for row in rows] == [{"seen": True} if row.case == "c3" else None for row in rows]


def test_a_metric_without_details_is_not_read_for_them(
    store: InMemoryRunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment(6, metrics=[Equal()], name="line").run(store=store)
    reader, found = Reader(store.repository), locate(store.repository, "line")
    values: list[bytes] = []
    monkeypatch.setattr(reader, "values", lambda oids: [(oid, values.append(oid)) for oid in oids])
    assert len(list(outcomes(reader, found, Wanted(details=True)))) == 6
    assert values == []
