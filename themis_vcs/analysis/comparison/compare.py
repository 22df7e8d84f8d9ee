"""Comparing candidates with a base, case by case: which cases count, in which groups, for which metrics.

The figures themselves are made by `contrast`, the numerics by `statistics`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from themis_vcs.analysis.casefield import check_field, field_values, groups
from themis_vcs.analysis.comparison.agreement import agreement_of_draws, agreement_of_models, agreement_of_runs
from themis_vcs.analysis.comparison.casescores import CaseScores
from themis_vcs.analysis.comparison.condition import Condition, check_condition, parse_condition
from themis_vcs.analysis.comparison.contrast import Rules, contrast
from themis_vcs.analysis.comparison.document import Agreement, Candidate, Comparison, ConditionResult, MetricComparison
from themis_vcs.analysis.comparison.measuring import other_states
from themis_vcs.analysis.comparison.pairing import Pairing, pairing
from themis_vcs.analysis.failedcases import failed_cases
from themis_vcs.analysis.lookup import Located, locate_run, stages_of
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.side import Side, side_of
from themis_vcs.analysis.statistics.bootstrap import RESAMPLES
from themis_vcs.analysis.statistics.significance import holm
from themis_vcs.analysis.statistics.units import Labels
from themis_vcs.errors import UsageError
from themis_vcs.store.repository import Repository
from themis_vcs.store.settings import Failed

_PARTS = 200
"""More parts than this are no slices of a dataset: somebody named a field that is different in every case."""


@dataclass(frozen=True)
class _Grouping:
    """What the cases of the base are grouped by: a label of their cluster and the name of their part, if asked for."""

    clusters: Labels | None
    alone: int
    parts: list[str] | None


def compare(
    repository: Repository,
    base: str,
    candidates: Sequence[str],
    *,
    metrics: Sequence[str] = (),
    by: str | None = None,
    cluster: str | None = None,
    failed: Failed | None = None,
    power: float | None = None,
    agreement: bool = False,
    fail_if: Sequence[str] = (),
    seed: int = 0,
) -> Comparison:
    """Compare the runs that the revisions `candidates` name with the one that `base` names.

    `metrics` are those to compare, all that both runs have if there are none. `by` and `cluster` name a place in a case
    (`dataset`, `metadata.subject`): figures for each of its values beside those of all cases, and cases that are not
    independent of each other. `failed` says whether cases without a score are left out ("exclude") or count as 0
    ("zero"); without it the setting `analysis.failed` of the store decides. `power` asks how many cases would show that
    difference. `agreement` adds how far judges agree. `fail_if` has conditions (`analysis.comparison.condition`).

    UsageError for what cannot be meant, NotFound for a revision that names no run.
    """
    rules = _rules(repository, failed, seed, power)
    if not candidates:
        raise UsageError("nothing to compare with", hint="name at least one candidate")
    for field in filter(None, (by, cluster)):
        check_field(field)
    scores = CaseScores(Reader(repository))
    runs = [locate_run(repository, each) for each in (base, *candidates)]
    common = _common_metrics(scores, runs, metrics)
    in_all = [name for name in common[0] if all(name in each for each in common)]
    conditions = [parse_condition(text, in_all) for text in fail_if]
    grouping = _grouping(scores, runs[0], by, cluster)
    pairs = [pairing(scores, runs[0], run) for run in runs[1:]]
    found = _corrected(
        each
        for at, pair in enumerate(pairs)
        for name in common[at]
        for each in _figures(scores, (runs[0], runs[at + 1]), pair, grouping, (name, at), rules)
    )
    sides = [side_of(scores.reader, text, run) for text, run in zip((base, *candidates), runs, strict=True)]
    return Comparison(
        base=sides[0],
        candidates=[
            _candidate(scores, (runs[0], run), side, pair, grouping)
            for run, side, pair in zip(runs[1:], sides[1:], pairs, strict=True)
        ],
        failed=rules.failed,
        cluster=cluster,
        by=by,
        seed=seed,
        resamples=RESAMPLES,
        needed_for=power,
        metrics=found,
        agreement=list(_agreement(scores, runs, pairs, metrics)) if agreement else [],
        fail_if=list(_checked(conditions, found)),
    )


def _rules(repository: Repository, failed: Failed | None, seed: int, power: float | None) -> Rules:
    if power is not None and not 1e-9 <= abs(power) <= 1e9:
        raise UsageError(f"power: {power} is not a difference that cases could show", hint="for example 0.01")
    if seed < 0:
        raise UsageError(f"seed: {seed} is negative")
    return Rules(failed_cases(repository, failed), seed, power)


def _common_metrics(scores: CaseScores, runs: Sequence[Located], wanted: Sequence[str]) -> list[list[str]]:
    """For each candidate, the metrics that the base has too; those that are wanted, if any are."""
    base = scores.metrics(runs[0])
    common = [[name for name in base if name in scores.metrics(run)] for run in runs[1:]]
    for name in wanted:
        if not any(name in each for each in common):
            known = ", ".join(dict.fromkeys(name for each in common for name in each)) or "none"
            raise UsageError(f"no metric {name} in both runs", hint=f"there are {known}")
    return [[name for name in each if not wanted or name in wanted] for each in common]


def _grouping(scores: CaseScores, base: Located, by: str | None, cluster: str | None) -> _Grouping:
    table = scores.table(base)
    parts, labels, alone = None, None, 0
    if by is not None:
        parts = [_part(value) for value in field_values(scores.reader, table.keys, table.oids, by)]
        if len(set(parts)) > _PARTS:
            raise UsageError(f"{by} has {len(set(parts)):,} values", hint=f"--by takes a field with at most {_PARTS}")
    if cluster is not None:
        found = groups(table.keys, field_values(scores.reader, table.keys, table.oids, cluster))
        numbers: dict[object, int] = {}
        alone = sum(each is None for each in found)
        labels = np.array(
            [numbers.setdefault(at if each is None else each, len(numbers)) for at, each in enumerate(found)]
        )
    return _Grouping(labels, alone, parts)


def _part(value: Any) -> str:
    if value is None:
        return "(none)"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _figures(
    scores: CaseScores,
    runs: tuple[Located, Located],
    pairs: Pairing,
    grouping: _Grouping,
    what: tuple[str, int],
    rules: Rules,
) -> Iterator[MetricComparison]:
    """The figures of a metric for a candidate: over all pairs, then for each part."""
    name, number = what
    tracks = scores.metrics(runs[0])[name], scores.metrics(runs[1])[name]
    base, other = (
        scores.scores(run, track)[places]
        for run, track, places in zip(runs, tracks, (pairs.base, pairs.candidate), strict=True)
    )
    states = other_states(scores.reader, runs, tracks)
    clusters = None if grouping.clusters is None else grouping.clusters[pairs.base]
    yield msgspec.structs.replace(contrast(name, number, (base, other), clusters, rules), other_states=states)
    if grouping.parts is not None:
        parts = np.array(grouping.parts, dtype=object)[pairs.base]
        for part in sorted(set(parts)):
            chosen = parts == part
            within = None if clusters is None else clusters[chosen]
            found = contrast(name, number, (base[chosen], other[chosen]), within, rules, part)
            yield msgspec.structs.replace(found, other_states=states)


def _checked(conditions: Sequence[Condition], found: Sequence[MetricComparison]) -> Iterator[ConditionResult]:
    for condition in conditions:
        for each in found:
            if each.metric == condition.metric and each.part is None:
                yield check_condition(condition, each)


def _corrected(found: Iterable[MetricComparison]) -> list[MetricComparison]:
    """The same with Holm's correction: over all that is said of all cases, and over all that is said of parts."""
    found = list(found)
    families = [
        [each.p for each in found if each.p is not None and (each.part is None) is whole] for whole in (True, False)
    ]
    of_all, of_parts = (iter(holm(ps)) for ps in families)
    return [
        each
        if each.p is None
        else msgspec.structs.replace(each, p_holm=next(of_all if each.part is None else of_parts))
        for each in found
    ]


def _candidate(
    scores: CaseScores, runs: tuple[Located, Located], side: Side, pairs: Pairing, grouping: _Grouping
) -> Candidate:
    before, after = (scores.metrics(run) for run in runs)
    return Candidate(
        run=side,
        pairs=len(pairs.keys),
        only_base=pairs.only_base,
        only_candidate=pairs.only_candidate,
        changed=pairs.changed,
        metrics_only_base=[name for name in before if name not in after],
        metrics_only_candidate=[name for name in after if name not in before],
        alone=grouping.alone,
    )


def _agreement(
    scores: CaseScores, runs: Sequence[Located], pairs: Sequence[Pairing], metrics: Sequence[str]
) -> Iterator[Agreement]:
    """Of the metrics that were asked for, or else of those that judge: between the runs, then within each."""
    tracks = []
    for run in runs:
        judge = stages_of(scores.reader.repository, run.run).get("judge")
        judging = {track.id for track in judge.tracks} if judge is not None else set()
        held = scores.metrics(run)
        tracks.append({name: held[name] for name in held if name in (metrics or judging)})
    if not any(tracks):
        raise UsageError("no run has a metric that judges", hint="--metric ID takes another one")
    for number, (run, pair) in enumerate(zip(runs[1:], pairs, strict=True), start=1):
        for name in tracks[0]:
            if name in tracks[number]:
                both = tracks[0][name], tracks[number][name]
                yield agreement_of_runs(scores, (runs[0], run), both, pair, number)
    for number, run in enumerate(runs):
        for track in tracks[number].values():
            for within in (agreement_of_models, agreement_of_draws):
                found = within(scores, run, track, number)
                if found is not None:
                    yield found
