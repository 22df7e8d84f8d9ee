"""Filling prompts: what is replaced, what stays, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_vcs.errors import DataError
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.prompt import PromptSpec, fill, text_of
from themis_vcs.evaluation.results import Message
from themis_vcs.model import codec

CASE = Case("c1", {"question": "2+2?", "choices": ["3", "4"]}, 4, {"level": "easy"})


def test_messages_come_in_the_order_system_listed_user() -> None:
    spec = PromptSpec(
        "Be brief, {tone}.",
        "Q: {input.question}",
        [Message("user", "1+1?"), Message("assistant", "{answer}")],
        {"tone": "please", "answer": 2},
    )
    assert spec.render(CASE) == [
        Message("system", "Be brief, please."),
        Message("user", "1+1?"),
        Message("assistant", "2"),
        Message("user", "Q: 2+2?"),
    ]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{input.question}", "2+2?"),
        ("{input.choices.1}", "4"),
        ("{input.choices}", '["3", "4"]'),
        ("{input}", '{"choices": ["3", "4"], "question": "2+2?"}'),
        ("{expected_output}/{metadata.level}/{case_id}", "4/easy/c1"),
        ('{{"a": {expected_output}}}', '{"a": 4}'),
    ],
)
def test_a_name_is_replaced_by_the_text_of_its_value(template: str, text: str) -> None:
    assert PromptSpec(template=template).render(CASE) == [Message("user", text)]


def test_a_structured_message_is_left_alone() -> None:
    spec = PromptSpec(messages=[Message("user", [{"type": "text", "text": "{input}"}])])
    assert spec.render(CASE)[0].content == [{"type": "text", "text": "{input}"}]


@pytest.mark.parametrize(
    ("template", "hint"),
    [
        ("{inptu}", "there are: case_id, expected_output, input, metadata"),
        ("{input.text}", "input has: choices, question"),
        ("{input.choices.2}", "input.choices is a list of 2"),
        ("{input.choices.-1}", "a list"),
        ("{input.question.__class__}", "is str"),
        ("{input.__class__}", "input has"),
        ("{}", "there are"),
        ("{0}", "there are"),
        ("{input!r}", "there are"),
    ],
)
def test_a_name_that_does_not_exist_is_refused_with_those_that_do(template: str, hint: str) -> None:
    with pytest.raises(DataError, match="no value named") as caught:
        PromptSpec(template=template).render(CASE)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize("template", ["a { b", "a } b", "{input", "{{}", "{a{b}}"])
def test_an_unmatched_brace_is_refused(template: str) -> None:
    with pytest.raises(DataError):
        PromptSpec(template=template).render(CASE)


@given(st.text())
def test_what_is_inserted_is_not_looked_at_again(text: str) -> None:
    assert fill("<{x}>", {"x": text, "y": "secret"}) == f"<{text}>"


@given(st.text())
def test_escaped_text_stays_as_it_is(text: str) -> None:
    assert fill(text.replace("{", "{{").replace("}", "}}"), {}) == text


def test_bytes_have_no_text() -> None:
    with pytest.raises(DataError, match="bytes"):
        text_of(b"x")


def test_a_variable_may_not_hide_a_part_of_the_case() -> None:
    with pytest.raises(ValueError, match="input"):
        PromptSpec(variables={"input": "other"})


def test_a_default_template_that_is_another_object_encodes_the_same() -> None:
    assert codec.pack(PromptSpec(template="".join(["{", "input}"]))) == codec.pack(PromptSpec())
