from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from themis_vcs.analysis.statistics.units import units


def test_the_error_of_single_cases_is_the_deviation_over_the_root_of_their_number() -> None:
    sample = np.random.default_rng(1).normal(size=80)
    assert units(sample).standard_error == pytest.approx(sample.std(ddof=1) / np.sqrt(80), abs=1e-12)


def test_the_error_of_clusters_is_the_robust_one_of_statsmodels() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(12, size=200)
    labels[:12] = np.arange(12)
    sample = rng.normal(size=200) + rng.normal(size=12)[labels]
    fitted = sm.OLS(sample, np.ones(200)).fit(cov_type="cluster", cov_kwds={"groups": labels})
    assert units(sample, labels).mean == pytest.approx(fitted.params[0], abs=1e-12)
    assert units(sample, labels).standard_error == pytest.approx(fitted.bse[0], abs=1e-12)


def test_the_error_of_clusters_is_that_of_miller() -> None:
    """Adding Error Bars to Evals (2024), equation 4, with the correction of G/(G-1)."""
    rng = np.random.default_rng(3)
    labels = np.sort(np.concatenate([np.arange(7), rng.integers(7, size=33)]))
    sample = rng.normal(size=40)
    apart = sample - sample.mean()
    own = (apart**2).sum()
    crossed = sum(apart[i] * apart[j] for i in range(40) for j in range(40) if i != j and labels[i] == labels[j])
    expected = np.sqrt((own + crossed) / 40**2 * 7 / 6)
    assert units(sample, labels).standard_error == pytest.approx(expected, abs=1e-12)


def test_a_single_unit_has_no_error() -> None:
    assert units(np.array([0.3])).standard_error == 0.0
