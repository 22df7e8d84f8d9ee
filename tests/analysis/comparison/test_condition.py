from __future__ import annotations

import pytest

from themis_vcs.analysis.comparison.condition import check_condition, parse_condition
from themis_vcs.analysis.comparison.document import MetricComparison
from themis_vcs.errors import UsageError

FIGURES = MetricComparison(
    metric="f1",
    candidate=0,
    part=None,
    pairs=10,
    n=10,
    base_failed=0,
    candidate_failed=0,
    base_mean=0.5,
    candidate_mean=0.48,
    difference=-0.02,
    interval=(-0.05, 0.01),
)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("f1 < base", True),
        ("f1 < base - 0.01", True),
        ("f1<base-0.01", True),
        ("f1 < base - 0.02", False),
        ("f1 <= base - 0.02", True),
        ("f1 < base - 0.05", False),
        ("f1 < base - 5e-2", False),
        ("f1 < base + 0.1", True),
        ("f1 > base", False),
        ("f1 >= 0.48", True),
        ("f1 > .48", False),
        ("f1 < 1", True),
        ("f1 > -1", True),
        ("f1.low < base - 0.04", True),
        ("f1.high < base", False),
        ("f1.high >= base + 0.01", True),
        ("  f1  <  base  ", True),
    ],
)
def test_a_condition_is_what_it_says(text: str, holds: bool) -> None:
    assert check_condition(parse_condition(text, ["f1"]), FIGURES).holds is holds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "f1",
        "f1 <",
        "f1 < base -",
        "f1 == base",
        "f1 < nan",
        "f1 < inf",
        "f1 < 1e999",
        "f1 < base * 2",
        "f1 < base - -1",
        "f1 < base - 0.01 or True",
        "f1 < __import__('os')",
        "f1 < ١",
        "f1 < 1\n< 2",
        "f1 " + "<" * 2_000,
        "f1 < " + "9" * 2_000,
        "a b < 1",
        "f2 < 1",
        "f1.mid < base",
        "f1.low < 0.3",
    ],
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_condition(text, ["f1"])


def test_a_metric_may_have_a_dot_and_the_name_of_an_end() -> None:
    condition = parse_condition("f1.low < 0.3", ["f1", "f1.low"])
    assert (condition.metric, condition.end) == ("f1.low", None)
    assert parse_condition("a/b.c.high < base", ["a/b.c"])[1:3] == ("a/b.c", "high")


def test_the_reason_has_the_numbers() -> None:
    reason = check_condition(parse_condition("f1 < base - 0.01", ["f1"]), FIGURES).reason
    assert reason == "f1 0.48 is < 0.49 (base 0.5), n 10"
