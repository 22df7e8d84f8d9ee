from __future__ import annotations

from typing import Any

import pytest

from themis_vcs import Case, GenerationResult, ParsedOutput, ReducedCandidate, Score
from themis_vcs.analysis.excerpt import excerpt
from themis_vcs.evaluation.judging import EvaluationExecution, JudgeFailure
from themis_vcs.evaluation.results import ScoreError


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (GenerationResult("forty-two", candidate_id="x"), '"forty-two"'),
        (ReducedCandidate({"a": [1, 2]}), '{"a": [1, 2]}'),
        (ParsedOutput(None), "null"),
        (Case("c", "2+2", "4"), '"2+2"'),
        (Case("c", None, "4"), '{"expected_output": "4"}'),
        (Score("em", 0.5), "0.5"),
        (ScoreError("em", "no reference"), '"metric_failure: no reference"'),
        (
            EvaluationExecution("x", "candidate", failures=[JudgeFailure("c", "judge_parse_failure", "no JSON")]),
            '"judge_parse_failure: no JSON"',
        ),
        (b"\x01" * 32, "010101010101"),
        (b"abc", "3 bytes"),
        ("a\nb", '"a\\nb"'),
    ],
)
def test_the_essence_of_a_value(value: Any, shown: str) -> None:
    assert excerpt(value) == shown


@pytest.mark.parametrize("value", ["x" * 1_000_000, ["word"] * 10_000, {"a": "é" * 500}])
def test_it_never_takes_more_room_than_given(value: Any) -> None:
    assert len(excerpt(value, 40)) == 40
    assert excerpt(value, 40).endswith("…")
