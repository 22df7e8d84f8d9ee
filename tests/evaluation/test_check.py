"""What a component may return, by its role."""

from __future__ import annotations

from typing import Any

import pytest

from themis_vcs.evaluation.check import check_result
from themis_vcs.evaluation.failures import WrongResult
from themis_vcs.evaluation.judging import JudgeResponse
from themis_vcs.evaluation.results import (
    GenerationResult,
    ParsedOutput,
    ReducedCandidate,
    Score,
    ScoreError,
)


class Special(Score, frozen=True):
    pass


GOOD: list[tuple[str, Any]] = [
    ("generator", GenerationResult("x")),
    ("selector", [GenerationResult("x")]),
    ("reducer", ReducedCandidate("x")),
    ("parser", ParsedOutput(None)),
    ("metric", Score("m", 0.5)),
    ("metric", ScoreError("m", "why")),
    ("judge_model", JudgeResponse("j", "text")),
]


@pytest.mark.parametrize(("role", "result"), GOOD)
def test_the_result_of_a_role_passes_unchanged(role: str, result: Any) -> None:
    assert check_result(role, result, "mine") is result


@pytest.mark.parametrize(
    ("role", "result", "what"),
    [
        ("generator", "text", "generator mine: expected GenerationResult, got str"),
        ("generator", None, "expected GenerationResult, got NoneType"),
        ("selector", [], "left no candidate"),
        ("selector", ["x"], "expected a list of GenerationResult, got str"),
        ("reducer", GenerationResult("x"), "expected ReducedCandidate, got GenerationResult"),
        ("parser", "x", "expected ParsedOutput, got str"),
        ("metric", 1.0, "expected Score or ScoreError, got float"),
        ("metric", Special("m", 1.0), "expected Score or ScoreError, got Special"),
        ("metric", Score("m", True), "a float as the value of its score, got bool"),
        ("metric", Score("m", "1"), "a float as the value of its score, got str"),  # type: ignore[arg-type]
        ("metric", Score("m", float("nan")), "the score nan, which is not a finite number"),
        ("metric", Score("m", float("-inf")), "the score -inf, which is not a finite number"),
        ("judge_model", JudgeResponse("j", None), "text as raw_response, got NoneType"),  # type: ignore[arg-type]
    ],
)
def test_anything_else_is_refused_and_named(role: str, result: Any, what: str) -> None:
    with pytest.raises(WrongResult, match="mine") as caught:
        check_result(role, result, "mine")
    assert what in str(caught.value)


def test_a_coroutine_is_recognised_as_a_forgotten_await() -> None:
    async def score() -> None: ...

    coroutine = score()
    with pytest.raises(WrongResult) as caught:
        check_result("metric", coroutine, "mine")
    coroutine.close()
    assert caught.value.hint == "an async method was not awaited"
