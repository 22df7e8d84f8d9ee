"""Experiments of the counting components, for tests of the pipeline."""

from __future__ import annotations

from typing import Any

from tests.support.components import AfterEquals, Answer, Equal, First, Judge, Verdict
from themis_vcs import (
    Case,
    Dataset,
    EvaluationConfig,
    Experiment,
    GenerationConfig,
    RuntimeConfig,
    StorageConfig,
)


def dataset(size: int, dataset_id: str = "sums", **changes: Any) -> Dataset:
    """`size` cases with ids c0, c1, …; `changes` maps an id to other fields of that case."""
    cases = []
    for number in range(size):
        fields = {
            "input": f"{number}+{number}",
            "expected_output": f"v{2 * number}",
            "metadata": {"n": number},
        }
        cases.append(Case(f"c{number}", **{**fields, **changes.get(f"c{number}", {})}))
    return Dataset(dataset_id, cases)


def experiment(
    size: int = 6,
    *,
    generator: Any = None,
    parser: Any = None,
    metrics: list[Any] | None = None,
    judge: Any = None,
    samples: int = 1,
    datasets: list[Dataset] | None = None,
    generation: dict[str, Any] | None = None,
    evaluation: dict[str, Any] | None = None,
    **options: Any,
) -> Experiment:
    """Answer, First, AfterEquals, Equal and Verdict with Judge, on `size` cases."""
    return Experiment(
        generation=GenerationConfig(
            generator=generator or Answer(),
            **{"reducer": First(), "candidate_policy": {"num_samples": samples}, **(generation or {})},
        ),
        evaluation=EvaluationConfig(
            parsers=[parser or AfterEquals()],
            metrics=metrics if metrics is not None else [Equal(), Verdict()],
            judge_models=[judge or Judge()],
            **(evaluation or {}),
        ),
        storage=StorageConfig(store="memory"),
        runtime=options.pop("runtime", RuntimeConfig(retry_delay=0.0)),
        datasets=datasets if datasets is not None else [dataset(size)],
        **options,
    )
