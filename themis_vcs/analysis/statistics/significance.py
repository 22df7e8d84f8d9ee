"""The p-values of paired differences: McNemar's exact test, the sign-flip test, and Holm's correction of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import bdtr, ndtr

from themis_vcs.analysis.statistics.units import Floats, Labels

FLIPS = 9_999
_EXACT = 16
"""Up to so many units that are not 0, all 2^n flips are looked at."""
_DRAWN = 2_000
"""Up to so many magnitudes that differ, flips are drawn."""
_AT_ONCE = 1_000_000

Way = Literal["exact", "drawn", "normal"]


class SignFlip(NamedTuple):
    """A two-sided p-value, and whether all flips were looked at, some were drawn, or their normal limit was taken."""

    p: float
    way: Way


def mcnemar(wins: int, losses: int) -> float:
    """The two-sided p-value of McNemar's exact test: wins among those that are not ties are Binomial(1/2).

    Q. McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 12 (1947);
    the exact form is the sign test: twice the smaller tail, at most 1.
    """
    discordant = wins + losses
    return min(1.0, 2 * float(bdtr(min(wins, losses), discordant, 0.5))) if discordant else 1.0


def sign_flip(sums: Floats, seed: int, flips: int = FLIPS) -> SignFlip:
    """The two-sided p-value of the sums of units, under the hypothesis that each might as well have the other sign.

    The permutation test for pairs: R. A. Fisher, The Design of Experiments (1935), section 21. Its statistic is the
    total, so that it speaks of the same mean as the interval does. Drawn flips count the one that was seen among them:
    B. Phipson and G. K. Smyth, Permutation p-values should never be zero (2010). The normal limit of many flips is
    total / sqrt(sum of squares); it is symmetric, so that what it leaves out is of order 1/n.
    """
    moving = np.abs(sums[sums != 0])
    seen = abs(float(sums.sum()))
    if not len(moving):
        return SignFlip(1.0, "exact")
    # Flips that tie with what was seen may differ from it by rounding.
    reached = seen - 1e-9 * float(moving.sum())
    if len(moving) <= _EXACT:
        signs = 1 - 2 * ((np.arange(2 ** len(moving))[:, None] >> np.arange(len(moving))) & 1)
        return SignFlip(float(np.mean(np.abs(signs @ moving) >= reached)), "exact")
    sizes, counts = np.unique(moving, return_counts=True)
    if len(sizes) > _DRAWN:
        return SignFlip(2 * float(ndtr(-seen / np.sqrt((moving**2).sum()))), "normal")
    totals = _flipped(moving, sizes, counts, np.random.default_rng(seed), flips)
    return SignFlip((int(np.count_nonzero(np.abs(totals) >= reached)) + 1) / (flips + 1), "drawn")


def _flipped(moving: Floats, sizes: Floats, counts: Labels, rng: np.random.Generator, flips: int) -> Floats:
    """The totals of drawn flips. Of many equal magnitudes, how many are positive is one binomial draw."""
    totals = np.empty(flips)
    tied = 4 * len(sizes) < len(moving)
    rows = max(1, _AT_ONCE // (len(sizes) if tied else len(moving)))
    for start in range(0, flips, rows):
        some = min(rows, flips - start)
        if tied:
            positive = rng.binomial(counts, 0.5, size=(some, len(sizes))) @ sizes
        else:
            bits = rng.integers(256, size=(some, (len(moving) + 7) // 8), dtype=np.uint8)
            positive = np.unpackbits(bits, axis=1, count=len(moving)) @ moving
        totals[start : start + some] = 2 * positive - moving.sum()
    return totals


def holm(ps: Sequence[float]) -> list[float]:
    """Each p-value corrected for all of them, in the order given.

    The k-th smallest of m is multiplied by m - k + 1, and is no less than the one before it. S. Holm, A simple
    sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    corrected = [1.0] * len(ps)
    least = 0.0
    for place, at in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        least = max(least, min(1.0, (len(ps) - place) * ps[at]))
        corrected[at] = least
    return corrected
