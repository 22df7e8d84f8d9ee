"""What every metric made of every case of a run, one row each, as a stream in the order of the cases.

Not responsible for figures over many rows (`report`), nor for which columns and rows are shown (`selection`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from themis_vcs.analysis.columns import Column, Part, parts
from themis_vcs.analysis.excerpt import essence_of
from themis_vcs.analysis.lookup import Located, stages_of
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.scores import Failure, case_score, details_of
from themis_vcs.model.objects import Step, load
from themis_vcs.model.oid import Oid
from themis_vcs.model.tree import split_key

CORRECT, INCORRECT, SCORED, ERROR, NOT_REACHED = "correct", "incorrect", "scored", "error", "not reached"
OUTCOMES: Final = (CORRECT, INCORRECT, SCORED, ERROR, NOT_REACHED)


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


def outcomes(
    reader: Reader, found: Located, wanted: Wanted = SCORES_ONLY, binary: Collection[str] = ()
) -> Iterator[Row]:
    """The rows of a run, case by case and metric by metric. `binary` names the metrics whose values are all 0 or 1.

    A score that the store has noted is not read again, unless its details are wanted.
    """
    for part in parts(reader, found, _needed(reader, found, wanted), measured=wanted.measured):
        yield from rows(reader, part, wanted, binary)


def _needed(reader: Reader, found: Located, wanted: Wanted) -> set[str]:
    """The stages before the scores that are read though nothing failed there."""
    held = stages_of(reader.repository, found.run)
    reduced = sum(reader.size(track.values) for track in held["reduce"].tracks) if "reduce" in held else 0
    asked = {
        "generate": wanted.measured or (wanted.answer and reduced < reader.size(found.snapshot.identity.cases)),
        "reduce": wanted.answer,
        "parse": wanted.parsed,
    }
    return {stage for stage, needed in asked.items() if needed}


def rows(reader: Reader, part: Part, wanted: Wanted = SCORES_ONLY, binary: Collection[str] = ()) -> Iterator[Row]:
    """The rows of some cases, as `outcomes`."""
    answers = _answers(part) if wanted.answer else []
    parsed = part.first("parse") if wanted.parsed else []
    values = dict(reader.values(_value_oids(part, wanted, [*answers, *parsed])))
    steps = _steps(reader, part)
    metrics = [(name, column, name in binary) for name, column in part.metrics.items()]
    for at, (key, case_oid) in enumerate(part.cases):
        dataset, case, _ = split_key(key)
        shared: dict[str, Any] = {"dataset": dataset, "case": case}
        if wanted.metadata:
            shared["metadata"] = values[case_oid].metadata
        if wanted.answer and (answer := answers[at]) is not None:
            value = values[answer]
            shared["candidate"], shared["output"] = value.candidate_id or None, essence_of(value)
        if wanted.parsed and (value := parsed[at]) is not None:
            shared["parsed"] = essence_of(values[value])
        if wanted.measured:
            shared |= _measured(steps[oid].observations for column in part.before for oid in column.steps[at])
        for metric, column, is_binary in metrics:
            held = column.values[at] if column else ()
            if len(held) == 1 and (score := held[0][1]) == score:
                details = details_of(values.get(held[0][0])) if wanted.details else None
                outcome = _outcome(score, binary=is_binary)
                yield Row(**shared, metric=metric, outcome=outcome, value=score, details=details)
            else:
                scored = _scored(column, at, values, steps, binary=is_binary, details=wanted.details)
                if scored["outcome"] == NOT_REACHED:
                    scored = next((_failure(each, at, steps) for each in part.before if each.failures[at]), scored)
                yield Row(**shared, metric=metric, **scored)


def _value_oids(part: Part, wanted: Wanted, others: Iterable[Oid | None]) -> Iterator[Oid]:
    """The values that have to be read: not one whose score is known, if it has no details or none are wanted."""
    for column in part.metrics.values():
        if column is None:
            continue
        details = wanted.details and column.details
        for held in column.values:
            yield from (oid for oid, score in held if details or math.isnan(score))
    if wanted.metadata:
        yield from (oid for _, oid in part.cases)
    yield from (oid for oid in others if oid is not None)


def _steps(reader: Reader, part: Part) -> dict[Oid, Step]:
    columns = [column for column in (*part.before, *part.metrics.values()) if column is not None]
    oids = dict.fromkeys(oid for column in columns for held in (*column.failures, *column.steps) for oid in held)
    return {oid: load(payload, Step) for oid, payload in reader.repository.read_many(oids)} if oids else {}


def _answers(part: Part) -> list[Oid | None]:
    """The candidate of each case that went on, else the first of those that were generated."""
    generated = part.first("generate")
    return [first or other for first, other in zip(part.first("reduce"), generated, strict=True)]


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


def _failure(column: Column, at: int, steps: Mapping[Oid, Step]) -> dict[str, Any]:
    error = steps[column.failures[at][0]].error
    assert error is not None
    return {
        "outcome": ERROR,
        "stage": column.stage,
        "category": error.category,
        "message": f"{error.type}: {error.message}" if error.type else error.message,
        "details": error.details or None,
    }


def _scored(
    column: Column | None, at: int, values: Mapping[Oid, Any], steps: Mapping[Oid, Step], *, binary: bool, details: bool
) -> dict[str, Any]:
    if column is None or not (column.values[at] or column.failures[at]):
        return {"outcome": NOT_REACHED}
    held = column.values[at]
    scores = [case_score(values[oid]) if math.isnan(score) else score for oid, score in held]
    known = [score for score in scores if not isinstance(score, Failure) and not math.isnan(score)]
    if column.failures[at] and not known:
        return _failure(column, at, steps)
    said = {"details": _details([values.get(oid) for oid, _ in held], scores)} if details else {}
    if known:
        value = math.fsum(known) / len(known)
        return {"outcome": _outcome(value, binary=binary), "value": value, **said}
    failure = next((score for score in scores if isinstance(score, Failure)), Failure("data_problem", "not a number"))
    return {"outcome": ERROR, "stage": column.stage, "category": failure.category, "message": failure.reason, **said}


def _outcome(value: float, *, binary: bool) -> str:
    return SCORED if not binary else CORRECT if value == 1.0 else INCORRECT


def _details(found: list[Any], scores: list[float | Failure]) -> dict[str, Any] | None:
    if len(found) > 1:
        draws = [None if isinstance(score, Failure) else score for score in scores]
        return {"draws": draws, "of_draws": [details_of(each) for each in found]}
    return details_of(found[0])
