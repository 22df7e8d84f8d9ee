"""Conditions on a comparison, as `--fail-if` takes them: parsed here, and held against the figures.

    METRIC[.low|.high] (<|<=|>|>=) NUMBER
    METRIC[.low|.high] (<|<=|>|>=) base [(+|-) NUMBER]

METRIC is the candidate's mean and `base` the mean of the base, both over the cases that count. METRIC.low and
METRIC.high are where that mean lies at the ends of the interval of the difference: they are compared with `base` only.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from themis_vcs.analysis.comparison.document import ConditionResult, MetricComparison
from themis_vcs.errors import UsageError

_FORM = re.compile(
    r"\s*(?P<what>\S+?)\s*(?P<sign><=|>=|<|>)\s*"
    r"(?:(?P<base>base)\s*(?:(?P<add>[+-])\s*(?P<by>{n}))?|(?P<number>-?{n}))\s*".replace(
        "{n}", r"(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][+-]?\d{1,2})?"
    ),
    re.ASCII,
)
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ENDS = ("low", "high")
_HINT = "METRIC < NUMBER, or METRIC < base - NUMBER; also <=, >, >=, +, METRIC.low and METRIC.high"


class Condition(NamedTuple):
    """`text` as it was written. With `relative`, `number` is added to the mean of the base."""

    text: str
    metric: str
    end: str | None
    sign: str
    relative: bool
    number: float


def parse_condition(text: str, metrics: Sequence[str]) -> Condition:
    """The condition that a text is, on one of these metrics. UsageError."""
    found = _FORM.fullmatch(text) if len(text) <= 1_000 else None
    if found is None:
        raise UsageError(f"not a condition: {text[:200]!r}", hint=_HINT)
    what, dot, end = found["what"].rpartition(".")
    if found["what"] in metrics or not dot or end not in _ENDS:
        what, end = found["what"], ""
    if what not in metrics:
        raise UsageError(f"{text!r}: no metric {what} in both runs", hint=f"there are {', '.join(metrics) or 'none'}")
    relative = found["base"] is not None
    if end and not relative:
        raise UsageError(f"{text!r}: {what}.{end} is compared with base only", hint=f"for example {what}.{end} < base")
    number = float(found["by"] or 0) * (-1 if found["add"] == "-" else 1) if relative else float(found["number"])
    return Condition(text, what, end or None, found["sign"], relative, number)


def check_condition(condition: Condition, figures: MetricComparison) -> ConditionResult:
    """Whether a condition holds for the figures of its metric. Without figures it does, since nothing was shown."""
    if figures.base_mean is None or figures.candidate_mean is None:
        why = f"{condition.metric}: no case of {figures.pairs:,} has a score in both runs"
        return ConditionResult(condition.text, figures.candidate, True, why)
    value = figures.candidate_mean
    if condition.end:
        if figures.interval is None:
            why = f"{condition.metric}: the difference has no interval"
            return ConditionResult(condition.text, figures.candidate, True, why)
        value = figures.base_mean + figures.interval[_ENDS.index(condition.end)]
    bound = condition.number + (figures.base_mean if condition.relative else 0.0)
    # Means are sums of many scores; their last bits are no reason to fail.
    holds = abs(value - bound) > 1e-12 and _SIGNS[condition.sign](value, bound)
    holds = holds or (abs(value - bound) <= 1e-12 and "=" in condition.sign)
    name = condition.metric + (f".{condition.end}" if condition.end else "")
    of = f" (base {figures.base_mean:.6g})" if condition.relative else ""
    relation = condition.sign if holds else f"not {condition.sign}"
    return ConditionResult(
        condition.text, figures.candidate, holds, f"{name} {value:.6g} is {relation} {bound:.6g}{of}, n {figures.n:,}"
    )
