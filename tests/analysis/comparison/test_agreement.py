"""Judges that rate the same answers: those of two runs, and the draws of one."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from msgspec import structs

from tests.support.components import AfterEquals, Judge, Verdict
from tests.support.experiments import dataset, experiment
from themis_vcs import InMemoryRunStore, JudgeResponse, RuntimeConfig, compare


class Fixed(Judge):
    """Says what it is told to, prompt by prompt: the n-th question gets the n-th score, or no verdict for None."""

    def __init__(self, *scores: float | None) -> None:
        super().__init__(deterministic=False)
        self.scores = list(scores)

    def fingerprint(self) -> str:
        return f"fixed:{self.scores}"

    async def judge(self, prompt: str, *, seed: int | None = None) -> JudgeResponse:
        score = self.scores[len(self.asked)]
        self.asked.append(prompt)
        text = "well" if score is None else f'{{"label": "x", "score": {score}}}'
        return JudgeResponse(self.component_id, text)


def judged(store: InMemoryRunStore, name: str, scores: list[float], **options: Any) -> None:
    """A run on the line `name` whose judge is asked one question at a time, in the order of the cases."""
    options = {"runtime": RuntimeConfig(max_concurrent_tasks=1), **options}
    experiment(len(scores), metrics=[Verdict()], judge=Fixed(*scores), name=name, **options).run(store=store)


def test_two_judges_of_the_same_answers(store: InMemoryRunStore) -> None:
    judged(store, "one", [1, 1, 0, 0, 1, 0])
    judged(store, "other", [1, 0, 0, 0, 1, 1])
    (found,) = compare(store, "one", ["other"], agreement=True).agreement
    assert (found.run, found.other, found.raters, found.n, found.agreed, found.other_answers) == (0, 1, 2, 6, 4, 0)
    assert found.kappa == pytest.approx(1 - (2 / 6) / 0.5)
    assert {flip.case: flip.ratings for flip in found.flipped} == {"sums/c1": [1.0, 0.0], "sums/c5": [0.0, 1.0]}


def test_answers_that_are_not_the_same_say_nothing_of_the_judges(store: InMemoryRunStore) -> None:
    judged(store, "one", [1, 1, 0, 0])
    judged(store, "other", [1, 0, 0, 0], parser=AfterEquals(shouted=("c1",)))
    (found,) = compare(store, "one", ["other"], agreement=True).agreement
    assert (found.n, found.agreed, found.other_answers, found.flipped) == (3, 3, 1, [])


def test_other_cases_of_another_snapshot_do_not_matter(store: InMemoryRunStore) -> None:
    judged(store, "one", [1, 1, 0])
    judged(store, "other", [1, 1, 0, 0, 0], datasets=[dataset(3), dataset(2, "zoo")])
    (found,) = compare(store, "one", ["other"], agreement=True).agreement
    assert (found.n, found.agreed, found.other_answers) == (3, 3, 0)


def test_draws_of_one_judge(store: InMemoryRunStore) -> None:
    judged(store, "one", [1, 1, 0, 0], datasets=[dataset(2)], evaluation={"judge_repeats": 2})
    found = compare(store, "one", ["one"], agreement=True).agreement
    draws = [each for each in found if each.other is None]
    assert [(each.run, each.raters, each.n) for each in draws] == [(0, 2, 2), (1, 2, 2)]
    assert draws[0].agreed + len(draws[0].flipped) == 2


class Named(Fixed):
    """As `Fixed`, under another name."""

    def __init__(self, component_id: str, *scores: float | None) -> None:
        super().__init__(*scores)
        self.component_id = component_id


def test_the_judge_models_that_one_metric_asks(store: InMemoryRunStore) -> None:
    """A verdict that a model did not give is nobody's."""
    models = [
        Named("test/a", 1, 1, 0, None),
        Named("test/b", 1, 0, 0, 1),
        Named("test/c", 1, 0, 0, 0),
    ]
    runtime = RuntimeConfig(max_concurrent_tasks=1)
    made = experiment(4, metrics=[Verdict()], judge=models[0], name="panel", runtime=runtime)
    panel = structs.replace(made.evaluation, judge_models=models)
    dataclasses.replace(made, evaluation=panel).run(store=store)
    (found, *_) = (each for each in compare(store, "panel", ["panel"], agreement=True).agreement if each.models)
    assert (found.run, found.other, found.models, found.raters) == (0, None, ["test/a", "test/b", "test/c"], 3)
    assert (found.n, found.agreed) == (4, 2)
    assert {flip.case: flip.ratings for flip in found.flipped} == {
        "sums/c1": [1.0, 0.0, 0.0],
        "sums/c3": [None, 1.0, 0.0],
    }
