"""The bootstrap interval of a mean of paired differences: bias-corrected and accelerated (BCa).

Units are resampled, so that cases of one cluster stay together. Three ways lead to the same interval, by what each
would cost:

- `counts`: where many units are equal (differences of 0/1 scores are -1, 0 or 1), a resample is one multinomial draw
  of how often each distinct one comes. It is the same distribution, not an approximation.
- `indices`: each resample draws as many units as there are.
- `expansion`: where both would be dear, the quantiles of the bootstrap distribution come from its Cornish-Fisher
  expansion of first order instead of from resamples; what is left out is of order 1/n.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from themis_vcs.analysis.statistics.units import Floats, Units

RESAMPLES = 9_999

_DEAR = 10_000
"""Draws per resample above which the expansion is taken."""
_DRAW = 20
"""One binomial draw costs about as much as so many draws of an index."""
_AT_ONCE = 1_000_000
"""Draws held in memory at once: 8 MB each for the draws and for what they draw."""
_SKEWED = 0.1
"""Up to this skewness of the mean (of the units, over the root of their number) the expansion is good."""

Way = Literal["counts", "indices", "expansion"]


class Bootstrap(NamedTuple):
    """An interval, and which way led to it."""

    low: float
    high: float
    way: Way


def bootstrap(units: Units, seed: int, resamples: int = RESAMPLES) -> Bootstrap | None:
    """The 95 % BCa interval of the mean; None where all units have one mean, since resamples of them say nothing.

    B. Efron, Better Bootstrap Confidence Intervals, JASA 82 (1987). The normal quantile in it is widened to
    sqrt(G/(G-1)) t(G-1) for G units, since resampling underestimates the spread of few: T. Hesterberg, What Teachers
    Should Know About the Bootstrap, The American Statistician 69 (2015), section 5.3.
    """
    if units.count < 2 or np.abs(units.influence).max() <= 1e-12 * np.abs(units.sums).max():
        return None
    wide = math.sqrt(units.count / (units.count - 1)) * -float(stdtrit(units.count - 1, 0.025))
    accelerated = acceleration(units)
    distinct, counts = _distinct(units)
    cheapest = min(_DRAW * len(counts), units.count)
    if cheapest > _DEAR and 6 * abs(accelerated) <= _SKEWED:
        return Bootstrap(*_expanded(units, accelerated, wide), "expansion")
    rng = np.random.default_rng(seed)
    if _DRAW * len(counts) < units.count:
        means = _resampled_counts(distinct, counts, rng, resamples)
        return Bootstrap(*bca(means, units.mean, accelerated, wide), "counts")
    means = _resampled_indices(units, rng, resamples)
    return Bootstrap(*bca(means, units.mean, accelerated, wide), "indices")


def bca(distribution: Floats, estimate: float, acceleration: float, quantile: float) -> tuple[float, float]:
    """The two ends of the BCa interval, given resampled estimates and the normal quantile of its level, such as 1.96.

    Efron (1987), equation 2.3, with the bias correction taken from the middle of ties.
    """
    below, upto = np.count_nonzero(distribution < estimate), np.count_nonzero(distribution <= estimate)
    bias = float(ndtri((below + upto) / (2 * len(distribution))))
    levels = [_level(bias, acceleration, z) for z in (-quantile, quantile)]
    low, high = np.quantile(distribution, levels)
    return float(low), float(high)


def acceleration(units: Units) -> float:
    """The acceleration from the jackknife: the mean without unit c is (S - S_c)/(N - n_c), for all c at once.

    sum(u³) / (6 sum(u²)^1.5), u being the mean of these means less each: Efron and Tibshirani, An Introduction to the
    Bootstrap (1993), equation 14.15.
    """
    rest = units.cases - units.sizes
    without = (units.sums.sum() - units.sums) / rest
    away = without.mean() - without
    squares = float((away**2).sum())
    return float((away**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0


def _level(bias: float, acceleration: float, quantile: float) -> float:
    moved = bias + quantile
    stretched = 1 - acceleration * moved
    if stretched <= 0:
        return 1.0 if acceleration > 0 else 0.0
    return float(ndtr(bias + moved / stretched))


def _distinct(units: Units) -> tuple[Units, Floats]:
    """The units that differ, and how often each is there."""
    if (units.sizes == 1).all():
        sums, counts = np.unique(units.sums, return_counts=True)
        sizes = np.ones(len(sums))
    else:
        both, counts = np.unique(np.column_stack([units.sums, units.sizes]), axis=0, return_counts=True)
        sums, sizes = both[:, 0], both[:, 1]
    return Units(sums, sizes), counts.astype(np.float64)


def _resampled_counts(distinct: Units, counts: Floats, rng: np.random.Generator, resamples: int) -> Floats:
    total = int(counts.sum())
    means = np.empty(resamples)
    rows = max(1, _AT_ONCE // len(counts))
    for start in range(0, resamples, rows):
        drawn = rng.multinomial(total, counts / total, size=min(rows, resamples - start))
        means[start : start + len(drawn)] = (drawn @ distinct.sums) / (drawn @ distinct.sizes)
    return means


def _resampled_indices(units: Units, rng: np.random.Generator, resamples: int) -> Floats:
    means = np.empty(resamples)
    rows = max(1, _AT_ONCE // units.count)
    for start in range(0, resamples, rows):
        drawn = rng.integers(units.count, size=(min(rows, resamples - start), units.count), dtype=np.int32)
        means[start : start + len(drawn)] = units.sums[drawn].sum(axis=1) / units.sizes[drawn].sum(axis=1)
    return means


def _expanded(units: Units, acceleration: float, quantile: float) -> tuple[float, float]:
    """The BCa ends, where the q-th quantile of the resampled means is taken as mean + s (z + skew/6 (z² - 1)).

    s and skew are the standard deviation and skewness of the mean; P. Hall, The Bootstrap and Edgeworth Expansion
    (1992), sections 2.5 and 3.10.
    """
    influence = units.influence
    deviation = math.sqrt(float((influence**2).mean()) / units.count)
    sixth = acceleration
    ends = []
    for z in (-quantile, quantile):
        moved = float(ndtri(_level(sixth, acceleration, z)))
        ends.append(units.mean + deviation * (moved + sixth * (moved**2 - 1)))
    return ends[0], ends[1]
