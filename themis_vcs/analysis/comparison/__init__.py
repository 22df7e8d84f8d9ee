"""Comparing runs: which cases are paired, what is said of them, and the document that says it.

It needs numpy and scipy, which the extra `stats` brings, so it is imported where a comparison is asked for, and nowhere
else.
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
