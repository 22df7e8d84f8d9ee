from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as reference
from statsmodels.stats.multitest import multipletests

from themis_vcs.analysis.statistics import significance
from themis_vcs.analysis.statistics.significance import holm, mcnemar, sign_flip

MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], float)
"""Darwin's fifteen pairs of plants, in eighths of an inch: Fisher, The Design of Experiments (1935), table 3."""


@pytest.mark.parametrize("wins", [0, 1, 3, 17, 400])
@pytest.mark.parametrize("losses", [0, 2, 17, 431])
def test_mcnemar_is_that_of_scipy_and_statsmodels(wins: int, losses: int) -> None:
    found = mcnemar(wins, losses)
    if wins + losses:
        assert found == pytest.approx(stats.binomtest(wins, wins + losses).pvalue, abs=1e-10)
        assert found == pytest.approx(reference([[5, losses], [wins, 5]], exact=True).pvalue, abs=1e-10)
    else:
        assert found == 1.0


@pytest.mark.parametrize(("b", "c", "p"), [(1, 7, 0.0703), (6, 16, 0.0525)])
def test_mcnemar_of_published_tables(b: int, c: int, p: float) -> None:
    """Airway hyper-responsiveness before and after transplantation, and response to consolidation therapy: Fagerland,
    Lydersen and Laake, The McNemar test for binary matched-pairs data, BMC Medical Research Methodology 13 (2013)."""
    assert mcnemar(b, c) == pytest.approx(p, abs=5e-5)


def test_the_flips_of_the_maize_are_those_that_fisher_counted() -> None:
    """863 of 32,768 flips give a total as large as 314 or larger: The Design of Experiments (1935), section 21."""
    assert sign_flip(MAIZE, 1) == (2 * 863 / 32_768, "exact")


def test_all_flips_are_those_of_scipy() -> None:
    sample = np.random.default_rng(4).normal(0.3, 1, 12)
    found = stats.permutation_test((sample,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(sample, 1).p == pytest.approx(found.pvalue, abs=1e-10)


def test_drawn_flips_and_their_limit_come_near_to_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = sign_flip(MAIZE, 1).p
    monkeypatch.setattr(significance, "_EXACT", 0)
    drawn = sign_flip(MAIZE, 1, flips=200_000)
    assert drawn.way == "drawn"
    assert drawn.p == pytest.approx(exact, abs=4 * np.sqrt(exact / 200_000))
    sample = np.random.default_rng(4).normal(0.12, 1, 400)
    drawn = sign_flip(sample, 1, flips=200_000)
    monkeypatch.setattr(significance, "_DRAWN", 0)
    limit = sign_flip(sample, 1)
    assert limit.way == "normal"
    assert limit.p == pytest.approx(drawn.p, abs=0.003)


def test_flips_of_ones_are_mcnemars_test(monkeypatch: pytest.MonkeyPatch) -> None:
    ones = np.array([1.0] * 11 + [-1.0] * 4 + [0.0] * 50)
    assert sign_flip(ones, 1).p == pytest.approx(mcnemar(11, 4), abs=1e-12)


def test_drawn_flips_are_never_zero_and_of_one_seed() -> None:
    sample = np.full(100, 0.7)
    assert sign_flip(sample, 1).p == 1 / 10_000
    noisy = np.random.default_rng(4).normal(0.1, 1, 60)
    assert sign_flip(noisy, 1) == sign_flip(noisy, 1)


def test_no_difference_is_no_evidence() -> None:
    assert sign_flip(np.zeros(30), 1) == (1.0, "exact")


def test_holm_of_a_textbook_example() -> None:
    """The example of https://en.wikipedia.org/wiki/Holm–Bonferroni_method: 0.005 and 0.01 are rejected at 5 %."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02], abs=1e-15)


@pytest.mark.parametrize("size", [0, 1, 2, 7, 40])
def test_holm_is_that_of_statsmodels(size: int) -> None:
    ps = np.random.default_rng(size).random(size) ** 3
    expected = multipletests(ps, method="holm")[1].tolist() if size else []
    assert holm(ps.tolist()) == pytest.approx(expected, abs=1e-12)


def test_the_order_of_the_tests_does_not_matter_to_holm() -> None:
    ps = [0.2, 0.001, 0.03, 0.03]
    for order in itertools.permutations(range(4)):
        corrected = holm([ps[at] for at in order])
        assert [corrected[order.index(at)] for at in range(4)] == holm(ps)
