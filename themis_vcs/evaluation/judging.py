"""What judging one case consists of: calls, prompts, responses, judgments, and the execution of them all."""

from __future__ import annotations

from typing import Any

import msgspec

from themis_vcs.evaluation.results import Score, TraceStep


class JudgeCall(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One question to one judge model; `call_id` is unique in its workflow."""

    call_id: str
    judge_model_id: str
    dimension_id: str | None = None
    repeat_index: int = 0
    candidate_indices: list[int] = []
    effective_seed: int | None = None
    metadata: dict[str, Any] = {}


class RenderedJudgePrompt(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a judge model is asked. `metadata["schema"]`, if set, is the JSON schema for the answer."""

    prompt_id: str
    content: str
    metadata: dict[str, Any] = {}


class JudgeResponse(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a judge model answered.

    `token_usage`, `latency_ms`, `provider_request_id` and `retry_history` are observations.
    """

    judge_model_id: str
    raw_response: str
    judge_model_version: str = ""
    judge_model_fingerprint: str = ""
    effective_seed: int | None = None
    token_usage: dict[str, int] = {}
    latency_ms: float | None = None
    provider_request_id: str | None = None
    retry_history: list[dict[str, Any]] = []


class ParsedJudgment(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A verdict read from a response."""

    label: str
    score: float | None = None
    rationale: str | None = None
    details: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if type(self.score) is int:
            msgspec.structs.force_setattr(self, "score", float(self.score))


class AggregationResult(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Several verdicts made one: by which method, with what value."""

    method: str
    value: Any
    details: dict[str, Any] = {}


class JudgeFailure(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A call that gave no verdict. It is never counted as a score of zero."""

    call_id: str
    category: str
    reason: str


class EvaluationExecution(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Everything that judging one case by one workflow metric produced."""

    execution_id: str
    subject_kind: str
    judge_calls: list[JudgeCall] = []
    rendered_prompts: list[RenderedJudgePrompt] = []
    judge_responses: list[JudgeResponse] = []
    parsed_judgments: list[ParsedJudgment] = []
    scores: list[Score] = []
    failures: list[JudgeFailure] = []
    aggregation_output: AggregationResult | None = None
    trace: list[TraceStep] = []
