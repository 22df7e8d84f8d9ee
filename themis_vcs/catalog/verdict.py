"""What a judge is asked to answer, in words and as a JSON schema, and how its answer is read."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from themis_vcs.catalog.strictjson import MalformedJson, parse
from themis_vcs.evaluation.failures import JudgeParseError

MAX_ANSWER = 200_000
"""Longest judge answer that is read, in characters."""

_MAX_OBJECTS = 200
_NUMBER = re.compile(r"\s*[-+]?\d{1,15}(?:\.\d{1,15})?\s*")
_laxly = json.JSONDecoder()


class Scale(NamedTuple):
    """Labels with a score each, or else a number from `low` to `high`; and whether to give a rationale."""

    labels: dict[str, float]
    low: float
    high: float
    integer: bool
    rationale: bool

    @property
    def key(self) -> str:
        return "label" if self.labels else "score"


class Verdict(NamedTuple):
    """What a judge said."""

    label: str
    score: float
    rationale: str | None


def schema_of(scale: Scale) -> dict[str, Any]:
    """The JSON schema of an answer. The rationale comes first: reasons before the verdict."""
    properties: dict[str, Any] = {"rationale": {"type": "string"}} if scale.rationale else {}
    if scale.labels:
        properties["label"] = {"type": "string", "enum": list(scale.labels)}
    else:
        low, high = (int(scale.low), int(scale.high)) if scale.integer else (scale.low, scale.high)
        properties["score"] = {
            "type": "integer" if scale.integer else "number",
            "minimum": low,
            "maximum": high,
        }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def request_of(scale: Scale) -> str:
    """The same in words, for models that are given no schema."""
    rationale = '"rationale": your reasons in a sentence or two, then ' if scale.rationale else ""
    if scale.labels:
        what = '"label": one of ' + ", ".join(json.dumps(label, ensure_ascii=False) for label in scale.labels)
    else:
        kind = "a whole number" if scale.integer else "a number"
        what = f'"score": {kind} from {scale.low:g} (worst) to {scale.high:g} (best)'
    return f"Reply with one JSON object and nothing else. It has {rationale}{what}."


def read_verdict(answer: str, scale: Scale) -> Verdict:
    """The verdict in a judge's answer: the one JSON object in it that has the key that was asked for.

    Text around it and reasoning before `</think>` are passed over. JudgeParseError where there is no such
    object, where several disagree, and where the score is off the scale or the label unknown.
    """
    if len(answer) > MAX_ANSWER:
        raise JudgeParseError(f"the judge's answer has {len(answer):,} characters; at most {MAX_ANSWER:,} are read")
    verdicts = [_verdict(found, scale) for found in _objects(answer.rpartition("</think>")[2]) if scale.key in found]
    if not verdicts:
        raise JudgeParseError(f'the judge\'s answer has no JSON object with "{scale.key}": {answer[:200]!r}')
    if len({verdict[:2] for verdict in verdicts}) > 1:
        raise JudgeParseError(f"the judge's answer has {len(verdicts)} verdicts that disagree: {answer[:200]!r}")
    return verdicts[-1]


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects that stand in the text, outermost ones only."""
    position = 0
    for _ in range(_MAX_OBJECTS):
        start = text.find("{", position)
        if start < 0:
            return
        try:
            _, position = _laxly.raw_decode(text, start)
            found = parse(text[start:position])
        except (ValueError, RecursionError, MalformedJson):
            position = max(position, start + 1)
            continue
        if isinstance(found, dict):
            yield found


def _verdict(found: dict[str, Any], scale: Scale) -> Verdict:
    rationale = found.get("rationale")
    rationale = rationale if isinstance(rationale, str) else None
    given = found[scale.key]
    if scale.labels:
        wanted = given.strip().casefold() if isinstance(given, str) else None
        for label, score in scale.labels.items():
            if label.casefold() == wanted:
                return Verdict(label, score, rationale)
        raise JudgeParseError(f"the judge's label {given!r:.80} is none of {', '.join(scale.labels)}")
    score = _score(given)
    if not scale.low <= score <= scale.high or (scale.integer and not score.is_integer()):
        kind = "a whole number " if scale.integer else ""
        raise JudgeParseError(f"the judge's score {given!r:.80} is not {kind}from {scale.low:g} to {scale.high:g}")
    return Verdict(f"{score:g}", score, rationale)


def _score(given: object) -> float:
    """The number; NaN, which is on no scale, if it is none."""
    if isinstance(given, str) and _NUMBER.fullmatch(given):
        return float(given)
    return float(given) if isinstance(given, int | float) and not isinstance(given, bool) else math.nan
