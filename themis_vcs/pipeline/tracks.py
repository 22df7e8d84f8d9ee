"""Binding components to stages: what each of them reads, which seed it gets, and how it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from blake3 import blake3
from msgspec.structs import replace

from themis_vcs.evaluation.check import check_result
from themis_vcs.evaluation.component import (
    component_id,
    describe,
    is_workflow,
    reads,
    subject_kind,
)
from themis_vcs.evaluation.contexts import (
    CaseContext,
    EvalScoreContext,
    GenerateContext,
    JudgeModelInfo,
    ParseContext,
    ReduceContext,
    ScoreContext,
    SelectContext,
)
from themis_vcs.evaluation.dataset import VISIBLE_FIELDS, visible
from themis_vcs.evaluation.prompt import PromptSpec
from themis_vcs.model.derivation import derive_seed
from themis_vcs.model.objects import ComponentRef, Value
from themis_vcs.model.oid import Oid
from themis_vcs.model.tree import split_key
from themis_vcs.pipeline.attempts import Caller, awaited, in_thread
from themis_vcs.pipeline.inputs import CASES, DATASETS
from themis_vcs.pipeline.judging import execute_workflow, judges_of, make_subject
from themis_vcs.pipeline.plan import TrackSpec, Work
from themis_vcs.pipeline.workspace import Workspace

_COMBINED = "themis_vcs 2026-11-23 combined fingerprint v1"


@dataclass(frozen=True, kw_only=True)
class Components:
    """The resolved components of an experiment; None or empty where there is none or it is not needed."""

    generator: Any = None
    selector: Any = None
    reducer: Any = None
    parser: Any = None
    metrics: Sequence[Any] = ()
    judge_models: Sequence[Any] = ()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What components are told beside their input."""

    samples: int = 1
    policy: dict[str, Any] = field(default_factory=dict)
    prompt_spec: PromptSpec | None = None
    judge_prompt_spec: PromptSpec | None = None
    judge_config: dict[str, Any] = field(default_factory=dict)
    workflow_overrides: dict[str, Any] = field(default_factory=dict)
    repeats: int = 1
    seeds: tuple[int, ...] = ()

    @property
    def seed(self) -> int:
        """The seed that all derived ones come from."""
        return self.seeds[0] if self.seeds else 0


class Binder:
    """Makes the tracks of each stage. `attempts` of a step are collected per call and handed back with its result."""

    def __init__(self, workspace: Workspace, components: Components, settings: Settings, caller: Caller) -> None:
        self.workspace, self.components, self.settings, self.caller = workspace, components, settings, caller

    def tracks(self, stage: str) -> list[TrackSpec]:
        """The tracks of a stage, in the order in which the experiment names their components."""
        workflows = [metric for metric in self.components.metrics if is_workflow(metric)]
        pure = [metric for metric in self.components.metrics if not is_workflow(metric)]
        if stage == "score":
            return [self._score(metric) for metric in pure]
        if stage == "judge":
            return [self._judge(metric) for metric in workflows]
        return [{"generate": self._generate, "reduce": self._reduce, "parse": self._parse}[stage]()]

    def _generate(self) -> TrackSpec:
        generator, settings = self.components.generator, self.settings
        blocking = _blocking(generator, "generate")

        def context(dataset: str, case: str, index: int, seed: int | None) -> GenerateContext:
            return GenerateContext(dataset, case, index, seed, settings.prompt_spec, settings.policy)

        async def call(work: Work, groups: tuple[tuple[Any, ...], ...], attempts: list[dict[str, Any]]) -> Any:
            dataset, case_id, _ = split_key(work.case)
            ctx = context(dataset, case_id, work.index, work.seed)
            function = _bind(generator.generate, groups[0][0], ctx)
            result = await self.caller.call(_threaded(function) if blocking else function, attempts, generator)
            checked = check_result("generator", result, component_id(generator))
            return checked if checked.candidate_id else replace(checked, candidate_id=f"{case_id}/{work.index}")

        def seed(case: str, index: int) -> int:
            return settings.seeds[index] if index < len(settings.seeds) else derive_seed(settings.seed, case, index)

        ref = describe(generator, "generator")

        def extra(case: str, index: int, oid: Oid) -> list[bytes]:
            dataset, case_id, _ = split_key(case)
            ctx = context(dataset, case_id, index, seed(case, index))
            return [generator.case_fingerprint(self.workspace.value(oid), ctx)]

        return self._spec(
            "generate",
            component_id(generator),
            ref,
            call,
            inputs=(CASES,),
            params={"prompt_spec": settings.prompt_spec, "policy": settings.policy},
            seeds=settings.seeds,
            seed=seed,
            fanout=settings.samples,
            indexed=True,
            view=self._view(generator),
            members=[generator],
            extra=extra,
        )

    def _reduce(self) -> TrackSpec:
        selector, reducer = self.components.selector, self.components.reducer
        blocking = {name: _blocking(component, name) for name, component in (("select", selector), ("reduce", reducer))}
        ref = describe(reducer, "reducer")
        also = [] if selector is None else [describe(selector, "selector")]

        async def call(work: Work, groups: tuple[tuple[Any, ...], ...], attempts: list[dict[str, Any]]) -> Any:
            dataset, case_id, _ = split_key(work.case)
            candidates = list(groups[0])
            if selector is not None:
                ids = [candidate.candidate_id for candidate in candidates]
                function = _bind(selector.select, candidates, SelectContext(dataset, case_id, ids, work.seed))
                chosen = await self.caller.call(
                    _threaded(function) if blocking["select"] else function, attempts, selector
                )
                candidates = check_result("selector", chosen, component_id(selector))
            ids = [candidate.candidate_id for candidate in candidates]
            function = _bind(reducer.reduce, candidates, ReduceContext(dataset, case_id, ids, work.seed))
            result = await self.caller.call(_threaded(function) if blocking["reduce"] else function, attempts, reducer)
            return check_result("reducer", result, component_id(reducer))

        return self._spec(
            "reduce",
            component_id(reducer),
            ref,
            call,
            also=also,
            inputs=("generate",),
            seeds=(self.settings.seed,),
            seed=lambda case, _: derive_seed(self.settings.seed, "reduce", case),
        )

    def _parse(self) -> TrackSpec:
        parser = self.components.parser

        def call(work: Work, groups: tuple[tuple[Any, ...], ...], attempts: list[dict[str, Any]]) -> Any:
            dataset, case_id, _ = split_key(work.case)
            (candidate,) = groups[0]
            result = awaited(parser.parse(candidate, ParseContext(dataset, case_id, candidate.candidate_id)))
            return check_result("parser", result, component_id(parser))

        return self._spec(
            "parse",
            component_id(parser),
            describe(parser, "parser"),
            call,
            inputs=("reduce",),
            in_thread=True,
        )

    def _score(self, metric: Any) -> TrackSpec:
        def call(work: Work, groups: tuple[tuple[Any, ...], ...], attempts: list[dict[str, Any]]) -> Any:
            (case,), (info,), (parsed,) = groups
            ctx = ScoreContext(info["dataset_id"], case, parsed, info["metadata"])
            return check_result("metric", awaited(metric.score(parsed, case, ctx)), component_id(metric))

        return self._spec(
            "score",
            component_id(metric),
            describe(metric, "metric"),
            call,
            inputs=(CASES, DATASETS, "parse"),
            in_thread=True,
            view=self._view(metric),
        )

    def _judge(self, metric: Any) -> TrackSpec:
        settings, name = self.settings, component_id(metric)
        models = {component_id(model): model for model in self.components.judge_models}
        judges = judges_of(models, {key: _blocking(model, "judge") for key, model in models.items()})
        infos = [JudgeModelInfo(key, str(getattr(model, "version", "0"))) for key, model in models.items()]
        overrides = settings.workflow_overrides.get(name, {})
        sets = subject_kind(metric) != "candidate"

        def seed(case: str, index: int) -> int:
            return derive_seed(settings.seed, "judge", name, case, index)

        async def call(work: Work, groups: tuple[tuple[Any, ...], ...], attempts: list[dict[str, Any]]) -> Any:
            (case,), (info,), (reduced,), (parsed,) = groups[:4]
            ctx = EvalScoreContext(
                dataset_id=info["dataset_id"],
                case=case,
                parsed_output=parsed,
                dataset_metadata=info["metadata"],
                seed=work.seed,
                judge_models=infos,
                judge_seed=work.seed,
                judge_config=settings.judge_config,
                prompt_spec=settings.judge_prompt_spec,
                eval_workflow_config=overrides,
            )
            subject = make_subject(metric, reduced, groups[4] if sets else ())
            return await execute_workflow(metric, subject, ctx, judges, self.caller, attempts)

        members = [metric, *self.components.judge_models]

        def extra(case: str, index: int, oid: Oid) -> list[bytes]:
            ctx = CaseContext(split_key(case)[0], self.workspace.value(oid))
            return [each.case_fingerprint(ctx.case, ctx) for each in members if hasattr(each, "case_fingerprint")]

        also = [describe(model, "judge_model") for model in self.components.judge_models]
        params = {
            "judge_config": settings.judge_config,
            "prompt_spec": settings.judge_prompt_spec,
            "workflow_config": overrides,
        }
        return self._spec(
            "judge",
            name,
            describe(metric, "metric"),
            call,
            also=also,
            inputs=(CASES, DATASETS, "reduce", "parse", *(("generate",) if sets else ())),
            params=params,
            seeds=(settings.seed,),
            seed=seed,
            fanout=settings.repeats,
            indexed=True,
            view=self._view(metric),
            members=members,
            extra=extra,
        )

    def _view(self, component: Any) -> Callable[[Oid], Oid] | None:
        """Hides from a component the fields of a case that it does not read, so that they cannot matter."""
        fields = reads(component)
        if fields == VISIBLE_FIELDS:
            return None
        return lambda oid: self.workspace.put(Value("case", visible(self.workspace.value(oid), fields)))

    def _spec(
        self,
        stage: str,
        name: str,
        ref: ComponentRef,
        call: Callable[..., Any],
        *,
        inputs: tuple[str, ...],
        also: Sequence[ComponentRef] = (),
        params: Mapping[str, Any] | None = None,
        seeds: tuple[int, ...] = (),
        seed: Callable[[str, int], int | None] = lambda case, index: None,
        members: Sequence[Any] = (),
        extra: Callable[[str, int, Oid], list[bytes]] | None = None,
        **options: Any,
    ) -> TrackSpec:
        """`members` may have parts of their fingerprint in single cases; `extra` gives these parts for a step."""
        partial = [each for each in members if hasattr(each, "case_fingerprint")]
        fingerprint = _combine(ref.fingerprint, *(each.fingerprint for each in also)) if also else ref.fingerprint
        recorded = recorded_ref(ref, also)
        return TrackSpec(
            stage=stage,
            id=name,
            ref=recorded,
            fingerprint=fingerprint,
            whole=_whole(fingerprint, partial),
            per_step=_per_step(fingerprint, extra) if partial and extra else None,
            params=self.workspace.put(Value("params", dict(params or {}))),
            inputs=inputs,
            widths={"generate": self.settings.samples},
            seeds=seeds,
            seed=seed,
            call=call,
            **{"fanout": 1, "in_thread": False, **options},
        )


def recorded_ref(ref: ComponentRef, also: Sequence[ComponentRef] = ()) -> ComponentRef:
    """A reference as results carry it: without the configuration that cannot change them, such as time limits."""
    return ComponentRef(
        id=ref.id,
        version=ref.version,
        fingerprint=ref.fingerprint,
        target="",
        config={},
        deterministic=ref.deterministic and all(each.deterministic for each in also),
        also=[recorded_ref(each) for each in also],
    )


def _whole(fingerprint: bytes, partial: Sequence[Any]) -> bytes | None:
    contents = [getattr(each, "content_fingerprint", None) for each in partial]
    if not all(contents):
        return None
    return _combine(fingerprint, *(content() for content in contents if content)) if contents else fingerprint


def _per_step(fingerprint: bytes, extra: Callable[[str, int, Oid], list[bytes]]) -> Callable[[str, int, Oid], bytes]:
    def combined(case: str, index: int, oid: Oid) -> bytes:
        parts = extra(case, index, oid)
        return _combine(fingerprint, *parts) if any(parts) else fingerprint

    return combined


def _combine(*parts: bytes) -> bytes:
    hasher = blake3(derive_key_context=_COMBINED)
    for part in parts:
        hasher.update(len(part).to_bytes(8, "big"))
        hasher.update(part)
    return hasher.digest()


def _blocking(component: Any, method: str) -> bool:
    return component is not None and not inspect.iscoroutinefunction(getattr(component, method))


def _bind(method: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    return lambda: method(*arguments)


def _threaded(function: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: in_thread(function)
