"""What an experiment consists of, as the person writes it; nothing is resolved or read here.

A component is given as `"builtin/name"`, as `"package.module:Name"`, as an object, or, with options, as a mapping
`{"use": "builtin/name", "option": …}`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from themis_vcs.evaluation.prompt import PromptSpec

Component = Any
"""A component as configured: name, object, or mapping with `use` and options."""

ExistingRunPolicy = Literal["auto", "error", "rerun"]


class GenerationConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who answers, how often, and how several answers become one.

    `candidate_policy["num_samples"]` is the number of answers per case (default 1). With more than one, a `reducer`
    or a `selector` has to say which one counts.
    """

    generator: Component
    candidate_policy: dict[str, Any] = {}
    prompt_spec: PromptSpec | None = None
    selector: Component | None = None
    reducer: Component | None = None


class EvaluationConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an answer is read, scored and judged.

    `judge_config` and `workflow_overrides` are handed to workflow metrics; `judge_repeats` is the number of draws of
    each judgment, kept apart.
    """

    metrics: list[Component] = []
    parsers: list[Component] = []
    judge_models: list[Component] = []
    prompt_spec: PromptSpec | None = None
    judge_config: dict[str, Any] = {}
    workflow_overrides: dict[str, Any] = {}
    judge_repeats: int = 1


class StorageConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where results are kept: `store` is "lmdb" (`parameters["path"]`, default: found by walking up) or "memory"."""

    store: Literal["lmdb", "memory"] = "lmdb"
    parameters: dict[str, Any] = {}


class RuntimeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a run is executed. Nothing here is part of a result's identity. Times are in seconds.

    A call is tried up to `retry_attempts` times after a failure that may pass (429, 5xx, time-outs, connection
    errors); before try n it waits a random time up to `retry_delay * retry_backoff ** (n - 1)`, at most
    `retry_max_delay`, and never less than the provider's Retry-After.
    """

    max_concurrent_tasks: int = 32
    stage_concurrency: dict[str, int] = {}
    provider_concurrency: dict[str, int] = {}
    retry_attempts: int = 4
    retry_delay: float = 0.5
    retry_backoff: float = 2.0
    retry_max_delay: float = 60.0
    timeout: float = 600.0
    existing_run_policy: ExistingRunPolicy = "auto"
