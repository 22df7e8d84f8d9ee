"""Scoring without a model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_vcs.catalog.metrics import F1, ChoiceAccuracy, ExactMatch
from themis_vcs.evaluation.check import check_result
from themis_vcs.evaluation.contexts import ScoreContext
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.results import ParsedOutput, Score, ScoreError

CAPITALS = {"question": "Capital of Italy?", "choices": ["Paris", "Rome", "A"]}


def score(metric: Any, answer: Any, expected: Any, question: Any = "q") -> Any:
    case, parsed = Case("c", question, expected), ParsedOutput(answer)
    result = check_result("metric", metric.score(parsed, case, ScoreContext("d", case, parsed)), "m")
    return result.value if isinstance(result, Score) else result


@pytest.mark.parametrize(
    ("answer", "expected", "value"),
    [
        ("4", "4", 1),
        ("4", "5", 0),
        ("yes", "Yes", 0),
        ("4", 4, 1),
        (4, "4", 1),
        ("4.0", 4, 1),
        (4, 4.0, 1),
        ("1,000", "1000", 0),
        (True, 1, 0),
        ("1", True, 0),
        (True, True, 1),
        ("b", ["a", "b"], 1),
        ("c", ["a", "b"], 0),
        (["a", "b"], ["a", "b"], 1),
        ([1], [[1]], 1),
        ("b", {"answer": "b"}, 1),
        ("b", {"answer": ["a", "b"]}, 1),
        ({"answer": "b"}, {"answer": "b"}, 0),
        ({"x": 1, "y": [2]}, {"y": [2], "x": 1}, 1),
        ({"x": 1}, {"x": 1.0}, 0),
        (None, "4", 0),
        (None, [None], 0),
        ("", "", 1),
        ("a", [], 0),
    ],
)
def test_exact_match(answer: Any, expected: Any, value: float) -> None:
    assert score(ExactMatch(), answer, expected) == value


@pytest.mark.parametrize(
    ("options", "answer", "expected", "value"),
    [
        ({"ignore_case": True}, "STRASSE", "straße", 1),
        ({"ignore_punctuation": True}, "Rome.", "Rome", 1),
        ({"ignore_punctuation": True}, "Rome!", "rome", 0),
        ({"ignore_whitespace": True}, " a  b\n", "ab", 1),
        ({"numbers": True}, "1,000", "1000.0", 1),
        ({"numbers": True}, "1/2", "0.5", 1),
        ({"numbers": True}, "five", "five", 1),
        ({"numbers": True}, "five", "5", 0),
    ],
)
def test_exact_match_is_loosened_by_its_options(options: Any, answer: str, expected: str, value: float) -> None:
    assert score(ExactMatch(**options), answer, expected) == value


@pytest.mark.parametrize(
    ("answer", "expected", "value"),
    [
        ("the Cat sat", "a cat sat!", 1),
        ("cat sat down", "cat", 0.5),
        ("cat", "cat sat down", 0.5),
        ("dog", "cat", 0),
        ("cat cat", "cat", 2 / 3),
        ("cat", ["dog", "cat nap", "cat"], 1),
        ("", "", 1),
        ("the", "a", 1),
        ("", "cat", 0),
        (None, "cat", 0),
        (42, "42", 1),
    ],
)
def test_f1_counts_tokens(answer: Any, expected: Any, value: float) -> None:
    assert score(F1(), answer, expected) == pytest.approx(value)


def test_f1_says_precision_and_recall() -> None:
    case, parsed = Case("c", "q", "cat"), ParsedOutput("cat sat down")
    result = F1().score(parsed, case, ScoreContext("d", case, parsed))
    assert isinstance(result, Score)
    assert result.details == {"precision": pytest.approx(1 / 3), "recall": 1.0}


WORDS = st.lists(st.sampled_from(["red", "green", "blue", "the", "sky!"]), max_size=6).map(" ".join)


@given(WORDS, WORDS)
def test_f1_is_symmetric_and_between_0_and_1(one: str, other: str) -> None:
    assert score(F1(), one, other) == pytest.approx(score(F1(), other, one))
    assert 0 <= score(F1(), one, other) <= 1
    assert score(F1(), one, one) == 1


@pytest.mark.parametrize(
    ("answer", "expected", "value"),
    [
        ("B", "B", 1),
        ("(b)", "B.", 1),
        ("B", 1, 1),
        ("B", "Rome", 1),
        ("rome ", "B", 1),
        ("Paris", "B", 0),
        ("A", 0, 1),
        ("A", 2, 0),
        ("B", ["A", "B"], 1),
        ("B", {"answer": "B"}, 1),
        (None, "B", 0),
        ("Berlin", "B", 0),
        (26, "B", 0),
    ],
)
def test_choice_accuracy(answer: Any, expected: Any, value: float) -> None:
    assert score(ChoiceAccuracy(), answer, expected, CAPITALS) == value


def test_options_may_have_another_key_or_none() -> None:
    assert score(ChoiceAccuracy(choices="options"), "Rome", "B", {"options": ["Paris", "Rome"]}) == 1
    assert score(ChoiceAccuracy(), "B", "B", "no options here") == 1


@pytest.mark.parametrize("metric", [ExactMatch(), F1(), ChoiceAccuracy()])
def test_a_case_without_an_expected_output_cannot_be_scored(metric: Any) -> None:
    result = score(metric, "4", None)
    assert isinstance(result, ScoreError)
    assert result.category == "data_problem"


def test_an_expected_output_that_names_no_option_cannot_be_scored() -> None:
    result = score(ChoiceAccuracy(), "B", "Berlin", CAPITALS)
    assert isinstance(result, ScoreError)
    assert "'Berlin' names no option" in result.reason


def test_an_answer_that_was_not_found_is_told_from_a_wrong_one() -> None:
    case, parsed = Case("c", "q", "4"), ParsedOutput(None)
    result = ExactMatch().score(parsed, case, ScoreContext("d", case, parsed))
    assert isinstance(result, Score)
    assert result.details == {"reason": "the parser found no answer"}


def test_a_name_replaces_the_metric_id() -> None:
    case, parsed = Case("c", "q", "4"), ParsedOutput("4")
    result = ExactMatch(name="loose", ignore_case=True).score(parsed, case, ScoreContext("d", case, parsed))
    assert result == Score("loose", 1.0)
