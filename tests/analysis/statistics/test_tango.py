from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from themis_vcs.analysis.statistics.tango import Z, score, tango


@pytest.mark.parametrize(
    ("wins", "losses", "n", "interval"), [(1, 7, 21, (-0.517, -0.026)), (6, 16, 161, (-0.124, -0.005))]
)
def test_the_interval_of_published_tables(wins: int, losses: int, n: int, interval: tuple[float, float]) -> None:
    """Airway hyper-responsiveness and consolidation therapy: Fagerland, Lydersen and Laake, Recommended tests and
    confidence intervals for paired binomial proportions, Statistics in Medicine 33 (2014)."""
    assert tango(wins, losses, n) == pytest.approx(interval, abs=5e-4)


def likelihood_score(wins: int, losses: int, n: int, difference: float) -> float:
    """Tango's statistic with the share of losses found by search instead of by his formula."""

    def unlikely(lost: float) -> float:
        shares = np.array([lost + difference, lost, 1 - 2 * lost - difference])
        return -float((np.array([wins, losses, n - wins - losses]) * np.log(np.maximum(shares, 1e-300))).sum())

    bounds = (max(0.0, -difference), (1 - difference) / 2)
    lost = minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-14}).x
    variance = n * (2 * lost + difference * (1 - difference))
    return float((wins - losses - n * difference) / np.sqrt(variance))


@pytest.mark.parametrize(("wins", "losses", "n"), [(3, 1, 40), (12, 9, 50), (5, 20, 300), (2, 2, 10)])
@pytest.mark.parametrize("difference", [-0.2, -0.05, 0.04, 0.3])
def test_the_statistic_is_that_of_the_greatest_likelihood(wins: int, losses: int, n: int, difference: float) -> None:
    found = score(wins, losses, n, difference)
    assert found == pytest.approx(likelihood_score(wins, losses, n, difference), abs=1e-5)


@pytest.mark.parametrize(("wins", "losses", "n"), [(0, 0, 50), (0, 3, 30), (19, 0, 20), (10, 10, 20), (1, 0, 1)])
def test_the_ends_are_where_the_test_begins_to_reject(wins: int, losses: int, n: int) -> None:
    low, high = tango(wins, losses, n)
    assert -1 <= low <= (wins - losses) / n <= high <= 1
    assert low == -1 or score(wins, losses, n, low) == pytest.approx(Z, abs=1e-6)
    assert high == 1 or score(wins, losses, n, high) == pytest.approx(-Z, abs=1e-6)


def test_the_sides_mirror_each_other() -> None:
    low, high = tango(7, 2, 60)
    assert tango(2, 7, 60) == pytest.approx((-high, -low), abs=1e-12)
