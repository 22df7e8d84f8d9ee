"""What is known about a component object, and how it can be made again."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from themis_vcs.evaluation.component import (
    accepts,
    component_id,
    describe,
    is_workflow,
    origin,
    reads,
    remember,
    subject_kind,
)
from themis_vcs.evaluation.results import ParsedOutput


class Stateless:
    def parse(self, candidate: Any, ctx: Any) -> ParsedOutput:
        return ParsedOutput(candidate)


class Stateful:
    params = {"model": "m"}  # noqa: RUF012

    def __init__(self, client: object) -> None:
        self.client = client

    def fingerprint(self) -> str:
        return "stateful"


@dataclass
class Configured:
    prefix: str
    limits: dict[str, int] = field(default_factory=dict)
    component_id: str = "tests/configured"


class Struct(msgspec.Struct, frozen=True):
    size: int = 3


@dataclass
class Holding:
    thing: object

    def fingerprint(self) -> str:
        return "holding"


HERE = __name__


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        (Stateless(), (f"{HERE}:Stateless", {})),
        (Configured("a", {"n": 1}), (f"{HERE}:Configured", {"prefix": "a", "limits": {"n": 1}})),
        (Struct(4), (f"{HERE}:Struct", {"size": 4})),
        (Stateful(object()), ("", {"model": "m"})),
        (Holding(object()), ("", {})),
    ],
    ids=["stateless", "dataclass", "struct", "client", "not plain"],
)
def test_an_object_is_made_again_from_its_plain_arguments(component: Any, expected: Any) -> None:
    target, config = origin(component)
    config.pop("component_id", None)
    assert (target, config) == expected


def test_what_was_remembered_wins_and_goes_with_the_object() -> None:
    component = Stateful(object())
    remember(component, "my.module:make", {"a": 1})
    assert origin(component) == ("my.module:make", {"a": 1})
    del component
    gc.collect()
    assert origin(Stateful(object())) == ("", {"model": "m"})


def test_a_given_target_is_kept() -> None:
    reference = describe(Configured("a"), "parser", "other:Name")
    assert (reference.id, reference.version, reference.target) == ("tests/configured", "0", "other:Name")
    assert reference.deterministic
    assert len(reference.fingerprint) == 32


def test_an_id_is_derived_from_the_class() -> None:
    assert component_id(Stateless()) == f"{HERE}:Stateless"


def test_unknown_fields_of_a_case_cannot_be_read() -> None:
    component = Stateless()
    component.reads = {"output"}  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"unknown fields of a case: output"):
        reads(component)


def test_one_field_may_be_named_without_a_list() -> None:
    component = Stateless()
    component.reads = "input"  # type: ignore[attr-defined]
    assert reads(component) == {"input"}


def test_a_workflow_metric_is_known_by_its_method() -> None:
    class Workflow:
        subject_kind = "trace"

        def build_workflow(self, subject: Any, ctx: Any) -> Any: ...

    assert is_workflow(Workflow())
    assert not is_workflow(Stateless())
    assert subject_kind(Workflow()) == "trace"
    assert subject_kind(Stateless()) == "candidate"


def test_an_unknown_subject_kind_is_refused() -> None:
    component = Stateless()
    component.subject_kind = "pair"  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"'pair'.*candidate, candidates, trace, conversation"):
        subject_kind(component)


def test_a_keyword_is_accepted_by_name_or_by_a_catch_all() -> None:
    class Judge:
        async def judge(self, prompt: str, *, schema: Any = None) -> None: ...

    class Anything:
        def judge(self, prompt: str, **more: Any) -> None: ...

    assert accepts(Judge(), "judge", "schema")
    assert not accepts(Judge(), "judge", "call")
    assert accepts(Anything(), "judge", "call")
