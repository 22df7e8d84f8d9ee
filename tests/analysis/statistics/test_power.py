from __future__ import annotations

import math

import numpy as np
import pytest

from themis_vcs.analysis.statistics.power import detectable, needed


def test_millers_example_needs_969_cases() -> None:
    """A variance of 1/9 of the paired differences, and three points to be shown: Adding Error Bars to Evals (2024),
    section 5."""
    assert needed(math.sqrt(1 / 9 / 500), 500, 0.03) == 969


def test_as_many_cases_as_there_are_show_what_they_can_detect() -> None:
    assert needed(0.02, 250, detectable(0.02)) in (250, 251)


def test_the_power_is_80_percent() -> None:
    rng = np.random.default_rng(1)
    n, difference = 100, detectable(1 / math.sqrt(100))
    samples = rng.normal(difference, 1, (20_000, n))
    found = np.abs(samples.mean(axis=1)) > 1.959963984540054 / math.sqrt(n)
    assert found.mean() == pytest.approx(0.8, abs=0.01)


def test_the_sign_of_a_difference_does_not_matter() -> None:
    assert needed(0.1, 50, -0.05) == needed(0.1, 50, 0.05)
