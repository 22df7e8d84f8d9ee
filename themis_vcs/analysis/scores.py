"""The scores of a metric, case by case, and the notes of them that a store keeps for each line of runs.

With a note, the next run of the line reads only the scores that are new to it. A note can be lost: without it
everything is read. Means and intervals are not made here.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from themis_vcs.analysis.reading import Reader
from themis_vcs.evaluation.judging import EvaluationExecution
from themis_vcs.evaluation.results import Score, ScoreError
from themis_vcs.model.codec import pack
from themis_vcs.model.objects import Track
from themis_vcs.model.oid import OID_BYTES, Oid, oid_of

_RULES = 2
"""To be raised when `case_score` or the form of a note changes, so that no note of other rules is used."""
_FEW = 500
"""Up to so many scores are read without a note to show them in passing."""


class Failure(msgspec.Struct, frozen=True):
    """Why a case has no score."""

    category: str
    reason: str


def case_score(value: object) -> float | Failure:
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


def details_of(value: object) -> dict[str, Any] | None:
    """What a stored score or evaluation says beside its number; None if it says nothing."""
    match value:
        case Score() | ScoreError():
            return value.details or None
        case EvaluationExecution():
            judged = [{"label": each.label, "score": each.score} for each in value.parsed_judgments]
            failed = [{"category": each.category, "reason": each.reason} for each in value.failures]
            return {name: each for name, each in (("judgments", judged), ("failures", failed)) if each} or None
        case _:
            return None


def track_scores(reader: Reader, track: Track) -> array[float]:
    """The score of every value of a metric in the order of their keys; NaN where a value gives none."""
    return _whole(reader, track).scores


class _Note(NamedTuple):
    """The scores of a tree of values, and whether one of these has details."""

    root: Oid | None
    scores: array[float]
    details: bool

    def packed(self) -> bytes:
        return (self.root or b"") + bytes([self.details]) + _little_endian(self.scores).tobytes()


def _unpacked(note: bytes | None) -> _Note:
    if note is None:
        return _Note(None, array("d"), details=True)
    return _Note(note[:OID_BYTES], _little_endian(array("d", note[OID_BYTES + 1 :])), bool(note[OID_BYTES]))


class ScoreNotes:
    """What the store has noted of the scores of a line of runs, and in `new` what it should note, by local name.

    A note is the root of the tree of values, a byte that says whether one of these has details, and then a score for
    each of its entries: 8 bytes, little-endian.
    """

    def __init__(self, reader: Reader, line: str) -> None:
        self._reader, self._line = reader, line
        self._known: dict[str, _Note] = {}
        self.new: dict[str, bytes] = {}

    def scores(self, track: Track) -> array[float]:
        """As `track_scores`, but for reading what the note of the metric has."""
        name = self._name(track)
        note = self._noted(name)
        if note.root != track.values:
            if note.root is not None and self._reader.repository.has(note.root):
                note = self._brought_up(note, note.root, track)
            else:
                note = _whole(self._reader, track)
            self.new[name] = note.packed()
        return note.scores

    def at_hand(self, track: Track) -> array[float] | None:
        """As `track_scores` where that is quick, since the note is of these values or they are few; else None."""
        note = self._noted(self._name(track))
        if note.root == track.values:
            return note.scores
        return track_scores(self._reader, track) if self._reader.size(track.values) <= _FEW else None

    def without_details(self, track: Track) -> bool:
        """Whether it is known that no value of a metric has details."""
        note = self._noted(self._name(track))
        return note.root == track.values and not note.details

    def _name(self, track: Track) -> str:
        return f"scores:{oid_of(pack([_RULES, self._line, track.id])).hex()}"

    def _noted(self, name: str) -> _Note:
        if name not in self._known:
            self._known[name] = _unpacked(self._reader.repository.local(name))
        return self._known[name]

    def _brought_up(self, old: _Note, root: Oid, track: Track) -> _Note:
        """The scores of another tree, read where it differs from the noted one."""
        reader = self._reader
        by_key = dict(zip((key for key, _ in reader.scan(root)), old.scores, strict=True))
        changes = reader.diff(root, track.values)
        read, details = _read(reader, (change.new for change in changes if change.new is not None))
        for key, _, new in changes:
            if new is None:
                del by_key[key]
            else:
                by_key[key] = read[new]
        return _Note(track.values, array("d", (by_key[key] for key in sorted(by_key))), old.details or details)


def _whole(reader: Reader, track: Track) -> _Note:
    entries = [oid for _, oid in reader.scan(track.values)]
    scores, details = _read(reader, entries)
    return _Note(track.values, array("d", map(scores.__getitem__, entries)), details)


def _read(reader: Reader, oids: Iterable[Oid]) -> tuple[dict[Oid, float], bool]:
    """The score that each value gives, NaN if none; and whether one of them has details."""
    scores, details = dict[Oid, float](), False
    for oid, value in reader.values(oids):
        score = case_score(value)
        scores[oid] = math.nan if isinstance(score, Failure) else score
        details = details or details_of(value) is not None
    return scores, details


def _little_endian(scores: array[float]) -> array[float]:
    if sys.byteorder == "big":
        scores = scores[:]
        scores.byteswap()
    return scores
