"""What a number of cases can show, and how many would be needed. The level is 5 %, the power 80 %."""

from __future__ import annotations

import math

from scipy.special import ndtri

_FACTOR = float(ndtri(0.975) + ndtri(0.8))


def detectable(standard_error: float) -> float:
    """The smallest true difference that a two-sided test at 5 % finds with a probability of 80 %.

    (z(0.975) + z(0.8)) · SE: E. Miller, Adding Error Bars to Evals (2024), section 5, solved for the difference.
    """
    return _FACTOR * standard_error


def needed(standard_error: float, n: float, difference: float) -> int:
    """How many cases of the kind that gave this standard error with `n` of them would show a true difference, not 0.

    n · ((z(0.975) + z(0.8)) · SE / difference)²: Miller (2024), equation 9, where the variance is n SE².
    """
    return max(2, math.ceil(n * (_FACTOR * standard_error / difference) ** 2))
