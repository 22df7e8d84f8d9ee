"""Means of metrics over cases, with the number of cases behind each and a 95 % confidence interval."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from math import isnan

import msgspec

from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.scores import ScoreNotes, track_scores
from themis_vcs.model.objects import Stage, Track
from themis_vcs.model.oid import Oid

_Z = 1.959963984540054
"""Minus the 2.5 % quantile of the normal distribution."""


class MetricMean(msgspec.Struct, frozen=True):
    """A metric over the cases that have a score. `count` of them were scored, `failed` were not; `ci` is 95 %."""

    mean: float | None
    count: int
    failed: int
    ci: tuple[float, float] | None


def metric_means(
    reader: Reader, stages: Iterable[Oid], cases: int, notes: ScoreNotes | None = None
) -> dict[str, MetricMean]:
    """The mean of every metric of the stages of a run over its `cases` cases. With notes, most scores are not read."""
    return {track.id: track_mean(reader, track, cases, notes) for track in metric_tracks(reader, stages)}


def means_at_hand(reader: Reader, stages: Iterable[Oid], cases: int, notes: ScoreNotes) -> dict[str, MetricMean] | None:
    """As `metric_means` where it is quick for all of them; None where many scores would have to be read."""
    means = {}
    for track in metric_tracks(reader, stages):
        scores = notes.at_hand(track)
        if scores is None:
            return None
        means[track.id] = _mean(reader, track, scores, cases)
    return means


def metric_tracks(reader: Reader, stages: Iterable[Oid]) -> Iterator[Track]:
    """The tracks that hold scores, in order."""
    for oid in stages:
        stage = reader.repository.load(oid, Stage)
        if stage.name in ("score", "judge"):
            yield from stage.tracks


def track_mean(reader: Reader, track: Track, cases: int, notes: ScoreNotes | None = None) -> MetricMean:
    """The mean of one metric. Draws of one case are averaged first, so that every case counts once."""
    return _mean(reader, track, track_scores(reader, track) if notes is None else notes.scores(track), cases)


def _mean(reader: Reader, track: Track, scores: Iterable[float], cases: int) -> MetricMean:
    if track.fanout > 1:
        draws: dict[str, list[float]] = defaultdict(list)
        for (key, _), score in zip(reader.scan(track.values), scores, strict=True):
            if not isnan(score):
                draws[key.rpartition("/")[0]].append(score)
        scores = [math.fsum(known) / len(known) for known in draws.values()]
    values = [score for score in scores if not isnan(score)]
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
    x = -_Z
    y = x**2
    if n < 5:
        c += 0.3 * (n - 4.5) * (x + 0.6)
    c = (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b + c
    y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x
    return math.sqrt(n * math.expm1(a * y**2))
