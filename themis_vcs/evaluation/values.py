"""Which results are stored, under which type name, and which of their fields are observations."""

from __future__ import annotations

from typing import Any

import msgspec

from themis_vcs.errors import DataError, FormatError
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.judging import EvaluationExecution, JudgeResponse
from themis_vcs.evaluation.results import GenerationResult, ParsedOutput, ReducedCandidate, Score, ScoreError

VALUE_TYPES: dict[str, type[msgspec.Struct]] = {
    "case": Case,
    "generation": GenerationResult,
    "reduced": ReducedCandidate,
    "parsed": ParsedOutput,
    "score": Score,
    "score_error": ScoreError,
    "evaluation": EvaluationExecution,
}
_NAMES = {kind: name for name, kind in VALUE_TYPES.items()}

_GENERATION_OBSERVATIONS = ("token_usage", "latency_ms", "provider")
_RESPONSE_OBSERVATIONS = ("token_usage", "latency_ms", "provider_request_id", "retry_history")


def value_of(result: msgspec.Struct) -> tuple[str, msgspec.Struct, dict[str, Any]]:
    """(type name, the result without its observations, the observations) of a result.

    The observations of an evaluation are {"judge_responses": [one dict per response]}. TypeError for any
    other type, subclasses included, because what they add would be lost.
    """
    name = _NAMES.get(type(result))
    if name is None:
        raise TypeError(f"{type(result).__name__} is not a value that can be stored")
    if type(result) is GenerationResult:
        return name, *_split_generation(result)
    if type(result) is EvaluationExecution:
        return name, *_split_evaluation(result)
    return name, result, {}


def restore(name: str, data: object) -> msgspec.Struct:
    """The result whose plain data was stored under this type name.

    FormatError for a name that this version does not know, DataError for data that does not fit the type.
    """
    kind = VALUE_TYPES.get(name)
    if kind is None:
        raise FormatError(f"unknown value type {name!r:.80}", hint="a newer themis wrote it; upgrade to read it")
    try:
        return msgspec.convert(data, kind, strict=True)
    except msgspec.ValidationError as error:
        raise DataError(f"value of type {name}: {error}") from error


def _observed(result: msgspec.Struct, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        name: value for name in names if (value := getattr(result, name)) is not None and value != {} and value != []
    }


def _split_generation(result: GenerationResult) -> tuple[GenerationResult, dict[str, Any]]:
    observations = _observed(result, _GENERATION_OBSERVATIONS)
    if not observations and result.token_usage is None:
        return result, observations
    value = GenerationResult(
        result.final_output,
        result.candidate_id,
        result.trace,
        result.conversation,
        result.artifacts,
        result.finish_reason,
    )
    return value, observations


def _split_evaluation(result: EvaluationExecution) -> tuple[EvaluationExecution, dict[str, Any]]:
    observed = [_observed(response, _RESPONSE_OBSERVATIONS) for response in result.judge_responses]
    if not any(observed):
        return result, {}
    responses = [
        JudgeResponse(
            response.judge_model_id,
            response.raw_response,
            response.judge_model_version,
            response.judge_model_fingerprint,
            response.effective_seed,
        )
        for response in result.judge_responses
    ]
    return msgspec.structs.replace(result, judge_responses=responses), {"judge_responses": observed}
