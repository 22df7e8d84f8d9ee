"""From names to components."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from themis_vcs.catalog.registry import names, resolve
from themis_vcs.errors import ConfigurationError
from themis_vcs.evaluation.component import describe
from themis_vcs.evaluation.contexts import GenerateContext, ParseContext
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.protocols import ROLES
from themis_vcs.evaluation.results import GenerationResult, ParsedOutput, ReducedCandidate

NEEDED: dict[str, dict[str, Any]] = {
    "builtin/recorded_generator": {"path": "answers.jsonl"},
    "builtin/recorded_judge": {"path": "verdicts.jsonl"},
    "builtin/regex": {"pattern": r"\d+"},
    "builtin/openai_chat": {"base_url": "http://localhost:8080/v1", "model": "m"},
}
ALL = [(role, name) for role in ROLES for name in names(role)]

MODULE = """
from themis_vcs import GenerationResult, generator

class Maker:
    def __init__(self, prefix, *, times=1):
        self.prefix, self.times = prefix, times
    async def generate(self, case, ctx):
        return GenerationResult(self.prefix * self.times)
    class Inner:
        def generate(self, case, ctx):
            return GenerationResult("inner")

class Open:
    def __init__(self, **options):
        self.options = options
    def generate(self, case, ctx): ...

class Failing:
    def __init__(self):
        raise RuntimeError("no network")
    def generate(self, case, ctx): ...

def plain(case):
    return case.input

def strange(case, ctx, more):
    return case.input

@generator
def decorated(case):
    return case.input

ready = Maker("r")
number = 7
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "themis_test_components.py").write_text(MODULE)
    (tmp_path / "themis_test_broken.py").write_text("import absent_module_of_themis")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "themis_test_components", raising=False)
    return "themis_test_components"


def answer(component: Any) -> Any:
    result = component.generate(Case("c", "in"), GenerateContext("d", "c"))
    result = asyncio.run(result) if asyncio.iscoroutine(result) else result
    assert isinstance(result, GenerationResult)
    return result.final_output


def refusal(role: str, spec: object, config: Any = None) -> list[tuple[str, str]]:
    with pytest.raises(ConfigurationError) as caught:
        resolve(role, spec, config)
    return caught.value.problems


def test_all_that_is_promised_is_there() -> None:
    assert {role: [name.removeprefix("builtin/") for name in names(role)] for role in ROLES} == {
        "generator": ["demo_generator", "openai_chat", "recorded_generator"],
        "selector": [],
        "reducer": ["majority_vote", "passthrough"],
        "parser": ["choice_letter", "json_identity", "math_answer", "passthrough", "regex", "text"],
        "metric": ["choice_accuracy", "exact_match", "f1", "llm_rubric"],
        "judge_model": ["demo_judge", "openai_chat", "recorded_judge"],
    }


@pytest.mark.parametrize(("role", "name"), ALL)
def test_a_builtin_is_made_and_made_again_from_its_description(role: str, name: str) -> None:
    component = resolve(role, name, NEEDED.get(name))
    reference = describe(component, role)
    assert (reference.target, reference.config) == (name, NEEDED.get(name, {}))
    again = resolve(role, reference.target, reference.config)
    assert describe(again, role) == reference
    assert reference.id == name.removeprefix("builtin/")
    assert len(reference.fingerprint) == 32


@pytest.mark.parametrize(("role", "name"), ALL)
def test_a_builtin_may_be_named_and_the_name_is_part_of_it(role: str, name: str) -> None:
    options = NEEDED.get(name, {})
    named = describe(resolve(role, name, {**options, "name": "mine"}), role)
    assert (named.id, named.config["name"]) == ("mine", "mine")
    assert named.fingerprint != describe(resolve(role, name, options), role).fingerprint


def test_builtins_of_different_kinds_have_different_fingerprints() -> None:
    fingerprints = {describe(resolve(role, name, NEEDED.get(name)), role).fingerprint for role, name in ALL}
    assert len(fingerprints) == len({name for _, name in ALL})


@pytest.mark.parametrize(
    ("role", "name", "one", "other"),
    [
        ("metric", "builtin/exact_match", {}, {"ignore_case": True}),
        ("parser", "builtin/regex", {"pattern": "a"}, {"pattern": "b"}),
        ("reducer", "builtin/majority_vote", {}, {"by": "text"}),
        ("metric", "builtin/llm_rubric", {"rubric": "a"}, {"rubric": "b"}),
    ],
)
def test_an_option_changes_the_fingerprint(role: str, name: str, one: Any, other: Any) -> None:
    fingerprints = [describe(resolve(role, name, config), role).fingerprint for config in (one, other)]
    assert fingerprints[0] != fingerprints[1]


def test_an_option_at_its_default_changes_nothing() -> None:
    said = describe(resolve("metric", "builtin/llm_rubric", {"scale": [0, 1], "labels": {}, "repeats": 1}), "metric")
    assert said == describe(resolve("metric", "builtin/llm_rubric"), "metric")


@pytest.mark.parametrize(
    ("role", "spec", "config", "option", "what"),
    [
        ("metric", "builtin/exact_mach", {}, "", "no such metric; did you mean builtin/exact_match?"),
        ("metric", "builtin/zzz", {}, "", "there are: builtin/choice_accuracy, builtin/exact_match"),
        ("metric", "builtin/text", {}, "", "is a parser, not a metric"),
        ("metric", "exact_match", {}, "", "did you mean builtin/exact_match?"),
        ("metric", "a.b", {}, "", 'is neither "builtin/NAME" nor "package.module:Name"'),
        ("metric", ":x", {}, "", "is neither"),
        ("metric", "x:", {}, "", "is neither"),
        ("selector", "builtin/x", {}, "", "there are: none"),
        ("metric", "builtin/exact_match", {"ignore_cas": 1}, "ignore_cas", "did you mean ignore_case?"),
        ("metric", "builtin/f1", {"zzz": 1}, "zzz", "unknown option; there are: name"),
        (
            "metric",
            "builtin/exact_match",
            {"ignore_case": "yes"},
            "ignore_case",
            "Expected `bool`, got `str`",
        ),
        (
            "metric",
            "builtin/llm_rubric",
            {"labels": {"a": "x"}},
            "labels[...]",
            "Expected `float`, got `str`",
        ),
        ("parser", "builtin/regex", {}, "", "missing required field `pattern`"),
        ("parser", "builtin/regex", {"pattern": "("}, "", "pattern: "),
        (
            "parser",
            "builtin/choice_letter",
            {"on_missing": "zero"},
            "on_missing",
            "Invalid enum value 'zero'",
        ),
        ("generator", "absent_module_of_themis:X", {}, "", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_a_name_or_option_that_is_wrong_is_refused_with_what_is_near(
    role: str, spec: str, config: Any, option: str, what: str
) -> None:
    problems = refusal(role, spec, config)
    assert problems[0][0] == option
    assert what in problems[0][1]


def test_all_unknown_options_are_listed() -> None:
    assert [option for option, _ in refusal("metric", "builtin/f1", {"a": 1, "b": 2})] == ["a", "b"]


def test_a_class_is_made_with_its_options_and_described(module: str) -> None:
    component = resolve("generator", f"{module}:Maker", {"prefix": "ab", "times": 2})
    assert answer(component) == "abab"
    reference = describe(component, "generator")
    assert (reference.target, reference.config) == (f"{module}:Maker", {"prefix": "ab", "times": 2})
    assert answer(resolve("generator", f"{module}:Maker.Inner")) == "inner"


def test_a_function_becomes_a_component(module: str) -> None:
    assert answer(resolve("generator", f"{module}:plain")) == "in"
    assert answer(resolve("generator", f"{module}:decorated")) == "in"
    parser = resolve("parser", lambda candidate: candidate.final_output)
    assert parser.parse(ReducedCandidate("x"), ParseContext("d", "c")) == ParsedOutput("x")


def test_a_plain_function_is_described_by_the_name_it_was_asked_for(module: str) -> None:
    assert describe(resolve("generator", f"{module}:plain"), "generator").target == f"{module}:plain"


def test_an_object_is_given_back(module: str) -> None:
    ready = resolve("generator", f"{module}:ready")
    assert resolve("generator", ready) is ready


@pytest.mark.parametrize(
    ("name", "config", "option", "what"),
    [
        ("Makr", {}, "", "has no Makr; did you mean Maker?"),
        ("Maker", {"prefx": "a"}, "prefx", "did you mean prefix?"),
        ("Maker", {}, "", "cannot be made: TypeError"),
        ("Failing", {}, "", "cannot be made: RuntimeError: no network"),
        ("number", {}, "", "has no method generate, so it cannot be the generator"),
        ("plain", {"a": 1}, "a", "takes no options"),
        ("strange", {}, "", "nothing is passed for parameter 'more'"),
    ],
)
def test_what_is_wrong_with_ones_own_is_said(module: str, name: str, config: Any, option: str, what: str) -> None:
    problems = refusal("generator", f"{module}:{name}", config)
    assert problems[0][0] == option
    assert what in problems[0][1]


def test_any_option_goes_where_the_class_takes_any(module: str) -> None:
    assert resolve("generator", f"{module}:Open", {"anything": 1}).options == {"anything": 1}


def test_an_object_of_another_role_is_refused_as_such(module: str) -> None:
    assert "is a generator, so it cannot be the metric" in refusal("metric", f"{module}:ready")[0][1]


def test_a_module_that_fails_to_import_is_named_with_the_reason(module: str) -> None:
    assert "absent_module_of_themis" in refusal("generator", "themis_test_broken:X")[0][1]
