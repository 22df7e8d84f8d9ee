"""Cases in memory: which ids are fit, and what a component sees of a case."""

from __future__ import annotations

from typing import Any

import pytest

from themis_vcs.errors import DataError
from themis_vcs.evaluation.dataset import MAX_CASE_ID, Case, Dataset, visible

CASE = Case("a", "question", "answer", {"level": 1})


def test_cases_are_given_in_order_and_again() -> None:
    dataset = Dataset("d", [Case("b", 1), Case("a", 2)])
    assert [case.case_id for case in dataset.iter_cases()] == ["b", "a"]
    assert len(list(dataset.iter_cases())) == 2


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ("", "is empty"),
        ("x" * (MAX_CASE_ID + 1), "longer than"),
        ("é" * (MAX_CASE_ID // 2 + 1), "longer than"),
        ("\ud800", "lone surrogate"),
        (7, "expected text, got int"),
    ],
)
def test_an_unfit_id_is_refused_with_its_number(bad: Any, what: str) -> None:
    with pytest.raises(DataError, match=rf"d: case 2: case_id .*{what}"):
        list(Dataset("d", [Case("a", 1), Case(bad, 2)]).iter_cases())


@pytest.mark.parametrize("case_id", ["a", "long " * 20])
def test_an_id_used_twice_is_refused(case_id: str) -> None:
    with pytest.raises(DataError, match=r"case 3: case_id .*used before"):
        list(Dataset("d", [Case(case_id, 1), Case("b", 2), Case(case_id, 3)]).iter_cases())


def test_what_is_no_case_is_refused() -> None:
    with pytest.raises(DataError, match=r"case 1: expected Case, got dict"):
        list(Dataset("d", [{"case_id": "a"}]).iter_cases())  # type: ignore[list-item]


def test_metadata_that_is_no_dict_is_refused() -> None:
    with pytest.raises(DataError, match="case 1: metadata: expected a dict, got list"):
        list(Dataset("d", [Case("a", 1, None, [])]).iter_cases())  # type: ignore[arg-type]


def test_cases_that_can_be_read_only_once_are_refused() -> None:
    with pytest.raises(DataError, match="only once"):
        list(Dataset("d", iter([CASE])).iter_cases())


def test_two_datasets_do_not_share_their_default_list() -> None:
    first, second = Dataset("a"), Dataset("b")
    assert first.cases is not second.cases


def test_the_number_of_cases_is_known_for_a_list_and_not_for_a_stream() -> None:
    assert Dataset("d", [CASE]).count() == 1
    assert Dataset("d", iter([CASE])).count() is None


@pytest.mark.parametrize(
    ("reads", "seen"),
    [
        ({"input"}, Case("a", "question")),
        ({"expected_output"}, Case("a", None, "answer")),
        ({"metadata"}, Case("a", None, None, {"level": 1})),
        (set(), Case("a", None)),
        ({"input", "expected_output", "metadata"}, CASE),
    ],
)
def test_a_component_sees_the_fields_that_it_reads(reads: set[str], seen: Case) -> None:
    assert visible(CASE, reads) == seen
