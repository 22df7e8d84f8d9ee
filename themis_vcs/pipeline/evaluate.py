"""The shortest way from data to a score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from themis_vcs.catalog.readers import read_dataset
from themis_vcs.evaluation.dataset import Case, Dataset
from themis_vcs.pipeline.config import Component, EvaluationConfig, GenerationConfig, StorageConfig
from themis_vcs.pipeline.experiment import Experiment, Store
from themis_vcs.pipeline.result import RunResult

Data = Dataset | str | Path | Sequence[Dataset | Case]


def evaluate(
    *,
    model: Component,
    data: Data,
    metric: Component | Sequence[Component] = "builtin/exact_match",
    parser: Component | None = None,
    judge: Component | Sequence[Component] | None = None,
    samples: int = 1,
    reducer: Component | None = None,
    store: Store | None = None,
    **options: Any,
) -> RunResult:
    """Evaluate a model on data and return the run; `options` are further fields of `Experiment`.

    `data` is a dataset, a file, or a sequence of cases or of datasets. Without a `store` nothing outlives the call.
    """
    experiment = Experiment(
        generation=GenerationConfig(
            generator=model,
            candidate_policy={"num_samples": samples},
            reducer=reducer or ("builtin/majority_vote" if samples > 1 else None),
        ),
        evaluation=EvaluationConfig(
            metrics=_several(metric),
            parsers=[] if parser is None else [parser],
            judge_models=[] if judge is None else _several(judge),
        ),
        storage=StorageConfig(store="memory"),
        datasets=_datasets(data),
        **options,
    )
    return experiment.run(store=store)


def _several(component: Component | Sequence[Component]) -> list[Component]:
    return list(component) if isinstance(component, list | tuple) else [component]


def _datasets(data: Data) -> list[Dataset]:
    if isinstance(data, Dataset):
        return [data]
    if isinstance(data, str | Path):
        return [read_dataset(data)]
    cases = [item for item in data if isinstance(item, Case)]
    datasets = [item for item in data if isinstance(item, Dataset)]
    return [*datasets, Dataset("data", cases)] if cases else datasets
