"""Components that count their calls, for tests of what is executed and what is not.

`calls` counts by name; it is not part of any fingerprint, since these components declare theirs.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from themis_vcs import (
    Case,
    GenerationResult,
    JudgeCall,
    JudgeResponse,
    ParsedJudgment,
    ParsedOutput,
    ReducedCandidate,
    RenderedJudgePrompt,
    Score,
)

calls: Counter[str] = Counter()


@dataclass
class Answer:
    """A generator whose answer depends on the case, the sample and `salt`."""

    salt: str = ""
    component_id: str = "test/answer"
    deterministic: bool = True

    def fingerprint(self) -> str:
        return f"answer:{self.salt}"

    async def generate(self, case: Case, ctx: Any) -> GenerationResult:
        calls["generate"] += 1
        return GenerationResult(
            f"{self.salt}{case.input} #{ctx.candidate_index} = {case.expected_output}",
            candidate_id=f"{case.case_id}/{ctx.candidate_index}",
        )


@dataclass
class First:
    """A reducer that takes the first candidate."""

    component_id: str = "test/first"

    def fingerprint(self) -> str:
        return "first"

    async def reduce(self, candidates: list[GenerationResult], ctx: Any) -> ReducedCandidate:
        calls["reduce"] += 1
        ids = [candidate.candidate_id for candidate in candidates]
        return ReducedCandidate(candidates[0].final_output, candidate_id=ids[0], source_candidate_ids=ids)


@dataclass
class AfterEquals:
    """A parser that takes the text after "=". Outputs that contain one of `shouted` are put in capitals."""

    shouted: tuple[str, ...] = ()
    component_id: str = "test/after-equals"

    def fingerprint(self) -> str:
        return f"after-equals:{tuple(self.shouted)}"

    def parse(self, candidate: ReducedCandidate, ctx: Any) -> ParsedOutput:
        calls["parse"] += 1
        text = candidate.final_output.rpartition("= ")[2]
        return ParsedOutput(text.upper() if ctx.case_id in self.shouted else text)


@dataclass
class Equal:
    """A metric: 1 if the parsed output is the expected one."""

    component_id: str = "test/equal"

    def fingerprint(self) -> str:
        return f"equal:{self.component_id}"

    def score(self, parsed: ParsedOutput, case: Case, ctx: Any) -> Score:
        calls[self.component_id] += 1
        return Score(self.component_id, float(parsed.value == case.expected_output))


@dataclass
class Verdict:
    """A workflow metric: one question to each judge model."""

    rubric: str = "fair"
    component_id: str = "test/verdict"

    def fingerprint(self) -> str:
        return f"verdict:{self.rubric}"

    def build_workflow(self, subject: Any, ctx: Any) -> Workflow:
        return Workflow(self, subject, ctx)


@dataclass
class Workflow:
    metric: Verdict
    subject: Any
    ctx: Any

    def judge_calls(self) -> list[JudgeCall]:
        return [JudgeCall(f"call-{n}", model.id) for n, model in enumerate(self.ctx.judge_models)]

    def render_prompt(self, call: JudgeCall, subject: Any, ctx: Any) -> RenderedJudgePrompt:
        return RenderedJudgePrompt(
            call.call_id, f"{self.metric.rubric}|{ctx.parsed_output.value}|{ctx.case.expected_output}"
        )

    def parse_judgment(self, call: JudgeCall, response: JudgeResponse, ctx: Any) -> ParsedJudgment:
        verdict = json.loads(response.raw_response)
        return ParsedJudgment(verdict["label"], verdict["score"])

    def score_judgment(self, call: JudgeCall, judgment: ParsedJudgment, ctx: Any) -> Score:
        assert judgment.score is not None
        return Score(self.metric.component_id, judgment.score)

    def aggregate(self, judgments: list[ParsedJudgment], scores: list[Score], ctx: Any) -> None:
        return None


@dataclass
class Judge:
    """A judge model. Its verdict depends on the prompt, and on how often it was asked if it is not deterministic."""

    deterministic: bool = True
    component_id: str = "test/judge"
    asked: list[str] = field(default_factory=list)

    def fingerprint(self) -> str:
        return f"judge:{self.component_id}"

    async def judge(self, prompt: str, *, seed: int | None = None) -> JudgeResponse:
        calls["judge"] += 1
        self.asked.append(prompt)
        _, parsed, expected = prompt.split("|")
        score = float(parsed == expected) if self.deterministic else (calls["judge"] % 7) / 7
        return JudgeResponse(self.component_id, json.dumps({"label": "seen", "score": score}))
