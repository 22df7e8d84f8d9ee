"""How far judges agree that rated the same answers: those of two runs, the models that one metric asks, or draws."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from themis_vcs.analysis.comparison.casescores import CaseScores
from themis_vcs.analysis.comparison.document import Agreement, Flip
from themis_vcs.analysis.comparison.pairing import Pairing
from themis_vcs.analysis.lookup import Located
from themis_vcs.analysis.statistics.agreement import alpha, kappa
from themis_vcs.analysis.statistics.units import Floats
from themis_vcs.evaluation.judging import EvaluationExecution
from themis_vcs.model.objects import Track
from themis_vcs.model.oid import Oid
from themis_vcs.model.tree import case_of


def agreement_of_draws(scores: CaseScores, run: Located, track: Track, number: int) -> Agreement | None:
    """How far the draws of a metric in run `number` agree; None if it was drawn once only."""
    ratings = scores.draws(run, track)
    if ratings.shape[1] < 2:
        return None
    return _agreement(scores.table(run).keys, ratings, track.id, (number, None))


def agreement_of_models(scores: CaseScores, run: Located, track: Track, number: int) -> Agreement | None:
    """How far the judge models that a metric asks agree in run `number`; None if it asks one only.

    A model's rating of a case is the mean of the scores that it gave it.
    """
    models = [each.id for each in track.component.also]
    if len(models) < 2:
        return None
    table = scores.table(run)
    rows: dict[Oid, list[int]] = defaultdict(list)
    for key, oid in scores.reader.scan(track.values):
        rows[oid].append(table.places[case_of(key)])
    sums, counts = np.zeros((2, len(table.keys), len(models)))
    for oid, value in scores.reader.values(rows):
        for model, score in _ratings(value):
            if model in models:
                sums[rows[oid], models.index(model)] += score
                counts[rows[oid], models.index(model)] += 1
    ratings = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return msgspec.structs.replace(_agreement(table.keys, ratings, track.id, (number, None)), models=models)


def _ratings(value: Any) -> Iterator[tuple[str, float]]:
    """The judge models of an evaluation with the scores that they gave; calls without a verdict gave none."""
    if not isinstance(value, EvaluationExecution):
        return
    failed = {failure.call_id for failure in value.failures}
    judged = [call.judge_model_id for call in value.judge_calls if call.call_id not in failed]
    for model, judgment in zip(judged, value.parsed_judgments, strict=False):
        if judgment.score is not None:
            yield model, judgment.score


def agreement_of_runs(
    scores: CaseScores, runs: tuple[Located, Located], tracks: tuple[Track, Track], pairs: Pairing, number: int
) -> Agreement:
    """How far a metric rates the answers alike that the base and candidate `number` have in common.

    Answers are the same where all that the judge was given is, the case included.
    """
    other = {case_of(change.key) for one, two in _inputs(*tracks) for change in scores.reader.diff(one, two)}
    same = np.array([key not in other for key in pairs.keys], dtype=bool)
    columns = [
        scores.scores(run, track)[places[same]]
        for run, track, places in zip(runs, tracks, (pairs.base, pairs.candidate), strict=True)
    ]
    keys = [key for key, kept in zip(pairs.keys, same, strict=True) if kept]
    return _agreement(keys, np.column_stack(columns), tracks[0].id, (0, number), len(pairs.keys) - len(keys))


def _inputs(one: Track, other: Track) -> list[tuple[bytes, bytes]]:
    """The roots of what both judged. Trees of datasets are left out: they have other keys, and no answers."""
    theirs = dict(other.inputs)
    return [(root, theirs[name]) for name, root in one.inputs if name in theirs and name != "datasets"]


def _agreement(
    keys: Sequence[str], ratings: Floats, metric: str, runs: tuple[int, int | None], other_answers: int = 0
) -> Agreement:
    given = ~np.isnan(ratings)
    rated = given.sum(axis=1) >= 2
    low = np.where(given, ratings, np.inf).min(axis=1, initial=np.inf)
    high = np.where(given, ratings, -np.inf).max(axis=1, initial=-np.inf)
    flipped = np.flatnonzero(rated & (low < high))
    flipped = flipped[np.argsort(low[flipped] - high[flipped], kind="stable")]
    two = ratings.shape[1] == 2 and bool(rated.any())
    pair = ratings[rated].T if two else None
    return Agreement(
        metric=metric,
        run=runs[0],
        other=runs[1],
        raters=ratings.shape[1],
        n=int(rated.sum()),
        agreed=int(rated.sum()) - len(flipped),
        other_answers=other_answers,
        kappa=None if pair is None else kappa(pair[0], pair[1]),
        kappa_weighted=None if pair is None else kappa(pair[0], pair[1], "quadratic"),
        alpha_nominal=alpha(ratings),
        alpha_interval=alpha(ratings, "interval"),
        flipped=[
            Flip(keys[at], [None if np.isnan(rating) else float(rating) for rating in ratings[at]])
            for at in flipped.tolist()
        ],
    )
