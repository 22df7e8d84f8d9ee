"""A made-up evaluation for the benchmarks: trivial components that answer at once, about 1 KB per answer.

What a component does costs microseconds, so that what is measured is themis. The prompt that the judge is asked repeats
the answer, as that of a rubric does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.records import Writer
from themis_vcs import (
    AggregationResult,
    Case,
    Dataset,
    EvaluationConfig,
    Experiment,
    GenerationConfig,
    GenerationResult,
    JudgeCall,
    JudgeResponse,
    ParsedJudgment,
    ParsedOutput,
    ReducedCandidate,
    RenderedJudgePrompt,
    Score,
)

_PHRASES = Writer(7).phrases
_STRIDES = (7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73)


def answer(number: int) -> str:
    """Return about 1 KB of text, another one for every number."""
    return ". ".join(_PHRASES[number * stride % len(_PHRASES)] for stride in _STRIDES) + f" = {2 * number}"


def case(number: int, edition: int = 0) -> Case:
    """Return the case of a number; another `edition` asks in other words, and is answered in others."""
    question = " ".join(_PHRASES[(number * stride + edition) % len(_PHRASES)] for stride in _STRIDES[:3])
    return Case(f"case-{number:06d}", {"question": question, "n": number, "edition": edition}, str(2 * number))


@dataclass
class Cases:
    """`size` cases, made anew for every reading; if `edited` is set, every case of that many is in another edition."""

    size: int
    edited: int = 0
    edition: int = 1

    def __iter__(self) -> Iterator[Case]:
        for number in range(self.size):
            yield case(number, self.edition if self.edited and number % self.edited == 0 else 0)


@dataclass
class Answer:
    """The generator."""

    component_id: str = "bench/answer"
    deterministic: bool = True

    def fingerprint(self) -> str:
        return "answer"

    async def generate(self, case: Case, ctx: Any) -> GenerationResult:
        text = f"{case.input['edition']}. {answer(case.input['n'])}"
        return GenerationResult(text, f"{case.case_id}/{ctx.candidate_index}")


@dataclass
class First:
    """The reducer."""

    component_id: str = "bench/first"

    def fingerprint(self) -> str:
        return "first"

    async def reduce(self, candidates: list[GenerationResult], ctx: Any) -> ReducedCandidate:
        first = candidates[0]
        return ReducedCandidate(first.final_output, first.candidate_id, [first.candidate_id])


@dataclass
class AfterEquals:
    """The parser."""

    component_id: str = "bench/after-equals"

    def fingerprint(self) -> str:
        return "after-equals"

    def parse(self, candidate: ReducedCandidate, ctx: Any) -> ParsedOutput:
        return ParsedOutput(candidate.final_output.rpartition("= ")[2])


@dataclass
class Equal:
    """The metric."""

    component_id: str = "bench/equal"

    def fingerprint(self) -> str:
        return "equal"

    def score(self, parsed: ParsedOutput, case: Case, ctx: Any) -> Score:
        return Score(self.component_id, float(parsed.value == case.expected_output))


@dataclass
class Verdict:
    """The workflow metric: one question to the judge."""

    component_id: str = "bench/verdict"

    def fingerprint(self) -> str:
        return "verdict"

    def build_workflow(self, subject: Any, ctx: Any) -> Verdict:
        return self

    def judge_calls(self) -> list[JudgeCall]:
        return [JudgeCall("call-0", "bench/judge")]

    def render_prompt(self, call: JudgeCall, subject: Any, ctx: Any) -> RenderedJudgePrompt:
        text = subject.candidates[0].final_output
        return RenderedJudgePrompt(call.call_id, f"Is this right? Reply with a label.\n\n{text}")

    def parse_judgment(self, call: JudgeCall, response: JudgeResponse, ctx: Any) -> ParsedJudgment:
        label, _, reason = response.raw_response.partition(": ")
        return ParsedJudgment(label, float(label == "right"), reason)

    def score_judgment(self, call: JudgeCall, judgment: ParsedJudgment, ctx: Any) -> Score:
        return Score(self.component_id, judgment.score or 0.0)

    def aggregate(self, judgments: list[ParsedJudgment], scores: list[Score], ctx: Any) -> AggregationResult:
        return AggregationResult("mean", sum(score.value for score in scores) / len(scores))


@dataclass
class Judge:
    """The judge model."""

    component_id: str = "bench/judge"
    deterministic: bool = True

    def fingerprint(self) -> str:
        return "judge"

    async def judge(self, prompt: str, *, seed: int | None = None) -> JudgeResponse:
        return JudgeResponse(self.component_id, f"right: it ends as it should, with {prompt[-12:]}")


def experiment(cases: Cases) -> Experiment:
    """Return the evaluation of some cases: generate, reduce, parse, score and judge."""
    return Experiment(
        generation=GenerationConfig(generator=Answer(), reducer=First()),
        evaluation=EvaluationConfig(metrics=[Equal(), Verdict()], parsers=[AfterEquals()], judge_models=[Judge()]),
        datasets=[Dataset("bench", cases)],
    )
