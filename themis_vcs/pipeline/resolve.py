"""From a configuration to component objects: only those that are needed are looked up and imported."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from themis_vcs.catalog import registry
from themis_vcs.errors import ConfigurationError, ThemisError
from themis_vcs.evaluation.component import component_id, is_workflow
from themis_vcs.evaluation.secrets import find_literals
from themis_vcs.pipeline.config import EvaluationConfig, GenerationConfig
from themis_vcs.pipeline.tracks import Components, Settings

PASSTHROUGH = "builtin/passthrough"


def resolve_components(
    generation: GenerationConfig,
    evaluation: EvaluationConfig,
    stages: Collection[str],
    source: str = "experiment",
) -> Components:
    """The components that the given stages call. ConfigurationError lists everything that is wrong with them."""
    found = _Finder()
    metrics = _wanted_metrics(found, evaluation, stages) if {"score", "judge"} & set(stages) else []
    judging = "judge" in stages and any(is_workflow(metric) for metric in metrics)
    components = Components(
        generator=found.one("generator", generation.generator, "generation.generator")
        if "generate" in stages
        else None,
        selector=found.one("selector", generation.selector, "generation.selector") if "reduce" in stages else None,
        reducer=found.one("reducer", generation.reducer or PASSTHROUGH, "generation.reducer")
        if "reduce" in stages
        else None,
        parser=found.one("parser", (evaluation.parsers or [PASSTHROUGH])[0], "evaluation.parsers.0")
        if "parse" in stages
        else None,
        metrics=metrics,
        judge_models=list(found.several("judge_model", evaluation.judge_models, "evaluation.judge_models").values())
        if judging
        else [],
    )
    found.problems.extend(_contradictions(generation, evaluation, components, judging, stages))
    if found.problems:
        raise ConfigurationError(source, found.problems)
    return components


def settings_of(generation: GenerationConfig, evaluation: EvaluationConfig, seeds: Sequence[int]) -> Settings:
    """What the configuration says beside the components. ConfigurationError for values that cannot be meant."""
    policy = dict(generation.candidate_policy)
    samples = policy.pop("num_samples", 1)
    problems = [
        (path, f"expected a whole number of at least 1, got {value!r:.80}")
        for path, value in (
            ("generation.candidate_policy.num_samples", samples),
            ("evaluation.judge_repeats", evaluation.judge_repeats),
        )
        if type(value) is not int or value < 1
    ]
    problems += [
        (f"seeds.{number}", f"expected a whole number of 64 bits, got {seed!r:.80}")
        for number, seed in enumerate(seeds)
        if type(seed) is not int or not -(2**63) <= seed < 2**63
    ]
    if problems:
        raise ConfigurationError("experiment", problems)
    return Settings(
        samples=samples,
        policy=policy,
        prompt_spec=generation.prompt_spec,
        judge_prompt_spec=evaluation.prompt_spec,
        judge_config=evaluation.judge_config,
        workflow_overrides=evaluation.workflow_overrides,
        repeats=evaluation.judge_repeats,
        seeds=tuple(seeds),
    )


def beneath(path: str, where: str) -> str:
    """The path of something inside of what `path` names."""
    where = re.sub(r"\[(\d+)\]", r".\1", where.removeprefix("$")).removeprefix(".")
    return f"{path}.{where}" if where else path


class _Finder:
    def __init__(self) -> None:
        self.problems: list[tuple[str, str]] = []

    def one(self, role: str, configured: Any, path: str) -> Any:
        """The component, or None with a problem noted."""
        if configured is None:
            return None
        spec, config = configured, None
        if isinstance(configured, dict):
            config = {key: value for key, value in configured.items() if key != "use"}
            spec = configured.get("use")
            if not isinstance(spec, str):
                self.problems.append((f"{path}.use", "missing: the name of the component"))
                return None
            self.problems.extend((beneath(path, where), why) for where, why in find_literals(config))
        try:
            return registry.resolve(role, spec, config)
        except ConfigurationError as error:
            for option, what in error.problems:
                self.problems.append((beneath(path, option), what if option else f"{spec}: {what}"))
            return None
        except ThemisError as error:
            self.problems.append((path, _said(error)))
            return None

    def check(self, metric: Any, evaluation: EvaluationConfig, path: str) -> None:
        """Note what the metric itself has against the configuration."""
        overrides = evaluation.workflow_overrides.get(component_id(metric), {})
        try:
            if hasattr(metric, "check_configuration"):
                metric.check_configuration(evaluation.judge_config, overrides)
        except ThemisError as error:
            self.problems.append((path, _said(error)))

    def several(self, role: str, configured: Sequence[Any], path: str) -> dict[str, Any]:
        """The components that could be made, by their paths."""
        places = {f"{path}.{number}": each for number, each in enumerate(configured)}
        made = {place: self.one(role, each, place) for place, each in places.items()}
        return {place: component for place, component in made.items() if component is not None}


def _said(error: ThemisError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message


def _wanted_metrics(found: _Finder, evaluation: EvaluationConfig, stages: Collection[str]) -> list[Any]:
    metrics = []
    for path, metric in found.several("metric", evaluation.metrics, "evaluation.metrics").items():
        if ("judge" if is_workflow(metric) else "score") in stages:
            metrics.append(metric)
            found.check(metric, evaluation, path)
    return metrics


def _contradictions(
    generation: GenerationConfig,
    evaluation: EvaluationConfig,
    components: Components,
    judging: bool,
    stages: Collection[str],
) -> list[tuple[str, str]]:
    problems = []
    samples = generation.candidate_policy.get("num_samples", 1)
    if "reduce" in stages and samples != 1 and generation.reducer is None and generation.selector is None:
        problems.append(("generation.reducer", f"missing: {samples} samples per case have to become one answer"))
    if len(evaluation.parsers) > 1:
        problems.append(("evaluation.parsers", f"at most one parser, got {len(evaluation.parsers)}"))
    known = {component_id(metric) for metric in components.metrics if is_workflow(metric)}
    if "judge" in stages:
        problems += [
            (
                f"evaluation.workflow_overrides.{name}",
                f"no workflow metric of that name; there are: {', '.join(sorted(known)) or 'none'}",
            )
            for name in evaluation.workflow_overrides
            if name not in known
        ]
    if judging and not evaluation.judge_models:
        names = ", ".join(component_id(metric) for metric in components.metrics if is_workflow(metric))
        problems.append(("evaluation.judge_models", f"missing: {names} asks a judge model"))
    for path, group in (("metrics", components.metrics), ("judge_models", components.judge_models)):
        seen: set[str] = set()
        for number, each in enumerate(group):
            name = component_id(each)
            if name in seen:
                problems.append(
                    (f"evaluation.{path}.{number}", f"{name} is there twice; give one of them another name")
                )
            seen.add(name)
    return problems
