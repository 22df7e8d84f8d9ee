from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa, to_table

from themis_vcs.analysis.statistics.agreement import Weights, alpha, kappa
from themis_vcs.analysis.statistics.units import Floats

N = np.nan


def pairs(table: list[list[int]]) -> tuple[Floats, Floats]:
    """The ratings that a table of counts stands for."""
    rows, columns = np.indices(np.shape(table))
    counts = np.ravel(table)
    return np.repeat(rows.ravel(), counts).astype(float), np.repeat(columns.ravel(), counts).astype(float)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        # J. L. Fleiss, Statistical Methods for Rates and Proportions (2nd ed. 1981), table 13.1.
        ([[75, 1, 4], [5, 4, 1], [0, 0, 10]], 0.676),
        # https://en.wikipedia.org/wiki/Cohen's_kappa, the simple example: 50 grant proposals, two readers.
        ([[20, 5], [10, 15]], 0.40),
    ],
)
def test_kappa_of_published_tables(table: list[list[int]], expected: float) -> None:
    assert kappa(*pairs(table)) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(("weights", "theirs"), [("none", None), ("linear", "linear"), ("quadratic", "quadratic")])
@pytest.mark.parametrize("levels", [2, 3, 6])
def test_kappa_is_that_of_statsmodels(weights: Weights, theirs: str | None, levels: int) -> None:
    rng = np.random.default_rng(levels)
    one = rng.integers(levels, size=120).astype(float)
    other = np.where(rng.random(120) < 0.6, one, rng.integers(levels, size=120)).astype(float)
    table, _ = to_table(np.column_stack([one, other]).astype(int), bins=np.arange(levels + 1) - 0.5)
    expected = cohens_kappa(table, weights=np.arange(levels) if theirs else None, wt=theirs)
    assert kappa(one, other, weights) == pytest.approx(expected.kappa, abs=1e-10)


def test_ratings_that_never_vary_have_no_kappa() -> None:
    assert kappa(np.ones(5), np.ones(5)) is None


BINARY = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]], float).T
NOMINAL = np.array([[*map(ord, "aabbdcccedda")], [*map(ord, "babbbccceddd")]], float).T
INCOMPLETE = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
        [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
    ]
).T


@pytest.mark.parametrize(
    ("ratings", "nominal"), [(BINARY, 0.095), (NOMINAL, 0.692), (INCOMPLETE, 0.743)], ids=["A", "B", "C"]
)
def test_alpha_of_krippendorffs_tables(ratings: Floats, nominal: float) -> None:
    """K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), sections A, B and C."""
    assert alpha(ratings) == pytest.approx(nominal, abs=5e-4)


def test_alpha_of_krippendorffs_table_as_intervals() -> None:
    """As above, section D."""
    assert alpha(INCOMPLETE, "interval") == pytest.approx(0.849, abs=5e-4)


def test_alpha_of_the_encyclopedias_example() -> None:
    """https://en.wikipedia.org/wiki/Krippendorff's_alpha, a computational example."""
    ratings = np.array(
        [
            [N, N, N, N, N, 3, 4, 1, 2, 1, 1, 3, 3, N, 3],
            [1, N, 2, 1, 3, 3, 4, 3, N, N, N, N, N, N, N],
            [N, N, 2, 1, 3, 4, 4, N, 2, 1, 1, 3, 3, N, 4],
        ]
    ).T
    assert alpha(ratings) == pytest.approx(0.691, abs=5e-4)
    assert alpha(ratings, "interval") == pytest.approx(0.811, abs=5e-4)


@pytest.mark.parametrize("ratings", [np.ones((4, 2)), np.full((3, 2), N), np.array([[1, N], [N, 2]])])
def test_ratings_that_do_not_vary_or_are_not_shared_have_no_alpha(ratings: Floats) -> None:
    assert alpha(ratings) is None
    assert alpha(ratings, "interval") is None


def test_full_agreement_is_one() -> None:
    ratings = np.array([[1.0, 1.0], [2.0, 2.0], [0.5, 0.5]])
    assert [alpha(ratings), alpha(ratings, "interval"), kappa(ratings[:, 0], ratings[:, 1])] == [1, 1, 1]
