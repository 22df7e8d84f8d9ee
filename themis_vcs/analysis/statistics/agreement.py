"""How far ratings agree beyond chance: Cohen's kappa for two raters, Krippendorff's alpha for any number."""

from __future__ import annotations

from typing import Literal

import numpy as np

from themis_vcs.analysis.statistics.units import Floats

Weights = Literal["none", "linear", "quadratic"]
Level = Literal["nominal", "interval"]


def kappa(one: Floats, other: Floats, weights: Weights = "none") -> float | None:
    """Cohen's kappa of two ratings of the same cases, as numbers; None where chance alone would agree fully.

    1 - sum(w o) / sum(w e) over pairs of categories, o being the shares seen, e those expected from the margins, and w
    the disagreement: 1 for any, or the distance of the values, plain or squared. J. Cohen, A coefficient of agreement
    for nominal scales, Educational and Psychological Measurement 20 (1960); with weights, Psychological Bulletin 70
    (1968).
    """
    values, codes = np.unique(np.concatenate([one, other]), return_inverse=True)
    first, second = codes[: len(one)], codes[len(one) :]
    margins = [np.bincount(each, minlength=len(values)) / len(one) for each in (first, second)]
    if weights == "none":
        seen, chance = float(np.mean(first != second)), 1 - float(margins[0] @ margins[1])
    else:
        power = 1 if weights == "linear" else 2
        seen = float(np.mean(np.abs(one - other) ** power))
        chance = _expected(values, margins[0], margins[1], power)
    return 1 - seen / chance if chance > 1e-12 else None


def alpha(ratings: Floats, level: Level = "nominal") -> float | None:
    """Krippendorff's alpha of a row per case and a column per rater, NaN for a rating that is not there.

    1 - D_o / D_e, where disagreement is 1 between different values (nominal) or their squared distance (interval); None
    where nothing varies. Cases with fewer than two ratings do not count. K. Krippendorff, Computing Krippendorff's
    Alpha-Reliability (2011).
    """
    given = ~np.isnan(ratings)
    ratings = ratings[given.sum(axis=1) >= 2]
    given = ~np.isnan(ratings)
    n = int(given.sum())
    if not n:
        return None
    others = given.sum(axis=1) - 1
    within = np.zeros(len(ratings))
    for one in range(ratings.shape[1]):
        for other in range(one + 1, ratings.shape[1]):
            apart = _apart(ratings[:, one], ratings[:, other], level)
            within += np.where(given[:, one] & given[:, other], 2 * apart, 0.0)
    seen = float((within / others).sum()) / n
    known = ratings[given]
    if level == "nominal":
        counts = np.unique(known, return_counts=True)[1].astype(np.float64)
        chance = (n * n - float((counts**2).sum())) / (n * (n - 1))
    else:
        chance = 2 * float(((known - known.mean()) ** 2).sum()) / (n - 1)
    return 1 - seen / chance if chance > 1e-12 else None


def _apart(one: Floats, other: Floats, level: Level) -> Floats:
    return (one != other).astype(np.float64) if level == "nominal" else np.nan_to_num(one - other) ** 2


def _expected(values: Floats, one: Floats, other: Floats, power: int) -> float:
    """The mean distance of two independent draws, one of each distribution over `values`, which ascend."""
    if power == 2:
        means = [float(each @ values) for each in (one, other)]
        squares = [float(each @ values**2) for each in (one, other)]
        return squares[0] + squares[1] - 2 * means[0] * means[1]
    below = [np.cumsum(each) for each in (one, other)]
    steps = np.diff(values)
    passed = below[0][:-1] * (1 - below[1][:-1]) + below[1][:-1] * (1 - below[0][:-1])
    return float(steps @ passed)
