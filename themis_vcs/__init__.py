"""themis: reproducible evaluation of language models on a content-addressed artifact store.

Everything that a user imports comes from here. Names are imported when they are first asked for, so that
`import themis_vcs` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from themis_vcs.analysis.comparison.document import Comparison as Comparison
    from themis_vcs.catalog.readers import read_dataset as read_dataset
    from themis_vcs.errors import ThemisError as ThemisError
    from themis_vcs.evaluation.dataset import Case as Case
    from themis_vcs.evaluation.dataset import Dataset as Dataset
    from themis_vcs.evaluation.decorators import generator as generator
    from themis_vcs.evaluation.decorators import judge_model as judge_model
    from themis_vcs.evaluation.decorators import metric as metric
    from themis_vcs.evaluation.decorators import parser as parser
    from themis_vcs.evaluation.decorators import reducer as reducer
    from themis_vcs.evaluation.decorators import selector as selector
    from themis_vcs.evaluation.judging import AggregationResult as AggregationResult
    from themis_vcs.evaluation.judging import EvaluationExecution as EvaluationExecution
    from themis_vcs.evaluation.judging import JudgeCall as JudgeCall
    from themis_vcs.evaluation.judging import JudgeResponse as JudgeResponse
    from themis_vcs.evaluation.judging import ParsedJudgment as ParsedJudgment
    from themis_vcs.evaluation.judging import RenderedJudgePrompt as RenderedJudgePrompt
    from themis_vcs.evaluation.prompt import PromptSpec as PromptSpec
    from themis_vcs.evaluation.results import GenerationResult as GenerationResult
    from themis_vcs.evaluation.results import Message as Message
    from themis_vcs.evaluation.results import ParsedOutput as ParsedOutput
    from themis_vcs.evaluation.results import ReducedCandidate as ReducedCandidate
    from themis_vcs.evaluation.results import Score as Score
    from themis_vcs.evaluation.results import ScoreError as ScoreError
    from themis_vcs.evaluation.results import TraceStep as TraceStep
    from themis_vcs.handoff.stages.bundle import StageBundle as StageBundle
    from themis_vcs.handoff.stages.bundle import export_evaluation_bundle as export_evaluation_bundle
    from themis_vcs.handoff.stages.bundle import export_generation_bundle as export_generation_bundle
    from themis_vcs.handoff.stages.bundle import export_parse_bundle as export_parse_bundle
    from themis_vcs.handoff.stages.bundle import export_reduction_bundle as export_reduction_bundle
    from themis_vcs.handoff.stages.bundle import export_score_bundle as export_score_bundle
    from themis_vcs.handoff.stages.bundle import import_evaluation_bundle as import_evaluation_bundle
    from themis_vcs.handoff.stages.bundle import import_generation_bundle as import_generation_bundle
    from themis_vcs.handoff.stages.bundle import import_parse_bundle as import_parse_bundle
    from themis_vcs.handoff.stages.bundle import import_reduction_bundle as import_reduction_bundle
    from themis_vcs.handoff.stages.bundle import import_score_bundle as import_score_bundle
    from themis_vcs.pipeline.comparing import compare as compare
    from themis_vcs.pipeline.config import EvaluationConfig as EvaluationConfig
    from themis_vcs.pipeline.config import GenerationConfig as GenerationConfig
    from themis_vcs.pipeline.config import RuntimeConfig as RuntimeConfig
    from themis_vcs.pipeline.config import StorageConfig as StorageConfig
    from themis_vcs.pipeline.configfile import load_experiment as load_experiment
    from themis_vcs.pipeline.evaluate import evaluate as evaluate
    from themis_vcs.pipeline.experiment import Experiment as Experiment
    from themis_vcs.pipeline.reporter import Reporter as Reporter
    from themis_vcs.pipeline.result import RunResult as RunResult
    from themis_vcs.pipeline.stores import InMemoryRunStore as InMemoryRunStore
    from themis_vcs.pipeline.stores import LmdbRunStore as LmdbRunStore
    from themis_vcs.store.repository import Repository as Repository

_HOMES = {
    "analysis.comparison.document": ("Comparison",),
    "catalog.readers": ("read_dataset",),
    "errors": ("ThemisError",),
    "evaluation.dataset": ("Case", "Dataset"),
    "evaluation.decorators": ("generator", "judge_model", "metric", "parser", "reducer", "selector"),
    "evaluation.judging": (
        "AggregationResult",
        "EvaluationExecution",
        "JudgeCall",
        "JudgeResponse",
        "ParsedJudgment",
        "RenderedJudgePrompt",
    ),
    "evaluation.prompt": ("PromptSpec",),
    "evaluation.results": (
        "GenerationResult",
        "Message",
        "ParsedOutput",
        "ReducedCandidate",
        "Score",
        "ScoreError",
        "TraceStep",
    ),
    "handoff.stages.bundle": (
        "StageBundle",
        "export_evaluation_bundle",
        "export_generation_bundle",
        "export_parse_bundle",
        "export_reduction_bundle",
        "export_score_bundle",
        "import_evaluation_bundle",
        "import_generation_bundle",
        "import_parse_bundle",
        "import_reduction_bundle",
        "import_score_bundle",
    ),
    "pipeline.comparing": ("compare",),
    "pipeline.config": ("EvaluationConfig", "GenerationConfig", "RuntimeConfig", "StorageConfig"),
    "pipeline.configfile": ("load_experiment",),
    "pipeline.evaluate": ("evaluate",),
    "pipeline.experiment": ("Experiment",),
    "pipeline.reporter": ("Reporter",),
    "pipeline.result": ("RunResult",),
    "pipeline.stores": ("InMemoryRunStore", "LmdbRunStore"),
    "store.repository": ("Repository",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
