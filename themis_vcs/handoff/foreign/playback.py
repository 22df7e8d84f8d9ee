"""Components that say again what a log says: the system under evaluation, its scorers, its judges.

They are what they played back and cannot be made again; a replay keeps what they made.
"""

from __future__ import annotations

from typing import Any

import msgspec
from blake3 import blake3

from themis_vcs.evaluation.contexts import EvalScoreContext, GenerateContext, ScoreContext
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.failures import ComponentFailure, JudgeParseError
from themis_vcs.evaluation.judging import (
    AggregationResult,
    EvaluationExecution,
    JudgeCall,
    JudgeResponse,
    ParsedJudgment,
    RenderedJudgePrompt,
)
from themis_vcs.evaluation.results import GenerationResult, ParsedOutput, Score, ScoreError
from themis_vcs.evaluation.subjects import Subject
from themis_vcs.handoff.foreign.log import Log, Scored
from themis_vcs.handoff.foreign.spool import Spool
from themis_vcs.model.codec import pack
from themis_vcs.pipeline.snapshot import IMPORTED

_IDENTITY = "themis_vcs 2026-11-24 imported component v1"
_READING = 1
"""To be raised when a reader takes something else from a log, so that nothing of before is reused."""


class Playback:
    """A component of the log: the tool, its version, the model, the settings and the files are its identity."""

    deterministic = True

    def __init__(self, log: Log, spool: Spool, component_id: str) -> None:
        self.component_id, self.log, self.spool = component_id, log, spool
        self.version = f"{log.tool} {log.version}"
        self.target = f"{IMPORTED}{log.tool}"

    def options(self) -> dict[str, Any]:
        """Where it comes from, for the person who wants to make it again."""
        return {"tool": self.log.tool, "version": self.log.version, "files": [each.name for each in self.log.files]}

    def fingerprint(self) -> bytes:
        """32 bytes: the hash of what the log says of itself and of the content of its files."""
        log = self.log
        said = [log.tool, log.version, log.model, log.configuration, sorted(each.sha256 for each in log.files)]
        return blake3(pack([_READING, self.component_id, said]), derive_key_context=_IDENTITY).digest()


class Generator(Playback):
    """Says what the system under evaluation said."""

    async def generate(self, case: Case, ctx: GenerateContext) -> GenerationResult:
        """The answer of that number. ComponentFailure with the error that the log has in its place."""
        answer = self.spool.answers_to(ctx.dataset_id, ctx.case_id)[ctx.candidate_index]
        if answer.result is None:
            raise ComponentFailure(answer.error or "failed without a word", category="failed_in_log")
        return answer.result


class Metric(Playback):
    """Scores as a scorer of the log did."""

    reads: frozenset[str] = frozenset()

    def score(self, parsed: ParsedOutput, case: Case, ctx: ScoreContext) -> Score | ScoreError:
        """The score in the log, or why there is none."""
        name = self.component_id
        verdicts = self.spool.verdicts(ctx.dataset_id, case.case_id)
        evaluation = verdicts.evaluations.get(name)
        scored = verdicts.scores.get(name, Scored())
        if evaluation is not None and scored.value is None and evaluation.scores:
            scored = Scored(evaluation.scores[0].value, details={"evaluation": msgspec.to_builtins(evaluation)})
        if scored.value is None:
            reason = scored.error or "the log has no score of it for this case"
            return ScoreError(name, reason, "failed_in_log" if scored.error else "not_in_log", False, scored.details)
        return Score(name, scored.value, scored.details)


class JudgeMetric(Playback):
    """Judges as a scorer of the log did that asked a model."""

    reads: frozenset[str] = frozenset()

    def build_workflow(self, subject: Subject, ctx: EvalScoreContext) -> Workflow:
        """What was asked for this case. ComponentFailure where the log has no judgment."""
        dataset, case = ctx.dataset_id, ctx.case.case_id
        verdicts = self.spool.verdicts(dataset, case)
        evaluation = verdicts.evaluations.get(self.component_id)
        if evaluation is None:
            error = verdicts.scores.get(self.component_id, Scored()).error
            raise ComponentFailure(
                error or "the log has no judgment of it for this case",
                category="failed_in_log" if error else "not_in_log",
            )
        place = {"dataset_id": dataset, "case_id": case, "scorer": self.component_id}
        return Workflow(evaluation, place)


class Workflow:
    """One evaluation of a log, call by call."""

    def __init__(self, evaluation: EvaluationExecution, place: dict[str, Any]) -> None:
        self._evaluation, self._place = evaluation, place
        self._calls = [call.call_id for call in evaluation.judge_calls]
        failed = {failure.call_id for failure in evaluation.failures}
        self._judged = [call for call in self._calls if call not in failed]

    def judge_calls(self) -> list[JudgeCall]:
        """The calls of the log, each with where it stands there."""
        calls = self._evaluation.judge_calls
        return [msgspec.structs.replace(call, metadata={**call.metadata, **self._place}) for call in calls]

    def render_prompt(self, call: JudgeCall, subject: Subject, ctx: EvalScoreContext) -> RenderedJudgePrompt:
        """What was asked."""
        return self._evaluation.rendered_prompts[self._calls.index(call.call_id)]

    def parse_judgment(self, call: JudgeCall, response: JudgeResponse, ctx: EvalScoreContext) -> ParsedJudgment:
        """What the tool read from the answer. JudgeParseError where it read nothing."""
        for failure in self._evaluation.failures:
            if failure.call_id == call.call_id:
                raise JudgeParseError(failure.reason, category=failure.category)
        return self._evaluation.parsed_judgments[self._judged.index(call.call_id)]

    def score_judgment(self, call: JudgeCall, judgment: ParsedJudgment, ctx: EvalScoreContext) -> Score | None:
        """The score that the tool made of it."""
        scores = self._evaluation.scores
        return scores[self._judged.index(call.call_id)] if len(scores) == len(self._judged) else None

    def aggregate(
        self, judgments: list[ParsedJudgment], scores: list[Score], ctx: EvalScoreContext
    ) -> AggregationResult | None:
        """What the tool made of all of them."""
        return self._evaluation.aggregation_output


class Judge(Playback):
    """Answers as a judge model of the log did."""

    async def judge(self, prompt: str, *, seed: int | None = None, call: JudgeCall | None = None) -> JudgeResponse:
        """The answer to that call."""
        assert call is not None
        place = call.metadata
        evaluation = self.spool.verdicts(place["dataset_id"], place["case_id"]).evaluations[place["scorer"]]
        calls = [each.call_id for each in evaluation.judge_calls]
        return evaluation.judge_responses[calls.index(call.call_id)]
