"""Tango's score interval of a difference of paired proportions. It holds where wins and losses are few or none."""

from __future__ import annotations

import math

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


def tango(wins: int, losses: int, n: int) -> tuple[float, float]:
    """The 95 % interval of (wins - losses) / n, of `n` > 0 pairs of 0/1 scores.

    The differences that a score test does not reject. T. Tango, Equivalence test and confidence interval for the
    difference in proportions for the paired-sample design, Statistics in Medicine 17 (1998).
    """
    estimate = (wins - losses) / n
    return _end(wins, losses, n, -1.0, estimate, Z), _end(wins, losses, n, estimate, 1.0, -Z)


def score(wins: int, losses: int, n: int, difference: float) -> float:
    """Tango's statistic: how many standard errors, under that difference, the one that was seen is above it."""
    a = 2 * n
    b = -wins - losses + (2 * n - wins + losses) * difference
    c = -losses * difference * (1 - difference)
    lost = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = n * (2 * lost + difference * (1 - difference))
    above = wins - losses - n * difference
    if variance <= 0:
        return 0.0 if above == 0 else math.copysign(math.inf, above)
    return above / math.sqrt(variance)


def _end(wins: int, losses: int, n: int, low: float, high: float, wanted: float) -> float:
    """Where the statistic, which falls with the difference, is `wanted`; by bisection to the last bit but a few."""
    for _ in range(60):
        middle = (low + high) / 2
        if score(wins, losses, n, middle) > wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2
