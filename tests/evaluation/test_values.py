"""What of a result is stored, and that it comes back as it was."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_vcs.errors import DataError, FormatError
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.judging import (
    AggregationResult,
    EvaluationExecution,
    JudgeCall,
    JudgeFailure,
    JudgeResponse,
    ParsedJudgment,
    RenderedJudgePrompt,
)
from themis_vcs.evaluation.results import (
    GenerationResult,
    Message,
    ParsedOutput,
    ReducedCandidate,
    Score,
    ScoreError,
    TraceStep,
)
from themis_vcs.evaluation.values import VALUE_TYPES, restore, value_of
from themis_vcs.model import codec

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECT = st.dictionaries(TEXT, PLAIN, max_size=2)
COUNTS = st.dictionaries(TEXT, st.integers(0, 10**6), max_size=2)
NUMBER = st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False)
SCORES = st.builds(Score, TEXT, NUMBER, OBJECT)
RESPONSES = st.builds(
    JudgeResponse,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    st.none() | st.integers(0, 2**31),
    token_usage=COUNTS,
    latency_ms=st.none() | st.floats(0, 1e6),
    provider_request_id=st.none() | TEXT,
    retry_history=st.lists(OBJECT, max_size=1),
)
TRACES = st.lists(st.builds(TraceStep, TEXT, TEXT, OBJECT, OBJECT, OBJECT), max_size=1)
GENERATIONS = st.builds(
    GenerationResult,
    PLAIN,
    TEXT,
    TRACES,
    st.lists(st.builds(Message, TEXT, PLAIN), max_size=1),
    OBJECT,
    st.none() | TEXT,
    st.none() | COUNTS,
    st.none() | st.floats(0, 1e6),
    OBJECT,
)
RESULTS = st.one_of(
    st.builds(Case, TEXT, PLAIN, PLAIN, OBJECT),
    GENERATIONS,
    st.builds(ReducedCandidate, PLAIN, TEXT, st.lists(TEXT, max_size=2), OBJECT),
    st.builds(ParsedOutput, PLAIN, st.none() | TEXT, st.none() | st.floats(0, 1), OBJECT),
    SCORES,
    st.builds(ScoreError, TEXT, TEXT, st.sampled_from(["metric_failure", "mine"]), st.booleans(), OBJECT),
    st.builds(
        EvaluationExecution,
        TEXT,
        TEXT,
        st.lists(st.builds(JudgeCall, TEXT, TEXT, st.none() | TEXT, st.integers(0, 3)), max_size=1),
        st.lists(st.builds(RenderedJudgePrompt, TEXT, TEXT, OBJECT), max_size=1),
        st.lists(RESPONSES, max_size=2),
        st.lists(st.builds(ParsedJudgment, TEXT, st.none() | NUMBER, st.none() | TEXT), max_size=1),
        st.lists(SCORES, max_size=1),
        st.lists(st.builds(JudgeFailure, TEXT, TEXT, TEXT), max_size=1),
        st.none() | st.builds(AggregationResult, TEXT, PLAIN, OBJECT),
        TRACES,
    ),
)


@given(RESULTS)
def test_a_value_comes_back_as_it_was_and_encodes_to_the_same_bytes(result: msgspec.Struct) -> None:
    name, value, _ = value_of(result)
    stored = codec.pack(value)
    again = restore(name, codec.unpack(stored))
    assert again == value
    assert type(again) is VALUE_TYPES[name]
    assert codec.pack(again) == stored


@given(RESULTS)
def test_the_value_of_a_value_is_itself(result: msgspec.Struct) -> None:
    _, value, _ = value_of(result)
    assert value_of(value)[1:] == (value, {})


@given(GENERATIONS, st.floats(0, 10), COUNTS)
def test_what_was_measured_does_not_change_what_is_stored(result: Any, latency: float, tokens: Any) -> None:
    measured = msgspec.structs.replace(result, latency_ms=latency, token_usage=tokens, provider={"host": "x"})
    assert value_of(measured)[1] == value_of(result)[1]


def test_observations_of_a_generation_are_kept_beside_it() -> None:
    result = GenerationResult("4", finish_reason="stop", token_usage={"out": 1}, latency_ms=2.5)
    _, value, observations = value_of(result)
    assert value == GenerationResult("4", finish_reason="stop")
    assert observations == {"token_usage": {"out": 1}, "latency_ms": 2.5}


def test_observations_of_an_evaluation_stand_in_the_order_of_its_responses() -> None:
    responses = [JudgeResponse("a", "1"), JudgeResponse("b", "0", latency_ms=3.0, retry_history=[{"n": 1}])]
    _, value, observations = value_of(EvaluationExecution("x", "candidate", judge_responses=responses))
    assert isinstance(value, EvaluationExecution)
    assert value.judge_responses == [JudgeResponse("a", "1"), JudgeResponse("b", "0")]
    assert observations == {"judge_responses": [{}, {"latency_ms": 3.0, "retry_history": [{"n": 1}]}]}


def test_a_score_of_one_has_one_encoding() -> None:
    assert codec.pack(Score("m", 1)) == codec.pack(Score("m", 1.0))


def test_a_default_text_that_is_another_object_is_left_out_too() -> None:
    category = "".join(["metric", "_failure"])
    assert codec.pack(ScoreError("m", "why", category)) == codec.pack(ScoreError("m", "why"))


class Extended(Score, frozen=True):
    extra: str = ""


@pytest.mark.parametrize("thing", [Extended("m", 1.0), {"metric_id": "m"}, None], ids=["subclass", "dict", "None"])
def test_what_would_lose_something_is_no_value(thing: Any) -> None:
    with pytest.raises(TypeError, match="not a value"):
        value_of(thing)


@pytest.mark.parametrize(
    "data",
    [{"metric_id": "m"}, {"metric_id": "m", "value": "1"}, {"metric_id": "m", "value": 1.0, "more": 1}, []],
    ids=["missing", "wrong type", "unknown field", "no object"],
)
def test_data_that_does_not_fit_is_refused(data: Any) -> None:
    with pytest.raises(DataError, match="value of type score"):
        restore("score", data)


def test_a_type_of_a_newer_version_is_refused_as_such() -> None:
    with pytest.raises(FormatError, match="hologram"):
        restore("hologram", {})
