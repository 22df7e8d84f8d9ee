"""Making one candidate of several."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_vcs.catalog.reducers import MajorityVote, PassthroughReducer
from themis_vcs.evaluation.contexts import ReduceContext
from themis_vcs.evaluation.failures import ComponentFailure
from themis_vcs.evaluation.results import GenerationResult, ReducedCandidate


def reduce(reducer: Any, *outputs: Any) -> ReducedCandidate:
    candidates = [GenerationResult(output, f"c{number}") for number, output in enumerate(outputs)]
    ids = [candidate.candidate_id for candidate in candidates]
    reduced = asyncio.run(reducer.reduce(candidates, ReduceContext("d", "c", ids)))
    assert isinstance(reduced, ReducedCandidate)
    return reduced


def test_a_single_candidate_passes() -> None:
    assert reduce(PassthroughReducer(), "x") == ReducedCandidate("x", "c0", ["c0"])


def test_several_candidates_do_not_pass() -> None:
    with pytest.raises(ComponentFailure, match="2 candidates"):
        reduce(PassthroughReducer(), "x", "y")


def test_the_answer_of_most_wins_with_its_voters_and_all_counts() -> None:
    reduced = reduce(MajorityVote(), "3", "4", "4")
    assert reduced == ReducedCandidate(
        "4",
        "c1",
        ["c1", "c2"],
        {
            "votes": [
                {"answer": "3", "count": 1, "candidates": ["c0"]},
                {"answer": "4", "count": 2, "candidates": ["c1", "c2"]},
            ],
            "voted_for": "4",
            "tied": False,
        },
    )


def test_of_a_tie_the_first_seen_wins_and_it_is_said() -> None:
    reduced = reduce(MajorityVote(), "b", "a", "a", "b")
    assert (reduced.final_output, reduced.metadata["tied"]) == ("b", True)


@pytest.mark.parametrize("outputs", [(1, 1.0, True, "1"), ({"a": 1}, {"a": 1.0})])
def test_values_that_python_calls_equal_are_different_answers(outputs: tuple[Any, ...]) -> None:
    assert len(reduce(MajorityVote(), *outputs).metadata["votes"]) == len(outputs)


def test_the_order_of_keys_makes_no_difference() -> None:
    assert len(reduce(MajorityVote(), {"a": 1, "b": 2}, {"b": 2, "a": 1}).metadata["votes"]) == 1


def test_votes_are_read_out_of_the_answers_on_request() -> None:
    outputs = ["I say 4", "no idea", "it is 5.0", "2 + 3 = 5"]
    reduced = reduce(MajorityVote(by="math_answer"), *outputs)
    assert (reduced.final_output, reduced.metadata["voted_for"]) == ("it is 5.0", "5")
    assert reduced.source_candidate_ids == ["c2", "c3"]


def test_answers_that_cannot_be_read_do_not_vote_unless_there_are_no_others() -> None:
    assert reduce(MajorityVote(by="json_identity"), "{", "{", "[1]").final_output == "[1]"
    assert reduce(MajorityVote(by="json_identity"), "{", "}").final_output == "{"


@given(st.lists(st.sampled_from(["a", "b", 1, None, 1.0]), min_size=1, max_size=9))
def test_the_winner_has_at_least_as_many_votes_as_anyone(outputs: list[Any]) -> None:
    reduced = reduce(MajorityVote(), *outputs)
    counts = Counter(repr(output) for output in outputs if output is not None)
    best = max(counts.values(), default=outputs.count(None))
    assert len(reduced.source_candidate_ids) == best
    assert sum(vote["count"] for vote in reduced.metadata["votes"]) == (counts.total() or len(outputs))
