from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from themis_vcs.analysis.statistics import bootstrap as module
from themis_vcs.analysis.statistics.bootstrap import acceleration, bca, bootstrap
from themis_vcs.analysis.statistics.units import Floats, units

SPATIAL = np.array(
    [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41], float
)
"""Measurement A of the spatial test data: Efron and Tibshirani, An Introduction to the Bootstrap (1993), table 14.1."""


def skewed(n: int, seed: int = 5) -> Floats:
    return np.random.default_rng(seed).exponential(1.0, n) - 1.0


def thirds(n: int, seed: int = 5) -> Floats:
    return np.random.default_rng(seed).choice([-1.0, 0.0, 1.0], size=n, p=[0.1, 0.7, 0.2])


def test_the_ends_are_those_of_scipy() -> None:
    sample = skewed(40)
    found = stats.bootstrap((sample,), np.mean, n_resamples=4_000, method="BCa", random_state=np.random.default_rng(1))
    ours = bca(found.bootstrap_distribution, sample.mean(), acceleration(units(sample)), 1.959963984540054)
    assert ours == pytest.approx(tuple(found.confidence_interval), abs=1e-10)


def test_the_acceleration_of_the_mean_is_a_sixth_of_its_skewness() -> None:
    sample = skewed(200)
    assert acceleration(units(sample)) == pytest.approx(stats.skew(sample) / (6 * np.sqrt(200)), abs=1e-12)


def test_the_interval_of_the_spatial_test_data_is_the_published_one() -> None:
    """The variance of measurement A is 171.5, the acceleration 0.061, the 90 % interval (115.8, 259.6), of 2,000
    resamples; Efron and Tibshirani (1993), section 14.3 and table 14.2."""
    rng = np.random.default_rng(3)
    resampled = SPATIAL[rng.integers(26, size=(40_000, 26))].var(axis=1)
    without = np.array([np.delete(SPATIAL, at).var() for at in range(26)])
    away = without.mean() - without
    accelerated = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    assert SPATIAL.var() == pytest.approx(171.5, abs=0.05)
    assert accelerated == pytest.approx(0.061, abs=0.001)
    assert bca(resampled, SPATIAL.var(), accelerated, 1.6448536269514722) == pytest.approx((115.8, 259.6), abs=4)


@pytest.mark.parametrize("make", [thirds, skewed])
@pytest.mark.parametrize("clusters", [None, 60])
def test_all_ways_lead_to_one_interval(
    make: Callable[[int], Floats], clusters: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = None if clusters is None else np.arange(600) % clusters
    gathered = units(make(600), labels)
    found = {}
    for way, settings in {"counts": (10**9, 0), "indices": (10**9, 10**9), "expansion": (0, 1)}.items():
        monkeypatch.setattr(module, "_DEAR", settings[0])
        monkeypatch.setattr(module, "_DRAW", settings[1])
        interval = bootstrap(gathered, 1, 40_000)
        assert interval is not None
        assert interval.way == way
        found[way] = interval[:2]
    width = found["indices"][1] - found["indices"][0]
    assert found["counts"] == pytest.approx(found["indices"], abs=0.02 * width)
    assert found["expansion"] == pytest.approx(found["indices"], abs=0.02 * width)


def test_the_way_is_chosen_by_what_it_costs() -> None:
    assert [way_of(thirds(100_000)), way_of(skewed(500)), way_of(skewed(100_000))] == [
        "counts",
        "indices",
        "expansion",
    ]


def test_one_case_that_outweighs_all_others_is_resampled_at_any_price() -> None:
    sample = skewed(20_000)
    sample[0] = 1e6
    assert way_of(sample, resamples=20) == "indices"


def way_of(sample: Floats, resamples: int = 100) -> str:
    found = bootstrap(units(sample), 1, resamples)
    assert found is not None
    return found.way


def test_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same draws in pieces give the same interval."""
    whole = bootstrap(units(skewed(300)), 1, 500)
    monkeypatch.setattr(module, "_AT_ONCE", 1_000)
    assert bootstrap(units(skewed(300)), 1, 500) == whole


def test_the_seed_decides() -> None:
    sample = units(skewed(100))
    assert bootstrap(sample, 1) == bootstrap(sample, 1)
    assert bootstrap(sample, 1) != bootstrap(sample, 2)


@pytest.mark.parametrize("sample", [[0.0] * 9, [0.1] * 9, [0.5]])
def test_equal_differences_have_no_interval(sample: list[float]) -> None:
    assert bootstrap(units(np.array(sample)), 1) is None


def test_clusters_of_equal_cases_count_as_one_case_each() -> None:
    sample, labels = skewed(50), np.repeat(np.arange(50), 4)
    assert bootstrap(units(np.repeat(sample, 4), labels), 1) == pytest.approx(bootstrap(units(sample), 1))
