"""Means of metrics over cases, with the number of cases behind each and a 95 % confidence interval."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import NormalDist
from typing import Any

import msgspec

from themis_vcs.analysis.reading import Reader
from themis_vcs.evaluation.judging import EvaluationExecution
from themis_vcs.evaluation.results import Score, ScoreError
from themis_vcs.model.objects import Stage, Track
from themis_vcs.model.oid import Oid

_Z = 1.959963984540054


class MetricMean(msgspec.Struct, frozen=True):
    """A metric over the cases that have a score. `count` of them were scored, `failed` were not; `ci` is 95 %."""

    mean: float | None
    count: int
    failed: int
    ci: tuple[float, float] | None


class Failure(msgspec.Struct, frozen=True):
    """Why a case has no score."""

    category: str
    reason: str


def case_score(value: Any) -> float | Failure:
    """The number that a stored score or evaluation gives its case.

    Of an evaluation it is the aggregated value if that is a number, else the mean of its scores.
    """
    if isinstance(value, Score):
        return value.value
    if isinstance(value, ScoreError):
        return Failure(value.category, value.reason)
    if isinstance(value, EvaluationExecution):
        return _evaluation_score(value)
    return Failure("data_problem", f"{type(value).__name__} is not a score")


def _evaluation_score(value: EvaluationExecution) -> float | Failure:
    aggregated = value.aggregation_output.value if value.aggregation_output else None
    if isinstance(aggregated, int | float) and not isinstance(aggregated, bool):
        return float(aggregated)
    if value.scores:
        return math.fsum(score.value for score in value.scores) / len(value.scores)
    if value.failures:
        return Failure(value.failures[0].category, value.failures[0].reason)
    return Failure("metric_failure", "the workflow gave no score")


def metric_means(reader: Reader, stages: Iterable[Oid], cases: int) -> dict[str, MetricMean]:
    """The mean of every metric of the stages of a run over its `cases` cases."""
    return {track.id: track_mean(reader, track, cases) for track in metric_tracks(reader, stages)}


def metric_tracks(reader: Reader, stages: Iterable[Oid]) -> Iterator[Track]:
    """The tracks that hold scores, in order."""
    for oid in stages:
        stage = reader.repository.load(oid, Stage)
        if stage.name in ("score", "judge"):
            yield from stage.tracks


def track_mean(reader: Reader, track: Track, cases: int) -> MetricMean:
    """The mean of one metric. Draws of one case are averaged first, so that every case counts once."""
    per_case: Counter[tuple[Oid, ...]] = Counter()
    if track.fanout == 1:
        per_case.update((oid,) for _, oid in reader.scan(track.values))
    else:
        draws: dict[str, list[Oid]] = defaultdict(list)
        for key, oid in reader.scan(track.values):
            draws[key.rpartition("/")[0]].append(oid)
        per_case.update(map(tuple, draws.values()))
    scores = _scores(reader, {oid for oids in per_case for oid in oids})
    values: list[float] = []
    for oids, times in per_case.items():
        known = [score for oid in oids if (score := scores[oid]) is not None]
        if known:
            values.extend([math.fsum(known) / len(known)] * times)
    return mean_of(values, cases - len(values))


def mean_of(values: Sequence[float], failed: int) -> MetricMean:
    """Mean and 95 % interval: Wilson's score interval for zeros and ones, Student's for other values.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    count = len(values)
    if not count:
        return MetricMean(None, 0, failed, None)
    mean = math.fsum(values) / count
    if count < 2:
        return MetricMean(mean, count, failed, None)
    if set(values) <= {0.0, 1.0}:
        centre = (mean + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
        half = _Z * math.sqrt(mean * (1 - mean) / count + _Z**2 / (4 * count**2)) / (1 + _Z**2 / count)
        return MetricMean(mean, count, failed, (max(0.0, centre - half), min(1.0, centre + half)))
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    half = student(count - 1) * math.sqrt(variance / count)
    return MetricMean(mean, count, failed, (mean - half, mean + half))


def student(n: int) -> float:
    """The two-tailed 5 % quantile of Student's t with n degrees of freedom.

    G. W. Hill, Algorithm 396: Student's t-quantiles, CACM 13 (1970).
    """
    p = 0.05
    if n == 1:
        return 1 / math.tan(p * math.pi / 2)
    if n == 2:
        return math.sqrt(2 / (p * (2 - p)) - 2)
    a = 1 / (n - 0.5)
    b = 48 / a**2
    c = ((20700 * a / b - 98) * a - 16) * a + 96.36
    d = ((94.5 / (b + c) - 3) / b + 1) * math.sqrt(a * math.pi / 2) * n
    # For n = 3 Hill takes another branch; this one is off by less than 6e-4 there.
    x = NormalDist().inv_cdf(p / 2)
    y = x**2
    if n < 5:
        c += 0.3 * (n - 4.5) * (x + 0.6)
    c = (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b + c
    y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x
    return math.sqrt(n * math.expm1(a * y**2))


def _scores(reader: Reader, oids: set[Oid]) -> dict[Oid, float | None]:
    found = ((oid, case_score(value)) for oid, value in reader.values(oids))
    return {oid: None if isinstance(score, Failure) else score for oid, score in found}
