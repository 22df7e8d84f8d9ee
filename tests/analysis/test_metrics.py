from __future__ import annotations

import pytest

from tests.support.components import Verdict
from tests.support.experiments import experiment
from themis_vcs import InMemoryRunStore
from themis_vcs.analysis.metrics import MetricMean, mean_of


def test_proportions_have_wilson_s_interval() -> None:
    # 9 of 10: E. B. Wilson's interval, as any table of it has: 0.596 to 0.982
    found = mean_of([1.0] * 9 + [0.0], 2)
    assert (found.mean, found.count, found.failed) == (0.9, 10, 2)
    assert found.ci is not None
    assert found.ci == pytest.approx((0.5958, 0.9821), abs=5e-5)


def test_other_scores_have_student_s() -> None:
    # standard error 0.204, 3 degrees of freedom: t = 3.182
    found = mean_of([0.0, 0.5, 1.0, 0.5], 0)
    assert found.ci == pytest.approx((0.5 - 0.6496, 0.5 + 0.6496), abs=1e-3)


@pytest.mark.parametrize(("values", "mean"), [([], None), ([0.5], 0.5)])
def test_without_two_scores_there_is_no_interval(values: list[float], mean: float | None) -> None:
    assert mean_of(values, 3) == MetricMean(mean, len(values), 3, None)


def test_every_case_counts_once_however_often_it_was_judged(store: InMemoryRunStore) -> None:
    found = experiment(4, metrics=[Verdict()], evaluation={"judge_repeats": 3}).run(store=store).metrics["test/verdict"]
    assert (found.mean, found.count, found.failed) == (1.0, 4, 0)
