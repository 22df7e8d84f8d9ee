"""What the tracks of a run hold of its cases, read side by side: some cases at a time, in their order.

Not responsible for what it means for a case (`outcomes`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, islice, repeat
from typing import Final, Generic, NamedTuple, TypeVar

from themis_vcs.analysis.lookup import Located, stages_of
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.scores import ScoreNotes
from themis_vcs.model.objects import Track
from themis_vcs.model.oid import Oid
from themis_vcs.model.tree import EMPTY, case_of

SCORING: Final = ("score", "judge")
_BEFORE: Final = ("generate", "reduce", "parse")
_CHUNK: Final = 1_000

T = TypeVar("T")


class Column(NamedTuple):
    """What a track has of each case of a part. With a value stands its score, if that is known already, else NaN.

    Without `details` it is known that no value has any. Steps are there only if they were asked for.
    """

    stage: str
    values: list[list[tuple[Oid, float]]]
    failures: list[list[Oid]]
    steps: list[list[Oid]]
    details: bool

    def single_scores(self) -> list[float] | None:
        """The score of every case, if all of them have one value and it is known; else None."""
        scores = [held[0][1] for held in self.values if len(held) == 1]
        return scores if len(scores) == len(self.values) and not any(map(math.isnan, scores)) else None


class Part(NamedTuple):
    """Some cases by key, with the tracks before the metrics that were asked for, and the metrics; None has no track."""

    cases: list[tuple[str, Oid]]
    before: list[Column]
    metrics: dict[str, Column | None]

    def first(self, stage: str) -> list[Oid | None]:
        """The first value that a stage has of each case."""
        found: list[Oid | None] = [None] * len(self.cases)
        for column in self.before:
            if column.stage == stage:
                found = [
                    (held[0][0] if held else None) if known is None else known
                    for known, held in zip(found, column.values, strict=True)
                ]
        return found


def parts(reader: Reader, found: Located, needed: Collection[str] = (), *, measured: bool = False) -> Iterator[Part]:
    """Yield the cases of a run, with the metrics, the stages that are `needed`, and others where something failed.

    `measured` asks for the steps of generations. A score that the store has noted stands with its value.
    """
    held, notes = stages_of(reader.repository, found.run), ScoreNotes(reader, found.run.name)
    before = [
        _Reading(reader, stage, track, measured=measured and stage == "generate")
        for stage in _BEFORE
        if stage in held
        for track in held[stage].tracks
        if stage in needed or track.failures != EMPTY[0]
    ]
    tracks = {track.id: (stage, track) for stage in SCORING if stage in held for track in held[stage].tracks}
    metrics = {
        name: _Reading(reader, *tracks[name], notes=notes) if name in tracks else None
        for name in metric_ids(reader, found)
    }
    cases = reader.scan(found.snapshot.identity.cases)
    while chunk := list(islice(cases, _CHUNK)):
        keys = [key for key, _ in chunk]
        yield Part(
            chunk,
            [each.take(keys) for each in before],
            {name: each.take(keys) if each else None for name, each in metrics.items()},
        )


def metric_ids(reader: Reader, found: Located) -> dict[str, str]:
    """The metrics of a run and the stage of each: those that were asked for, and those that it has."""
    held = stages_of(reader.repository, found.run)
    asked = {
        ref["id"]: stage
        for stage in SCORING
        for ref in found.snapshot.identity.stages.get(stage, {}).get("metrics", ())
    }
    there = {track.id: stage for stage in SCORING if stage in held for track in held[stage].tracks}
    return {**asked, **there}


class _Reading:
    """A track that is read along with the cases; of its steps only if `measured`."""

    def __init__(
        self,
        reader: Reader,
        stage: str,
        track: Track,
        *,
        notes: ScoreNotes | None = None,
        measured: bool = False,
    ) -> None:
        self.stage = stage
        noted = None if notes is None else notes.at_hand(track)
        self._details = notes is None or not notes.without_details(track)
        known: Iterable[float] = repeat(math.nan, reader.size(track.values)) if noted is None else noted
        self._values = _Entries(
            (key, (oid, score)) for (key, oid), score in zip(reader.scan(track.values), known, strict=True)
        )
        self._failures = None if track.failures == EMPTY[0] else _Entries(reader.scan(track.failures))
        self._steps = _Entries(reader.scan(track.steps)) if measured else None

    def take(self, cases: list[str]) -> Column:
        """What it has of each of the next cases."""
        nothing: list[list[Oid]] = [[]] * len(cases)
        return Column(
            self.stage,
            self._values.take(cases),
            self._failures.take(cases) if self._failures else nothing,
            self._steps.take(cases) if self._steps else nothing,
            self._details,
        )


class _Entries(Generic[T]):
    """What is under the keys of a tree, handed out case by case.

    The keys of draws do not stand right behind their case: "a!" comes between "a" and "a/0". What is read ahead waits.
    """

    def __init__(self, entries: Iterator[tuple[str, T]]) -> None:
        self._entries = entries
        self._ahead: list[tuple[str, T]] = []
        self._waiting: dict[str, list[tuple[str, T]]] = {}

    def take(self, cases: list[str]) -> list[list[T]]:
        """What is there of each of the next cases, by its index."""
        ahead = [*self._ahead, *islice(self._entries, max(0, len(cases) - len(self._ahead)))]
        if not self._waiting and [key for key, _ in ahead[: len(cases)]] == cases:  # one each, as most often
            self._ahead = ahead[len(cases) :]
            return [[each] for _, each in ahead[: len(cases)]]
        self._read(ahead, max(f"{case}0" for case in cases))  # "0" follows "/"
        return [self._of(case) for case in cases]

    def _read(self, ahead: list[tuple[str, T]], beyond: str) -> None:
        self._ahead, known = [], iter(ahead)
        for entry in chain(known, self._entries):
            if entry[0] >= beyond:
                self._ahead = [entry, *known]
                return
            self._waiting.setdefault(case_of(entry[0]), []).append(entry)

    def _of(self, case: str) -> list[T]:
        found = self._waiting.pop(case, [])
        return [each for _, each in (found if len(found) < 2 else sorted(found, key=lambda entry: _index(entry[0])))]


def _index(key: str) -> int:
    return int(key.rpartition("/")[2]) if key.count("/") == 2 else 0
