"""Reading answers out of what a model wrote."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_vcs.catalog.choice_letter import ChoiceLetter
from themis_vcs.catalog.math_answer import MathAnswer
from themis_vcs.catalog.parsers import MAX_SEARCHED, JsonIdentity, PassthroughParser, Regex, Text
from themis_vcs.evaluation.contexts import ParseContext
from themis_vcs.evaluation.failures import ParseError
from themis_vcs.evaluation.protocols import Parser
from themis_vcs.evaluation.results import ReducedCandidate

CTX = ParseContext("d", "c")
SEARCHING: list[Parser] = [
    ChoiceLetter(),
    MathAnswer(),
    Regex(pattern=r"\d+"),
    Regex(pattern="b", find="last"),
]


def value(parser: Parser, output: Any) -> Any:
    return parser.parse(ReducedCandidate(output), CTX).value


@pytest.mark.parametrize("output", ["  x ", {"a": 1}, None, 3])
def test_passthrough_leaves_the_answer_alone(output: Any) -> None:
    assert value(PassthroughParser(), output) == output


def test_text_is_stripped_and_lowered_on_request() -> None:
    assert value(Text(), "  Yes\n") == "Yes"
    assert value(Text(lowercase=True), "  Yes\n") == "yes"
    assert value(Text(), {"b": 1, "a": None}) == '{"a": null, "b": 1}'
    assert value(Text(), None) == ""


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ('{"a": [1, 2.5]}', {"a": [1, 2.5]}),
        (" 7 ", 7),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ("\n```\n[1]\n```\n", [1]),
        ({"a": 1}, {"a": 1}),
        (None, None),
    ],
)
def test_json_is_read(output: Any, expected: Any) -> None:
    assert value(JsonIdentity(), output) == expected


@pytest.mark.parametrize("output", ["", "yes", '{"a": 1', '{"a": NaN}', '{"a": 1, "a": 2}', 'So: {"a": 1}', "\ud800"])
def test_what_is_no_json_fails_the_case(output: str) -> None:
    with pytest.raises(ParseError, match="not JSON") as caught:
        value(JsonIdentity(), output)
    assert caught.value.category == "parse_failure"


@pytest.mark.parametrize(
    ("parser", "output", "expected"),
    [
        (Regex(pattern=r"\d+"), "a 12 b 34", "12"),
        (Regex(pattern=r"\d+", find="last"), "a 12 b 34", "34"),
        (Regex(pattern=r"(\w)=(\d)", group=2), "x=1 y=2", "1"),
        (Regex(pattern=r"(?P<who>\w+) won", group="who"), "Ada won", "Ada"),
        (Regex(pattern="yes", ignore_case=True), "YES", "YES"),
        (Regex(pattern="(a)|(b)", group=1), "b", None),
        (Regex(pattern="z"), "abc", None),
    ],
)
def test_a_pattern_finds_its_group(parser: Regex, output: str, expected: str | None) -> None:
    assert value(parser, output) == expected


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"pattern": "("}, "pattern: "),
        ({"pattern": "a", "group": 1}, "group: "),
        ({"pattern": "a", "group": "x"}, "group: "),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_refused(options: Any, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Regex(**options)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        ("(c)", "C"),
        ("B.", "B"),
        ("**C**", "C"),
        ("**C.**", "C"),
        ("B) Paris", "B"),
        ("(B) Paris", "B"),
        ("b) Paris", "B"),
        ("(c) Rome", "C"),
        ("b. Paris", None),
        ("(b)ar", None),
        ("D. Because it is so.", "D"),
        ("A: Paris", "A"),
        ("The answer is (B)", "B"),
        ("The answer is: B.", "B"),
        ("the ANSWER is B", "B"),
        ("Answer: D", "D"),
        ("**Answer:** B", "B"),
        ("Answer:\n\n**B**", "B"),
        ("answer is **C**.", "C"),
        ("The answer is option C", "C"),
        ("The correct option is B because", "B"),
        ("The best answer is D.", "D"),
        ("The answer should be B", "B"),
        ("Final Answer: \\boxed{D}", "D"),
        ("$\\boxed{\\text{C}}$", "C"),
        ("\\boxed{(C)}", "C"),
        ("The answer is A... no, wait: the answer is B", "B"),
        ("A. Paris\nB. Rome\nThe answer: B", "B"),
        ("I think it is C", "C"),
        ("A good question. I think it is C", "C"),
        ("It must be (E), clearly", "E"),
        ("It must be **E**, clearly", "E"),
        ("(A) is wrong. It is (A) or (B)", None),
        ("Both A and B", None),
        ("The answer is not B", None),
        ("A cat", None),
        ("I don't know", None),
        ("Well, I said before that it may be C", "C"),
        ("Because", None),
        ("The answer is Because", None),
        ("The answer is A's friend", None),
        ("answer: K", None),
        ("", None),
    ],
)
def test_the_chosen_letter_is_found(text: str, letter: str | None) -> None:
    assert value(ChoiceLetter(), text) == letter


def test_only_the_given_letters_count() -> None:
    assert value(ChoiceLetter(letters="AB"), "The answer is C") is None
    assert value(ChoiceLetter(letters="XY"), "y") == "Y"
    with pytest.raises(ValueError, match="letters"):
        ChoiceLetter(letters="AA")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("so 2 + 3 = 5", "5"),
        ("6 * 7 = 42\n#### 42", "42"),
        ("#### 1,234 apples\nThat was 3 steps.", "1234"),
        ("#### 1\n#### -2", "-2"),
        ("we get \\boxed{\\frac{1}{2}}", "0.5"),
        ("\\boxed{1} then \\boxed{2}", "2"),
        ("\\boxed{\\frac{3}{\\sqrt{2}}}", "\\frac{3}{\\sqrt{2}}"),
        ("\\boxed{x+1}", "x+1"),
        ("\\boxed{2x}", "2x"),
        ("\\boxed{12 \\text{ apples}}", "12"),
        ("The answer is 72 dollars, not 5.", "72"),
        ("The answer is 3. Check: 1 + 2.", "3"),
        ("**Answer:** $1,250.00", "1250"),
        ("The answer is unclear, perhaps\n7", "7"),
        ("Total: 50%", "50"),
        ("\\boxed{5", "5"),
        ("####", None),
        ("no number", None),
        (7, "7"),
        (0.5, "0.5"),
    ],
)
def test_the_final_number_is_found(text: Any, number: str | None) -> None:
    assert value(MathAnswer(), text) == number


@pytest.mark.parametrize(
    "parser",
    [
        ChoiceLetter(on_missing="error"),
        MathAnswer(on_missing="error"),
        Regex(pattern="z", on_missing="error"),
    ],
)
def test_nothing_found_fails_the_case_on_request(parser: Parser) -> None:
    with pytest.raises(ParseError, match="holds nothing"):
        value(parser, "hm")


@pytest.mark.parametrize("parser", SEARCHING)
def test_a_text_over_the_limit_is_not_searched(parser: Parser) -> None:
    with pytest.raises(ParseError, match="100,001 characters"):
        value(parser, "x" * (MAX_SEARCHED + 1))


@pytest.mark.parametrize(
    "unit", ["1,", "1/", "answer ", "the answer is ", "\\boxed{", "*", "(", "A ", "\\frac{", "$", "- ", " "]
)
@pytest.mark.parametrize("parser", [ChoiceLetter(), MathAnswer()])
def test_a_text_made_to_be_slow_is_searched_to_its_end(parser: Parser, unit: str) -> None:
    value(parser, unit * (MAX_SEARCHED // len(unit)))


PIECES = st.sampled_from(
    [
        "answer",
        " is ",
        ":",
        "A",
        "b",
        "(C)",
        "**",
        "\\boxed{",
        "}",
        "####",
        "1,000",
        "-",
        "/",
        "$",
        ".",
        "\n",
        " ",
        "I ",
        "é",
    ]
)


@given(st.lists(PIECES, max_size=20).map("".join) | st.text(max_size=40))
def test_any_text_gives_a_letter_or_nothing(text: str) -> None:
    assert value(ChoiceLetter(), text) in (None, *"ABCDEFGHIJ")


@given(st.lists(PIECES, max_size=20).map("".join) | st.text(max_size=40))
def test_any_text_gives_a_text_or_nothing(text: str) -> None:
    found = value(MathAnswer(), text)
    assert found is None or (isinstance(found, str) and found)
