"""Numerics on arrays of paired differences: intervals, tests, effect sizes, power, agreement.

It sees numbers alone, neither a store nor a case. It needs numpy and scipy, which the extra `stats` brings, so it is
imported where a comparison is asked for, and nowhere else. Of scipy only `scipy.special` is imported, which loads in a
third of the time of `scipy.stats`.
"""

from __future__ import annotations

from themis_vcs.errors import UsageError

try:
    import numpy as _numpy  # noqa: F401
    import scipy.special as _special  # noqa: F401
except ImportError as error:
    raise UsageError(
        f"comparisons need numpy and scipy: {error}", hint="pip install 'themis-vcs[stats]' brings both"
    ) from error
