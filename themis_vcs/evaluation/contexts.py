"""What a component may see beside its input. All of it enters the derivation key; nothing else is passed.

There is no run id here: two runs that ask the same question get the same answer.
"""

from __future__ import annotations

from typing import Any

import msgspec

from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.prompt import PromptSpec
from themis_vcs.evaluation.results import ParsedOutput


class GenerateContext(msgspec.Struct, frozen=True):
    """For a generator. `candidate_index` counts the samples of one case from 0."""

    dataset_id: str
    case_id: str
    candidate_index: int = 0
    seed: int | None = None
    prompt_spec: PromptSpec | None = None
    params: dict[str, Any] = {}


class SelectContext(msgspec.Struct, frozen=True):
    """For a selector. `candidate_ids` are in the order of the candidates."""

    dataset_id: str
    case_id: str
    candidate_ids: list[str] = []
    seed: int | None = None


class ReduceContext(msgspec.Struct, frozen=True):
    """For a reducer. `candidate_ids` are those of the candidates that the selector left."""

    dataset_id: str
    case_id: str
    candidate_ids: list[str] = []
    seed: int | None = None


class ParseContext(msgspec.Struct, frozen=True):
    """For a parser."""

    dataset_id: str
    case_id: str
    candidate_id: str = ""


class ScoreContext(msgspec.Struct, frozen=True):
    """For a metric. `case` holds only the fields that the metric reads."""

    dataset_id: str
    case: Case
    parsed_output: ParsedOutput
    dataset_metadata: dict[str, Any] = {}
    seed: int | None = None


class CaseContext(msgspec.Struct, frozen=True):
    """For the `case_fingerprint` of a metric or judge model. `case` holds only what the metric reads."""

    dataset_id: str
    case: Case


class JudgeModelInfo(msgspec.Struct, frozen=True):
    """A judge model as a workflow sees it: a name to put into its calls."""

    id: str
    version: str = "0"


class EvalScoreContext(ScoreContext, frozen=True):
    """For a workflow metric.

    `judge_config` is shared by the workflow metrics of an experiment; `eval_workflow_config` is this
    metric's own part of `workflow_overrides` and wins over it.
    """

    judge_models: list[JudgeModelInfo] = []
    judge_seed: int | None = None
    judge_config: dict[str, Any] = {}
    prompt_spec: PromptSpec | None = None
    eval_workflow_config: dict[str, Any] = {}
