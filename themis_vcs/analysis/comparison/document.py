"""What a comparison says, `themis.compare/1`: printed as text and as JSON, and returned in Python."""

from __future__ import annotations

from typing import Literal

import msgspec

from themis_vcs.analysis.side import Side
from themis_vcs.store.settings import Failed


class Effect(msgspec.Struct, frozen=True):
    """How large a difference is, without the scale of the metric: Cohen's d of pairs, or Cohen's g and the odds ratio.

    Of 0/1 scores g is wins / (wins + losses) - 1/2, and the odds ratio is wins / losses. None where it is not defined.
    """

    measure: Literal["d", "g"]
    value: float | None
    odds_ratio: float | None = None


class OtherState(msgspec.Struct, frozen=True):
    """Something that scores are made with and that is not the same in both runs.

    `role` is "metric", "judge", "parser" or, of what a judge was told, "settings". `base` and `candidate` are
    components as "id version #code"; None where a run has none, and of settings.
    """

    role: str
    base: str | None
    candidate: str | None


class MetricComparison(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of the base and of a candidate, over the `n` cases of both that count.

    `part` is the value of `by` that these cases have. `difference` is candidate less base, `interval` its 95 %
    interval, `p` two-sided, `p_holm` corrected over all metrics and candidates, that of a part over all parts too.
    `wins` are the cases in which the candidate scores higher. `base_failed` and `candidate_failed` of the `pairs` have
    no score: they are left out of `n`, or count as zero, as the comparison says. `detectable` is the smallest true
    difference that so many cases show with a probability of 80 %, `needed` how many would show the one that was asked
    about. `clusters` counts them. `other_states` has what the scores were made with and is not the same in both runs:
    then the difference need not be one of the answers.
    """

    metric: str
    candidate: int
    part: str | None
    pairs: int
    n: int
    base_failed: int
    candidate_failed: int
    base_mean: float | None = None
    candidate_mean: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    interval_method: str = "none"
    standard_error: float | None = None
    p: float | None = None
    p_holm: float | None = None
    test: str = "none"
    wins: int = 0
    losses: int = 0
    ties: int = 0
    effect: Effect | None = None
    detectable: float | None = None
    needed: int | None = None
    clusters: int | None = None
    other_states: list[OtherState] = []


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is compared with the base: how many cases are in both, and the keys of those that are not the same.

    `changed` cases are in both with another content, and are paired all the same. `metrics_only_base` and
    `metrics_only_candidate` could not be compared. `alone` counts cases without the field that clusters are made of.
    """

    run: Side
    pairs: int
    only_base: list[str]
    only_candidate: list[str]
    changed: list[str]
    metrics_only_base: list[str]
    metrics_only_candidate: list[str]
    alone: int = 0


class Flip(msgspec.Struct, frozen=True):
    """A case that was not rated the same: its key, and the ratings in order, None where there is none."""

    case: str
    ratings: list[float | None]


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How far ratings of the same answers by one metric agree.

    Between the base (run 0) and a candidate (run 1, 2, …). Within one run, where `other` is None, between the judge
    `models` that the metric asks, or if there are none between the draws. `n` cases have two ratings at least, and in
    `agreed` of them all are equal. `other_answers` are left out: the two runs judged different answers to them. kappa
    is Cohen's, of two raters only, and weighted by squared distance; alpha is Krippendorff's. None where nothing
    varies. `flipped` has the largest differences first.
    """

    metric: str
    run: int
    other: int | None
    raters: int
    n: int
    agreed: int
    other_answers: int
    kappa: float | None
    kappa_weighted: float | None
    alpha_nominal: float | None
    alpha_interval: float | None
    flipped: list[Flip]
    models: list[str] = []


class ConditionResult(msgspec.Struct, frozen=True):
    """A condition of `fail_if` for one candidate: whether it holds, and the sentence that says why."""

    condition: str
    candidate: int
    holds: bool
    reason: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A base and its candidates, with all that their figures were made with."""

    schema: str = "themis.compare/1"
    base: Side
    candidates: list[Candidate]
    failed: Failed
    cluster: str | None
    by: str | None
    seed: int
    resamples: int
    level: float = 0.95
    power: float = 0.8
    needed_for: float | None
    metrics: list[MetricComparison]
    agreement: list[Agreement]
    fail_if: list[ConditionResult]

    @property
    def failing(self) -> list[ConditionResult]:
        """The conditions that hold."""
        return [each for each in self.fail_if if each.holds]
