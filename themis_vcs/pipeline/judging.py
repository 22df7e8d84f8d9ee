"""Running a workflow metric on one case: render, ask, parse, score, aggregate. Nothing is stored here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from themis_vcs.evaluation.check import check_result
from themis_vcs.evaluation.component import accepts, component_id, subject_kind
from themis_vcs.evaluation.contexts import EvalScoreContext
from themis_vcs.evaluation.judging import (
    EvaluationExecution,
    JudgeCall,
    JudgeFailure,
    JudgeResponse,
    ParsedJudgment,
    RenderedJudgePrompt,
)
from themis_vcs.evaluation.results import GenerationResult, ReducedCandidate, Score
from themis_vcs.evaluation.subjects import CandidateSetSubject, ConversationSubject, Subject, TraceSubject
from themis_vcs.model.derivation import derive_seed
from themis_vcs.pipeline.attempts import Caller, in_thread


@dataclass(frozen=True)
class Judge:
    """A judge model and what its `judge` method takes beside the prompt and the seed."""

    model: Any
    keywords: tuple[str, ...]
    blocking: bool


def make_subject(metric: Any, reduced: ReducedCandidate, generated: Sequence[GenerationResult]) -> Subject:
    """What the metric judges. `generated` may be empty for a metric of kind "candidate"."""
    kind = subject_kind(metric)
    if kind == "candidate":
        return CandidateSetSubject([reduced])
    if kind == "candidates":
        return CandidateSetSubject(list(generated))
    named = (each for each in generated if each.candidate_id in reduced.source_candidate_ids)
    source = next(named, generated[0])
    return TraceSubject(source.trace) if kind == "trace" else ConversationSubject(source.conversation)


def judges_of(models: Mapping[str, Any], blocking: Mapping[str, bool]) -> dict[str, Judge]:
    """The judge models by the id that calls name them with."""
    return {
        name: Judge(model, tuple(k for k in ("schema", "call") if accepts(model, "judge", k)), blocking[name])
        for name, model in models.items()
    }


async def execute_workflow(
    metric: Any,
    subject: Subject,
    ctx: EvalScoreContext,
    judges: Mapping[str, Judge],
    caller: Caller,
    attempts: list[dict[str, Any]],
) -> EvaluationExecution:
    """Judge one case. A verdict that cannot be read is a JudgeFailure; a model that cannot be reached raises."""
    workflow = metric.build_workflow(subject, ctx)
    calls: list[JudgeCall] = list(workflow.judge_calls())
    prompts: list[RenderedJudgePrompt] = []
    responses: list[JudgeResponse] = []
    judgments: list[ParsedJudgment] = []
    scores: list[Score] = []
    failures: list[JudgeFailure] = []
    for number, planned in enumerate(calls):
        call = _seeded(planned, ctx, number)
        calls[number] = call
        prompt = workflow.render_prompt(call, subject, ctx)
        response = await _ask(call, prompt, judges, caller, attempts)
        prompts.append(prompt)
        responses.append(response)
        try:
            judgment = workflow.parse_judgment(call, response, ctx)
            score = workflow.score_judgment(call, judgment, ctx)
        except Exception as error:  # noqa: BLE001
            category = str(getattr(error, "category", "judge_parse_failure"))
            failures.append(JudgeFailure(call.call_id, category, f"{type(error).__name__}: {error}"[:2_000]))
            continue
        judgments.append(judgment)
        if score is not None:
            scores.append(check_result("metric", score, component_id(metric)))
    return EvaluationExecution(
        execution_id=f"{ctx.dataset_id}/{ctx.case.case_id}/{component_id(metric)}",
        subject_kind=subject_kind(metric),
        judge_calls=calls,
        rendered_prompts=prompts,
        judge_responses=responses,
        parsed_judgments=judgments,
        scores=scores,
        failures=failures,
        aggregation_output=workflow.aggregate(judgments, scores, ctx) if judgments else None,
    )


def _seeded(call: JudgeCall, ctx: EvalScoreContext, number: int) -> JudgeCall:
    if call.effective_seed is not None or ctx.judge_seed is None:
        return call
    return msgspec.structs.replace(call, effective_seed=derive_seed(ctx.judge_seed, number))


async def _ask(
    call: JudgeCall,
    prompt: RenderedJudgePrompt,
    judges: Mapping[str, Judge],
    caller: Caller,
    attempts: list[dict[str, Any]],
) -> JudgeResponse:
    judge = judges.get(call.judge_model_id)
    if judge is None:
        known = ", ".join(judges) or "none"
        raise LookupError(f"judge call {call.call_id} names the model {call.judge_model_id!r}; there are: {known}")
    extra = {"schema": prompt.metadata.get("schema"), "call": call}
    keywords = {name: extra[name] for name in judge.keywords}
    model = judge.model

    def ask() -> Any:
        def ask_now() -> Any:
            return model.judge(prompt.content, seed=call.effective_seed, **keywords)

        return in_thread(ask_now) if judge.blocking else ask_now()

    response = await caller.call(ask, attempts, model)
    checked: JudgeResponse = check_result("judge_model", response, call.judge_model_id)
    return checked
