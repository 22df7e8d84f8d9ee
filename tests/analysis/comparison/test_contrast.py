from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from msgspec import Struct

from themis_vcs.analysis.comparison.contrast import FEW_DISCORDANT, Rules, contrast
from themis_vcs.analysis.comparison.document import (
    Agreement,
    Candidate,
    Comparison,
    ConditionResult,
    Effect,
    Flip,
    MetricComparison,
    OtherState,
)
from themis_vcs.errors import DataError

RULES = Rules("exclude", 0, None)


def figures(base: list[float], other: list[float], **options: object) -> MetricComparison:
    return contrast("m", 0, (np.array(base), np.array(other)), options.get("clusters"), RULES)  # type: ignore[arg-type]


def test_no_pair_with_two_scores_has_no_figures() -> None:
    found = figures([1.0, math.nan], [math.nan, 1.0])
    assert (found.n, found.pairs, found.difference, found.p, found.interval) == (0, 2, None, None, None)


@pytest.mark.parametrize(
    ("discordant", "method"), [(FEW_DISCORDANT - 1, "Tango score"), (FEW_DISCORDANT, "BCa, counts")]
)
def test_few_wins_and_losses_take_tangos_interval(discordant: int, method: str) -> None:
    other = [1.0] * discordant + [0.0] * (200 - discordant)
    assert figures([0.0] * 200, other).interval_method == method


def test_a_single_pair_has_a_difference_and_no_more() -> None:
    found = figures([0.25], [0.75])
    assert (found.n, found.difference, found.interval, found.standard_error) == (1, 0.5, None, None)
    assert (found.detectable, found.p, found.effect and found.effect.value) == (None, 1.0, None)


def test_the_effect_of_zeros_and_ones_is_that_of_a_sign_test() -> None:
    effect = figures([0.0] * 6 + [1.0] * 2 + [1.0], [1.0] * 6 + [0.0] * 2 + [1.0]).effect
    assert effect is not None
    assert (effect.measure, effect.value, effect.odds_ratio) == ("g", 0.25, 3.0)
    effect = figures([0.0, 1.0], [1.0, 1.0]).effect
    assert effect is not None
    assert (effect.value, effect.odds_ratio) == (0.5, None)


def test_the_effect_of_other_scores_is_cohens_d() -> None:
    base, other = [0.1, 0.5, 0.3, 0.9], [0.4, 0.4, 0.8, 1.0]
    differences = np.subtract(other, base)
    effect = figures(base, other).effect
    assert effect is not None
    assert effect.value == pytest.approx(differences.mean() / differences.std(ddof=1))


@pytest.mark.parametrize("size", [1.0, 1000.0])
def test_differences_that_are_equal_but_for_rounding_have_neither_effect_nor_interval(size: float) -> None:
    base = np.linspace(0.2, 0.9, 60) * size
    found = figures(base.tolist(), (base - 0.1).tolist())
    assert np.ptp((base - 0.1) - base) > 0
    assert (found.effect and found.effect.value, found.interval, found.detectable) == (None, None, None)
    assert (found.difference, found.losses) == (pytest.approx(-0.1), 60)


@pytest.mark.parametrize("scale", [1e-90, 1e-15, 1e15, 1e90])
def test_the_scale_of_a_metric_does_not_matter(scale: float) -> None:
    rng = np.random.default_rng(1)
    base, other = rng.random(30) + 0.1, rng.random(30) + 0.3
    one = figures(base.tolist(), other.tolist())
    scaled = figures((base * scale).tolist(), (other * scale).tolist())
    assert scaled.p == one.p
    assert scaled.interval is not None
    assert one.interval is not None
    assert [end / scale for end in scaled.interval] == pytest.approx(one.interval, rel=1e-6)


def test_a_score_too_large_for_its_square_is_refused() -> None:
    with pytest.raises(DataError, match=r"m: a score of 1e\+300 is too large"):
        figures([1e300, 0.0], [0.0, 0.0])


@pytest.mark.parametrize(
    "kind", [Comparison, MetricComparison, Agreement, Candidate, ConditionResult, Effect, Flip, OtherState]
)
def test_every_field_of_the_document_is_documented(kind: type[Struct]) -> None:
    text = (Path(__file__).parents[3] / "docs" / "reference" / "compare-document.md").read_text()
    assert [name for name in kind.__struct_fields__ if f"`{name}`" not in text] == []
