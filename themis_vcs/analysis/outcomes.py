"""What every metric made of every case of a run, one row each, as a stream in the order of the cases.

Not responsible for figures over many rows (`report`), nor for which columns and rows are shown (`selection`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain, islice, repeat
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from themis_vcs.analysis.excerpt import essence_of
from themis_vcs.analysis.lookup import Located, stages_of
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.scores import Failure, ScoreNotes, case_score
from themis_vcs.evaluation.judging import EvaluationExecution
from themis_vcs.evaluation.results import Score, ScoreError
from themis_vcs.model.objects import Stage, Step, Track, load
from themis_vcs.model.oid import Oid
from themis_vcs.model.tree import EMPTY, case_of, split_key

CORRECT, INCORRECT, SCORED, ERROR, NOT_REACHED = "correct", "incorrect", "scored", "error", "not reached"
OUTCOMES: Final = (CORRECT, INCORRECT, SCORED, ERROR, NOT_REACHED)
SCORING: Final = ("score", "judge")
_BEFORE: Final = ("generate", "reduce", "parse")
_CHUNK: Final = 1_000

T = TypeVar("T")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A case under a metric. `value` is the mean of the draws that gave one, and None where none did.

    `outcome` is correct or incorrect for a metric whose values are all 0 or 1, scored for any other; error where a
    step failed, `stage` being the first that did; and not reached where nothing was tried. What was not asked for is
    None, but for the details of a step that failed.
    """

    dataset: str
    case: str
    metric: str
    outcome: str
    value: float | None = None
    stage: str | None = None
    category: str | None = None
    message: str | None = None
    details: dict[str, Any] | None = None
    candidate: str | None = None
    output: Any = None
    parsed: Any = None
    latency_ms: float | None = None
    tokens: dict[str, int] | None = None
    metadata: dict[str, Any] | None = None


class Wanted(NamedTuple):
    """What rows hold beside their score: its details, the answer and its id, what was parsed of it, what was measured,
    the metadata of the case.
    """

    details: bool = False
    answer: bool = False
    parsed: bool = False
    measured: bool = False
    metadata: bool = False


SCORES_ONLY: Final = Wanted()


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


class _Held(NamedTuple):
    """What a track has of one case. With a value stands its score, if that is known already, else NaN."""

    stage: str
    values: list[tuple[Oid, float]]
    failures: list[Oid]
    steps: list[Oid]


class _Reading:
    """A track that is read along with the cases; of its steps only if `measured`."""

    def __init__(
        self,
        reader: Reader,
        stage: str,
        track: Track,
        *,
        scores: Iterable[float] | None = None,
        measured: bool = False,
    ) -> None:
        self.stage = stage
        known = repeat(math.nan, reader.size(track.values)) if scores is None else scores
        self._values = _Entries(
            (key, (oid, score)) for (key, oid), score in zip(reader.scan(track.values), known, strict=True)
        )
        self._failures = None if track.failures == EMPTY[0] else _Entries(reader.scan(track.failures))
        self._steps = _Entries(reader.scan(track.steps)) if measured else None

    def take(self, cases: list[str]) -> list[_Held]:
        """What it has of each of the next cases."""
        nothing: list[list[Oid]] = [[]] * len(cases)
        values = self._values.take(cases)
        failures = self._failures.take(cases) if self._failures else nothing
        steps = self._steps.take(cases) if self._steps else nothing
        return [_Held(self.stage, *held) for held in zip(values, failures, steps, strict=True)]


class _Taken(NamedTuple):
    """A case with what the tracks before the metrics, and the metrics, have of it."""

    key: str
    case: Oid
    before: list[_Held]
    metrics: dict[str, _Held | None]


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


def outcomes(
    reader: Reader, found: Located, wanted: Wanted = SCORES_ONLY, binary: Collection[str] = ()
) -> Iterator[Row]:
    """The rows of a run, case by case and metric by metric. `binary` names the metrics whose values are all 0 or 1.

    A score that the store has noted is not read again, unless its details are wanted.
    """
    held, notes = stages_of(reader.repository, found.run), ScoreNotes(reader, found.run.name)
    needed = _needed(reader, found, held, wanted)
    before = [
        _Reading(reader, stage, track, measured=wanted.measured and stage == "generate")
        for stage in _BEFORE
        if stage in held
        for track in held[stage].tracks
        if stage in needed or track.failures != EMPTY[0]
    ]
    tracks = {track.id: (stage, track) for stage in SCORING if stage in held for track in held[stage].tracks}
    metrics = {
        name: _Reading(reader, *tracks[name], scores=notes.at_hand(tracks[name][1])) if name in tracks else None
        for name in metric_ids(reader, found)
    }
    cases = reader.scan(found.snapshot.identity.cases)
    while chunk := list(islice(cases, _CHUNK)):
        keys = [key for key, _ in chunk]
        upstream = [each.take(keys) for each in before]
        scored = {name: each.take(keys) for name, each in metrics.items() if each}
        taken = [
            _Taken(
                key,
                case,
                [held[at] for held in upstream],
                {name: scored[name][at] if name in scored else None for name in metrics},
            )
            for at, (key, case) in enumerate(chunk)
        ]
        yield from _rows(reader, taken, wanted, binary)


def _needed(reader: Reader, found: Located, held: Mapping[str, Stage], wanted: Wanted) -> set[str]:
    """The stages before the scores that are read though nothing failed there."""
    reduced = sum(reader.size(track.values) for track in held["reduce"].tracks) if "reduce" in held else 0
    asked = {
        "generate": wanted.measured or (wanted.answer and reduced < reader.size(found.snapshot.identity.cases)),
        "reduce": wanted.answer,
        "parse": wanted.parsed,
    }
    return {stage for stage, needed in asked.items() if needed}


def _rows(reader: Reader, taken: list[_Taken], wanted: Wanted, binary: Collection[str]) -> Iterator[Row]:
    values = dict(reader.values(_value_oids(taken, wanted)))
    steps = _steps(reader, taken)
    for each in taken:
        dataset, case, _ = split_key(each.key)
        shared: dict[str, Any] = {"dataset": dataset, "case": case}
        if wanted.metadata:
            shared["metadata"] = values[each.case].metadata
        if wanted.answer and (answer := _answer(each.before)) is not None:
            value = values[answer]
            shared |= {"candidate": value.candidate_id or None, "output": essence_of(value)}
        if wanted.parsed:
            shared["parsed"] = next((essence_of(values[oid]) for oid in _first(each.before, "parse")), None)
        if wanted.measured:
            generated = (steps[oid].observations for held in each.before for oid in held.steps)
            shared |= _measured(generated)
        upstream = next((_failure(held, steps) for held in each.before if held.failures), None)
        for metric, held in each.metrics.items():
            scored = _scored(held, values, steps, binary=metric in binary, details=wanted.details)
            if scored["outcome"] == NOT_REACHED and upstream is not None:
                scored = upstream
            yield Row(**shared, metric=metric, **scored)


def _value_oids(taken: list[_Taken], wanted: Wanted) -> Iterator[Oid]:
    for each in taken:
        for held in each.metrics.values():
            yield from (oid for oid, score in held.values if wanted.details or math.isnan(score)) if held else ()
        if wanted.metadata:
            yield each.case
        if wanted.answer and (answer := _answer(each.before)) is not None:
            yield answer
        if wanted.parsed:
            yield from _first(each.before, "parse")


def _steps(reader: Reader, taken: list[_Taken]) -> dict[Oid, Step]:
    oids: dict[Oid, None] = {}
    for each in taken:
        for held in (*each.before, *each.metrics.values()):
            if held is not None and (held.failures or held.steps):
                oids.update(dict.fromkeys((*held.failures, *held.steps)))
    return {oid: load(payload, Step) for oid, payload in reader.repository.read_many(oids)}


def _answer(before: list[_Held]) -> Oid | None:
    """The candidate that went on, else the first of those that were generated."""
    return next((oid for stage in ("reduce", "generate") for oid in _first(before, stage)), None)


def _first(before: list[_Held], stage: str) -> list[Oid]:
    """The first value that a stage has of the case, if it has one."""
    return [held.values[0][0] for held in before if held.stage == stage and held.values]


def _measured(observations: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The sums over the samples of a case."""
    latencies, tokens = [], dict[str, int]()
    for each in observations:
        latency, usage = measured(each)
        latencies += [] if latency is None else [latency]
        for kind, amount in usage.items():
            tokens[kind] = tokens.get(kind, 0) + amount
    return {"latency_ms": math.fsum(latencies) if latencies else None, "tokens": tokens or None}


def measured(observations: Mapping[str, Any]) -> tuple[float | None, dict[str, int]]:
    """The latency in ms and the tokens by kind of one call, as far as they were observed and can be meant."""
    latency, usage = observations.get("latency_ms"), observations.get("token_usage")
    known = isinstance(latency, int | float) and not isinstance(latency, bool) and 0 <= latency < math.inf
    tokens = {kind: n for kind, n in usage.items() if type(n) is int and n >= 0} if isinstance(usage, dict) else {}
    return float(latency) if known and latency is not None else None, tokens


def _failure(held: _Held, steps: Mapping[Oid, Step]) -> dict[str, Any]:
    error = steps[held.failures[0]].error
    assert error is not None
    return {
        "outcome": ERROR,
        "stage": held.stage,
        "category": error.category,
        "message": f"{error.type}: {error.message}" if error.type else error.message,
        "details": error.details or None,
    }


def _scored(
    held: _Held | None, values: Mapping[Oid, Any], steps: Mapping[Oid, Step], *, binary: bool, details: bool
) -> dict[str, Any]:
    if held is None or not (held.values or held.failures):
        return {"outcome": NOT_REACHED}
    if len(held.values) == 1 and not math.isnan(held.values[0][1]):
        oid, value = held.values[0]
        said = {"details": _own_details(values[oid])} if details else {}
        return {"outcome": _outcome(value, binary=binary), "value": value, **said}
    scores = [case_score(values[oid]) if math.isnan(score) else score for oid, score in held.values]
    known = [score for score in scores if not isinstance(score, Failure) and not math.isnan(score)]
    if held.failures and not known:
        return _failure(held, steps)
    said = {"details": _details([values[oid] for oid, _ in held.values], scores)} if details else {}
    if known:
        value = math.fsum(known) / len(known)
        return {"outcome": _outcome(value, binary=binary), "value": value, **said}
    failure = next((score for score in scores if isinstance(score, Failure)), Failure("data_problem", "not a number"))
    return {"outcome": ERROR, "stage": held.stage, "category": failure.category, "message": failure.reason, **said}


def _outcome(value: float, *, binary: bool) -> str:
    return SCORED if not binary else CORRECT if value == 1.0 else INCORRECT


def _details(found: list[Any], scores: list[float | Failure]) -> dict[str, Any] | None:
    if len(found) > 1:
        draws = [None if isinstance(score, Failure) else score for score in scores]
        return {"draws": draws, "of_draws": [_own_details(each) for each in found]}
    return _own_details(found[0])


def _own_details(value: Any) -> dict[str, Any] | None:
    match value:
        case Score() | ScoreError():
            return value.details or None
        case EvaluationExecution():
            judged = [{"label": each.label, "score": each.score} for each in value.parsed_judgments]
            failed = [{"category": each.category, "reason": each.reason} for each in value.failures]
            return {name: each for name, each in (("judgments", judged), ("failures", failed)) if each} or None
        case _:
            return None


def _index(key: str) -> int:
    return int(key.rpartition("/")[2]) if key.count("/") == 2 else 0
