"""How the component of each stage is called: which context it gets, and what is made of what it returns.

After docs/reference/components.md, a second time on purpose: an error in how the pipeline calls shall not hide itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from themis_vcs.audit.performing import Call
from themis_vcs.evaluation.check import check_result
from themis_vcs.evaluation.component import component_id, reads
from themis_vcs.evaluation.contexts import GenerateContext, ParseContext, ReduceContext, ScoreContext, SelectContext
from themis_vcs.evaluation.dataset import Case, visible
from themis_vcs.evaluation.failures import WrongResult
from themis_vcs.evaluation.prompt import PromptSpec
from themis_vcs.evaluation.values import VALUE_TYPES, restore
from themis_vcs.model.codec import encode
from themis_vcs.model.objects import Value
from themis_vcs.model.tree import split_key

Part = Callable[[Call], Coroutine[Any, Any, Any]]
"""Executes one step."""


def domain(body: dict[str, Any]) -> Any:
    """The body of a value object as components know it."""
    return restore(body["type"], body["data"]) if body["type"] in VALUE_TYPES else body["data"]


def case_of(call: Call, component: Any) -> Case:
    """The case as the component was shown it, which must be the fields that it reads. WrongResult if it is not."""
    shown: Case = domain(call.inputs["cases"][0])
    if call.whole is not None:
        wanted = visible(domain(call.whole), reads(component))
        if encode("value", Value("case", wanted)) != encode("value", Value("case", shown)):
            raise WrongResult("its receipt shows it other fields of the case than it reads")
    return shown


async def settled(result: Any) -> Any:
    """What a method returned, awaited if it is written `async`."""
    return await result if inspect.isawaitable(result) else result


def prompt_of(data: Any) -> PromptSpec | None:
    """A prompt spec out of stored parameters."""
    return None if data is None else msgspec.convert(data, PromptSpec)


def generating(generator: Any) -> Part:
    """One answer of a generator."""

    async def part(call: Call) -> Any:
        dataset, case_id, _ = split_key(call.case)
        prompt, policy = prompt_of(call.params["prompt_spec"]), call.params["policy"]
        ctx = GenerateContext(dataset, case_id, call.number, call.seed, prompt, policy)
        case = case_of(call, generator)
        result = check_result("generator", await settled(generator.generate(case, ctx)), component_id(generator))
        if result.candidate_id:
            return result
        return msgspec.structs.replace(result, candidate_id=f"{case_id}/{call.number}")

    return part


def reducing(reducer: Any, selector: Any) -> Part:
    """One candidate of several, after a selector if there is one."""

    async def part(call: Call) -> Any:
        dataset, case_id, _ = split_key(call.case)
        candidates = list(map(domain, call.inputs["generate"]))
        if selector is not None:
            select = SelectContext(dataset, case_id, [each.candidate_id for each in candidates], call.seed)
            chosen = await settled(selector.select(candidates, select))
            candidates = check_result("selector", chosen, component_id(selector))
        ctx = ReduceContext(dataset, case_id, [each.candidate_id for each in candidates], call.seed)
        return check_result("reducer", await settled(reducer.reduce(candidates, ctx)), component_id(reducer))

    return part


def parsing(parser: Any) -> Part:
    """The answer in what a model wrote."""

    async def part(call: Call) -> Any:
        dataset, case_id, _ = split_key(call.case)
        (candidate,) = map(domain, call.inputs["reduce"])
        ctx = ParseContext(dataset, case_id, candidate.candidate_id)
        return check_result("parser", await settled(parser.parse(candidate, ctx)), component_id(parser))

    return part


def scoring(metric: Any) -> Part:
    """The score of a metric that asks nobody."""

    async def part(call: Call) -> Any:
        case = case_of(call, metric)
        info, parsed = (domain(call.inputs[name][0]) for name in ("datasets", "parse"))
        ctx = ScoreContext(info["dataset_id"], case, parsed, info["metadata"])
        return check_result("metric", await settled(metric.score(parsed, case, ctx)), component_id(metric))

    return part
