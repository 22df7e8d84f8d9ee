"""Components made of plain functions."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from typing import Any

import pytest

from themis_vcs.evaluation.check import check_result
from themis_vcs.evaluation.component import accepts, component_id, describe, is_deterministic, reads
from themis_vcs.evaluation.contexts import (
    GenerateContext,
    ParseContext,
    ReduceContext,
    ScoreContext,
    SelectContext,
)
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.decorators import generator, judge_model, metric, parser, reducer, selector
from themis_vcs.evaluation.judging import JudgeResponse
from themis_vcs.evaluation.protocols import Generator, JudgeModel, Parser, PureMetric, Reducer, Selector
from themis_vcs.evaluation.results import (
    GenerationResult,
    ParsedOutput,
    ReducedCandidate,
    Score,
    ScoreError,
)

CASE = Case("c", "2+2", "4")
GENERATE = GenerateContext("d", "c", 1, 7)
PARSE = ParseContext("d", "c", "x")
SCORE = ScoreContext("d", CASE, ParsedOutput("4"))


@generator
def echo(case: Case) -> str:
    return str(case.input)


@generator(component_id="mine", version="2", deterministic=True, reads={"input"})
async def seeded(case: Case, ctx: GenerateContext) -> GenerationResult:
    return GenerationResult(f"{case.input} {ctx.seed}")


@parser
def first_word(candidate: ReducedCandidate) -> str:
    return str(candidate.final_output).split()[0]


@metric
def right(parsed: ParsedOutput, case: Case) -> bool:
    return bool(parsed.value == case.expected_output)


@metric
def length(parsed: ParsedOutput) -> int:
    return len(parsed.value)


@judge_model
def polite(prompt: str) -> str:
    return f"yes: {prompt}"


@judge_model
async def thorough(prompt: str, seed: int | None = None, *, schema: Any) -> str:
    return f"{seed} {schema}"


def test_a_decorated_function_still_is_one() -> None:
    assert echo(CASE) == "2+2"
    assert right(ParsedOutput("4"), CASE) is True
    assert echo.__name__ == "echo"


@pytest.mark.parametrize(
    ("component", "protocol"),
    [
        (echo, Generator),
        (selector(lambda candidates: candidates), Selector),
        (reducer(lambda candidates: candidates[0]), Reducer),
        (first_word, Parser),
        (right, PureMetric),
        (polite, JudgeModel),
    ],
)
def test_it_has_the_shape_of_its_role(component: Any, protocol: Any) -> None:
    assert isinstance(component, protocol)


def test_a_bare_output_becomes_a_generation() -> None:
    assert echo.generate(CASE, GENERATE) == GenerationResult("2+2")


def test_an_async_function_gives_an_async_method_and_a_result_stays_as_it_is() -> None:
    assert inspect.iscoroutinefunction(seeded.generate)
    assert not inspect.iscoroutinefunction(echo.generate)
    assert asyncio.run(seeded.generate(CASE, GENERATE)) == GenerationResult("2+2 7")


def test_candidates_are_selected_and_reduced() -> None:
    candidates = [GenerationResult("a", "1"), GenerationResult("b", "2")]

    @selector
    def last(candidates: list[GenerationResult]) -> tuple[GenerationResult, ...]:
        return tuple(candidates[1:])

    @reducer
    def joined(candidates: list[GenerationResult], ctx: ReduceContext) -> str:
        return ctx.case_id + "".join(each.final_output for each in candidates)

    chosen = last.select(candidates, SelectContext("d", "c"))
    assert check_result("selector", chosen, "last") == candidates[1:]
    reduced = joined.reduce(candidates, ReduceContext("d", "c", ["1", "2"]))
    assert reduced == ReducedCandidate("cab", source_candidate_ids=["1", "2"])


def test_a_bare_value_becomes_a_parsed_output() -> None:
    assert first_word.parse(ReducedCandidate("four or so"), PARSE) == ParsedOutput("four")


@pytest.mark.parametrize(("component", "value"), [(right, 1.0), (length, 1.0)])
def test_a_bool_or_number_becomes_a_score_of_that_component(component: Any, value: float) -> None:
    score = check_result("metric", component.score(ParsedOutput("4"), CASE, SCORE), "m")
    assert score == Score(component.component_id, value)
    assert type(score.value) is float


def test_a_score_error_stays_one() -> None:
    @metric
    def strict(parsed: ParsedOutput) -> ScoreError:
        return ScoreError("strict", "no")

    assert strict.score(ParsedOutput("4"), CASE, SCORE) == ScoreError("strict", "no")


def test_a_text_becomes_a_judge_response() -> None:
    assert polite.judge("well?", seed=3) == JudgeResponse(polite.component_id, "yes: well?", "0")


def test_a_judge_is_given_the_keywords_that_it_takes() -> None:
    response = asyncio.run(thorough.judge("p", seed=3, schema={"type": "object"}))
    assert response.raw_response == "3 {'type': 'object'}"
    assert response.effective_seed == 3
    assert accepts(thorough, "judge", "schema")


@pytest.mark.parametrize(
    ("decorate", "function"),
    [
        (generator, lambda: "x"),
        (generator, lambda case, ctx, more: "x"),
        (parser, lambda candidate, *, strict: "x"),
        (metric, lambda parsed, case, ctx, extra: 1),
        (judge_model, lambda prompt, temperature: "x"),
    ],
)
def test_a_function_that_cannot_be_called_is_refused_at_once(decorate: Any, function: Any) -> None:
    with pytest.raises(TypeError, match=r"parameter|no argument"):
        decorate(function)


def test_parameters_with_defaults_are_left_alone() -> None:
    @metric
    def tolerant(parsed: ParsedOutput, case: Case, ctx: ScoreContext, tolerance: float = 0.5) -> float:
        return tolerance

    assert tolerant.score(ParsedOutput(1), CASE, SCORE).value == 0.5


def test_what_is_declared_is_found_again() -> None:
    assert (component_id(seeded), seeded.version) == ("mine", "2")
    assert is_deterministic(seeded, "generator")
    assert reads(seeded) == {"input"}


def test_undeclared_properties_follow_the_role() -> None:
    assert component_id(echo) == f"{__name__}:echo"
    assert not is_deterministic(echo, "generator")
    assert not is_deterministic(polite, "judge_model")
    assert is_deterministic(right, "metric")
    assert reads(right) == {"input", "expected_output", "metadata"}


def test_it_is_pickled_and_described_by_name() -> None:
    assert pickle.loads(pickle.dumps(echo)) is echo
    assert describe(echo, "generator").target == f"{__name__}:echo"


def test_a_function_made_inside_another_has_no_name_to_import_it_by() -> None:
    @metric
    def local(parsed: ParsedOutput) -> float:
        return 1.0

    assert describe(local, "metric").target == ""


def test_different_functions_have_different_fingerprints() -> None:
    assert echo.fingerprint() != first_word.fingerprint()


def test_a_name_in_place_of_the_function_is_told_where_it_goes() -> None:
    with pytest.raises(TypeError, match=r"@generator: .*@generator\(component_id='mine'\)"):
        generator("mine")  # type: ignore[call-overload]
