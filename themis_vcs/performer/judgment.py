"""Judging one case again: what a workflow metric makes of the answers of its judge models, stored ones or new ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import msgspec

from themis_vcs.audit.performing import Call
from themis_vcs.evaluation.check import check_result
from themis_vcs.evaluation.component import accepts, component_id, subject_kind
from themis_vcs.evaluation.contexts import EvalScoreContext, JudgeModelInfo
from themis_vcs.evaluation.failures import WrongResult
from themis_vcs.evaluation.judging import (
    EvaluationExecution,
    JudgeCall,
    JudgeFailure,
    JudgeResponse,
    RenderedJudgePrompt,
)
from themis_vcs.evaluation.subjects import CandidateSetSubject, ConversationSubject, Subject, TraceSubject
from themis_vcs.model.derivation import derive_seed
from themis_vcs.performer.parts import Part, case_of, domain, prompt_of, settled


def judging(metric: Any, versions: Mapping[str, str], models: Mapping[str, Any] | None) -> Part:
    """The evaluation of a case. `versions` are those of the judge models by id.

    With `models` they are asked again; with None the answers are those of the stored evaluation.
    """

    async def part(call: Call) -> EvaluationExecution:
        ctx = _context(call, metric, versions)
        workflow = metric.build_workflow(subject := _subject(metric, call), ctx)
        answers = None if call.recorded is None else iter(domain(call.recorded).judge_responses)
        made = EvaluationExecution(f"{ctx.dataset_id}/{ctx.case.case_id}/{component_id(metric)}", subject_kind(metric))
        calls = [_seeded(each, ctx.judge_seed, number) for number, each in enumerate(workflow.judge_calls())]
        judgments, scores, failures, prompts, responses = [], [], [], [], []
        for each in calls:
            prompt = workflow.render_prompt(each, subject, ctx)
            response = _stored(answers) if models is None else await _asked(models, each, prompt)
            prompts.append(prompt)
            responses.append(response)
            try:
                judgment = workflow.parse_judgment(each, response, ctx)
                score = workflow.score_judgment(each, judgment, ctx)
            except Exception as error:  # noqa: BLE001
                failures.append(_failure(each, error))
                continue
            judgments.append(judgment)
            if score is not None:
                scores.append(check_result("metric", score, component_id(metric)))
        return msgspec.structs.replace(
            made,
            judge_calls=calls,
            rendered_prompts=prompts,
            judge_responses=responses,
            parsed_judgments=judgments,
            scores=scores,
            failures=failures,
            aggregation_output=workflow.aggregate(judgments, scores, ctx) if judgments else None,
        )

    return part


def _context(call: Call, metric: Any, versions: Mapping[str, str]) -> EvalScoreContext:
    case = case_of(call, metric)
    info, parsed = (domain(call.inputs[name][0]) for name in ("datasets", "parse"))
    return EvalScoreContext(
        dataset_id=info["dataset_id"],
        case=case,
        parsed_output=parsed,
        dataset_metadata=info["metadata"],
        seed=call.seed,
        judge_models=[JudgeModelInfo(name, version) for name, version in versions.items()],
        judge_seed=call.seed,
        judge_config=call.params["judge_config"],
        prompt_spec=prompt_of(call.params["prompt_spec"]),
        eval_workflow_config=call.params["workflow_config"],
    )


def _subject(metric: Any, call: Call) -> Subject:
    kind, reduced = subject_kind(metric), domain(call.inputs["reduce"][0])
    if kind == "candidate":
        return CandidateSetSubject([reduced])
    generated = list(map(domain, call.inputs["generate"]))
    if kind == "candidates":
        return CandidateSetSubject(list(generated))
    named = (each for each in generated if each.candidate_id in reduced.source_candidate_ids)
    source = next(chain(named, generated))
    return TraceSubject(source.trace) if kind == "trace" else ConversationSubject(source.conversation)


def _seeded(call: JudgeCall, seed: int | None, number: int) -> JudgeCall:
    if call.effective_seed is not None or seed is None:
        return call
    return msgspec.structs.replace(call, effective_seed=derive_seed(seed, number))


def _stored(answers: Iterator[JudgeResponse] | None) -> JudgeResponse:
    found = None if answers is None else next(answers, None)
    if found is None:
        raise WrongResult("it asks for more answers than are stored")
    return found


async def _asked(models: Mapping[str, Any], call: JudgeCall, prompt: RenderedJudgePrompt) -> JudgeResponse:
    model = models.get(call.judge_model_id)
    if model is None:
        raise LookupError(f"it asks the judge model {call.judge_model_id!r:.80}, and the run has none of that id")
    offered = {"schema": prompt.metadata.get("schema"), "call": call}
    keywords = {name: given for name, given in offered.items() if accepts(model, "judge", name)}
    answer = await settled(model.judge(prompt.content, seed=call.effective_seed, **keywords))
    checked: JudgeResponse = check_result("judge_model", answer, call.judge_model_id)
    return checked


def _failure(call: JudgeCall, error: Exception) -> JudgeFailure:
    category = str(getattr(error, "category", "judge_parse_failure"))
    return JudgeFailure(call.call_id, category, f"{type(error).__name__}: {error}"[:2_000])
