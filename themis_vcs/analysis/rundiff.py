"""Two runs beside each other: what was configured, what each stage holds, and which cases score differently."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from themis_vcs.analysis.changes import EntryChanges, RunChanges, changes, entry_changes
from themis_vcs.analysis.excerpt import excerpt
from themis_vcs.analysis.lookup import Located, stages_of
from themis_vcs.analysis.metrics import MetricMean, metric_means
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.scores import Failure, case_score
from themis_vcs.analysis.side import Side, side_of
from themis_vcs.analysis.steps import step_keys
from themis_vcs.model import tree
from themis_vcs.model.objects import Track
from themis_vcs.model.tree import case_of

_SCORED = ("score", "judge")
_CHUNK = 500


class TrackChange(msgspec.Struct, frozen=True, kw_only=True):
    """A component of a stage in both runs. None counts where a run does not have it."""

    stage: str
    track: str
    values: EntryChanges
    old_failed: int | None
    new_failed: int | None


class MetricChange(msgspec.Struct, frozen=True, kw_only=True):
    """A metric in both runs. `higher` and `lower` count the cases scored in both whose score went up or down."""

    metric: str
    old: MetricMean | None
    new: MetricMean | None
    higher: int
    lower: int


class ScoreChange(msgspec.Struct, frozen=True, kw_only=True):
    """A case with another score. None where there is no score; then `old_reason` or `new_reason` may say why."""

    metric: str
    case: str
    old: float | None
    new: float | None
    old_reason: str | None = None
    new_reason: str | None = None


class ChangedStep(msgspec.Struct, frozen=True, kw_only=True):
    """A value, other than a score, that is not the same in both runs; None where there is none."""

    stage: str
    track: str
    key: str
    old: str | None
    new: str | None


class RunDiff(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that differs.

    `flipped` has the scores that went from 0 to 1 or from 1 to 0, `changed` all others, the largest differences first,
    and `steps` all other values, by stage. `cases_in_both` counts the cases that both runs have, equal or not.
    """

    old: Side
    new: Side
    changes: RunChanges
    tracks: list[TrackChange]
    cases_in_both: int
    metrics: list[MetricChange]
    flipped: list[ScoreChange]
    changed: list[ScoreChange]
    steps: list[ChangedStep]


def rundiff(reader: Reader, old: tuple[str, Located], new: tuple[str, Located]) -> RunDiff:
    """Compare two runs, each with the revision that named it. Reads only what differs between them."""
    pairs = list(_pairs(reader, old[1], new[1]))
    scores = [each for stage, one, other in pairs if stage in _SCORED for each in _score_changes(reader, one, other)]
    scores.sort(key=lambda each: (-_distance(each), each.metric, each.case))
    sides = [side_of(reader, *each) for each in (old, new)]
    before, after = (
        metric_means(reader, each.run.stages, side.cases) for (_, each), side in zip((old, new), sides, strict=True)
    )
    changed = changes(reader, old[1].snapshot, new[1].snapshot)
    return RunDiff(
        old=sides[0],
        new=sides[1],
        changes=changed,
        tracks=[_track_change(reader, stage, one, other) for stage, one, other in pairs],
        cases_in_both=sides[0].cases - changed.cases.removed,
        metrics=[_metric_change(name, before, after, scores) for name in dict.fromkeys([*before, *after])],
        flipped=[each for each in scores if _flipped(each)],
        changed=[each for each in scores if not _flipped(each)],
        steps=[
            step for stage, one, other in pairs if stage not in _SCORED for step in _changed(reader, stage, one, other)
        ],
    )


def _pairs(reader: Reader, old: Located, new: Located) -> Iterator[tuple[str, Track | None, Track | None]]:
    """The tracks of both runs, by id; where both have one only, they belong together under any id."""
    before, after = (stages_of(reader.repository, each.run) for each in (old, new))
    for name in dict.fromkeys([*before, *after]):
        one, other = ({t.id: t for t in held[name].tracks} if name in held else {} for held in (before, after))
        if name not in _SCORED and len(one) == len(other) == 1:
            yield name, next(iter(one.values())), next(iter(other.values()))
            continue
        for track in dict.fromkeys([*one, *other]):
            yield name, one.get(track), other.get(track)


def _track_change(reader: Reader, stage: str, old: Track | None, new: Track | None) -> TrackChange:
    track = new or old
    assert track is not None
    return TrackChange(
        stage=stage,
        track=track.id,
        values=entry_changes(reader, *_roots(old, new)),
        old_failed=reader.size(old.failures) if old else None,
        new_failed=reader.size(new.failures) if new else None,
    )


def _roots(old: Track | None, new: Track | None) -> tuple[bytes, bytes]:
    empty = tree.EMPTY[0]
    return (old.values if old else empty), (new.values if new else empty)


def _score_changes(reader: Reader, old: Track | None, new: Track | None) -> Iterator[ScoreChange]:
    """The cases of a metric that both runs have and whose score is not the same."""
    if old is None or new is None:
        return
    cases = {case_of(change.key): None for change in reader.diff(old.values, new.values)}
    for case in cases:
        one, other = _score(reader, old, case), _score(reader, new, case)
        scores = [None if isinstance(each, Failure) else each for each in (one, other)]
        if scores[0] == scores[1]:
            continue
        whys = [f"{each.category}: {each.reason}" if isinstance(each, Failure) else None for each in (one, other)]
        yield ScoreChange(
            metric=new.id, case=case, old=scores[0], new=scores[1], old_reason=whys[0], new_reason=whys[1]
        )


def _score(reader: Reader, track: Track, case: str) -> float | Failure:
    """The score of a case: the mean over its draws that have one."""
    oids = [oid for key in step_keys(reader, track, case) if (oid := reader.find(track.values, key)) is not None]
    if not oids:
        return Failure("missing", "no value")
    found = [case_score(reader.value(oid)) for oid in oids]
    scores = [score for score in found if not isinstance(score, Failure)]
    return math.fsum(scores) / len(scores) if scores else found[0]


def _metric_change(
    name: str, old: dict[str, MetricMean], new: dict[str, MetricMean], scores: Iterable[ScoreChange]
) -> MetricChange:
    counts: dict[bool, int] = defaultdict(int)
    for each in scores:
        if each.metric == name and each.old is not None and each.new is not None:
            counts[each.new > each.old] += 1
    return MetricChange(metric=name, old=old.get(name), new=new.get(name), higher=counts[True], lower=counts[False])


def _distance(change: ScoreChange) -> float:
    return math.inf if change.old is None or change.new is None else abs(change.new - change.old)


def _flipped(change: ScoreChange) -> bool:
    return (change.old, change.new) in ((0.0, 1.0), (1.0, 0.0))


def _changed(reader: Reader, stage: str, old: Track | None, new: Track | None) -> Iterator[ChangedStep]:
    track = new or old
    assert track is not None
    found = reader.diff(*_roots(old, new))
    for start in range(0, len(found), _CHUNK):
        chunk = found[start : start + _CHUNK]
        values = dict(reader.values(oid for change in chunk for oid in (change.old, change.new) if oid is not None))
        for change in chunk:
            texts = [None if oid is None else excerpt(values[oid]) for oid in (change.old, change.new)]
            yield ChangedStep(stage=stage, track=track.id, key=change.key, old=texts[0], new=texts[1])
