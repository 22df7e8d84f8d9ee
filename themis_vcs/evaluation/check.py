"""Checking what a component returned, before anything is made of it."""

from __future__ import annotations

import math
from typing import Any

from themis_vcs.evaluation.failures import WrongResult
from themis_vcs.evaluation.judging import JudgeResponse
from themis_vcs.evaluation.results import GenerationResult, ParsedOutput, ReducedCandidate, Score, ScoreError

_EXPECTED: dict[str, tuple[type, ...]] = {
    "generator": (GenerationResult,),
    "selector": (list,),
    "reducer": (ReducedCandidate,),
    "parser": (ParsedOutput,),
    "metric": (Score, ScoreError),
    "judge_model": (JudgeResponse,),
}


def check_result(role: str, result: Any, component_id: str) -> Any:
    """`result` itself if a component of this role may return it, otherwise WrongResult says what may.

    Types are exact: what a subclass adds would not be stored. A selector returns at least one
    GenerationResult; the value of a score is a finite float, and True is no number here.
    """
    expected = _EXPECTED[role]
    if type(result) not in expected:
        raise _wrong(role, component_id, " or ".join(kind.__name__ for kind in expected), result)
    if role == "selector":
        _check_selection(result, component_id)
    elif type(result) is Score:
        _check_score(result, component_id)
    elif type(result) is JudgeResponse and type(result.raw_response) is not str:
        raise _wrong(role, component_id, "text as raw_response", result.raw_response)
    return result


def _check_selection(result: list[Any], component_id: str) -> None:
    if not result:
        raise WrongResult(f"selector {component_id} left no candidate", hint="it must keep at least one")
    for candidate in result:
        if type(candidate) is not GenerationResult:
            raise _wrong("selector", component_id, "a list of GenerationResult", candidate)


def _check_score(score: Score, component_id: str) -> None:
    if not isinstance(score.value, float):
        raise _wrong("metric", component_id, "a float as the value of its score", score.value)
    if not math.isfinite(score.value):
        raise WrongResult(
            f"metric {component_id} gave the score {score.value}, which is not a finite number",
            hint="return ScoreError where a case cannot be scored",
        )


def _wrong(role: str, component_id: str, expected: str, got: object) -> WrongResult:
    hint = None
    if type(got).__name__ == "coroutine":
        hint = "an async method was not awaited"
    return WrongResult(f"{role} {component_id}: expected {expected}, got {type(got).__name__}", hint=hint)
