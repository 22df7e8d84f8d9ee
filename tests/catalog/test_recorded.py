"""Playing back recorded answers and verdicts."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_vcs.catalog.recorded import RecordedGenerator, RecordedJudge
from themis_vcs.catalog.registry import resolve
from themis_vcs.errors import DataError
from themis_vcs.evaluation.contexts import EvalScoreContext, GenerateContext
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.failures import ComponentFailure
from themis_vcs.evaluation.judging import JudgeCall, JudgeResponse
from themis_vcs.evaluation.results import GenerationResult, ParsedOutput

CASE = Case("a", "1+1")


def write(path: Path, *records: Any) -> str:
    text = "".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in records)
    path.write_text(text, "utf-8")
    return str(path)


def generate(component: Any, dataset: str = "d", case: str = "a", sample: int = 0) -> GenerationResult:
    result = asyncio.run(component.generate(Case(case, None), GenerateContext(dataset, case, sample)))
    assert isinstance(result, GenerationResult)
    return result


def mark(component: Any, case: str = "a", sample: int = 0) -> bytes:
    found = component.case_fingerprint(Case(case, None), GenerateContext("d", case, sample))
    assert isinstance(found, bytes)
    return found


def judge_context(case: str = "a") -> EvalScoreContext:
    return EvalScoreContext("d", Case(case, None), ParsedOutput(None))


def ask(component: Any, prompt: str = "p", seed: int | None = None, **call: Any) -> str:
    place = {"dataset_id": call.pop("dataset_id", "d"), "case_id": call.pop("case_id", "a")}
    given_call = JudgeCall("c", call.pop("judge", "j"), metadata=place, **call)
    response = asyncio.run(component.judge(prompt, seed=seed, call=given_call))
    assert isinstance(response, JudgeResponse)
    return response.raw_response


def test_an_output_is_played_back_for_its_case_and_sample(tmp_path: Path) -> None:
    path = write(
        tmp_path / "r.jsonl",
        {"case_id": "a", "output": "two"},
        {"case_id": "a", "sample": 1, "output": "zwei"},
        {"case_id": "a", "candidate_index": 2, "output": {"n": 2}},
        {"case_id": "a", "dataset_id": "other", "output": "deux"},
        {"case_id": "b", "output": None},
    )
    component = RecordedGenerator(path=path)
    found = [generate(component, sample=sample).final_output for sample in range(3)]
    assert found == ["two", "zwei", {"n": 2}]
    assert generate(component, dataset="other").final_output == "deux"
    assert generate(component, case="b").final_output is None


def test_what_was_recorded_beside_the_output_comes_with_it(tmp_path: Path) -> None:
    record = {
        "case_id": "a",
        "output": "2",
        "finish_reason": "length",
        "token_usage": {"out": 3},
        "latency_ms": 12.5,
        "trace": [{"step_name": "s", "step_type": "t"}],
        "model": "of no concern",
    }
    result = generate(RecordedGenerator(path=write(tmp_path / "r.jsonl", record)))
    assert (result.finish_reason, result.token_usage, result.latency_ms) == ("length", {"out": 3}, 12.5)
    assert result.trace[0].step_name == "s"


def test_a_missing_record_names_the_file_and_the_key(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", {"case_id": "a", "output": "2"})
    with pytest.raises(ComponentFailure) as caught:
        generate(RecordedGenerator(path=path), case="b", sample=2)
    assert caught.value.category == "missing_record"
    assert "r.jsonl: no record for case_id='b', dataset_id='d', sample=2" in str(caught.value)


def test_a_recorded_failure_fails(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", {"case_id": "a", "error": "timed out"})
    with pytest.raises(ComponentFailure, match=r"r.jsonl:1: recorded as failed: timed out"):
        generate(RecordedGenerator(path=path))


def test_the_path_is_no_part_of_the_fingerprint_but_the_record_is(tmp_path: Path) -> None:
    one = RecordedGenerator(path=write(tmp_path / "1.jsonl", {"case_id": "a", "output": "2"}))
    other = RecordedGenerator(path=write(tmp_path / "2.jsonl", {"case_id": "a", "output": "two"}))
    assert one.fingerprint() == other.fingerprint()
    assert mark(one) != mark(other)
    assert mark(one, "b") == b""


OUTPUTS = st.dictionaries(st.sampled_from("abcdef"), st.text(st.characters(codec="utf-8"), max_size=5))


@given(OUTPUTS, OUTPUTS)
def test_a_record_that_changes_changes_the_mark_of_its_case_alone(
    tmp_path_factory: pytest.TempPathFactory, before: dict[str, str], after: dict[str, str]
) -> None:
    folder = tmp_path_factory.mktemp("records")

    def component(name: str, outputs: dict[str, str]) -> RecordedGenerator:
        records = [{"case_id": case, "output": output, "latency_ms": len(name)} for case, output in outputs.items()]
        return RecordedGenerator(path=write(folder / name, *records))

    old, new = component("old.jsonl", before), component("newer.jsonl", after)
    for case in "abcdef":
        assert (mark(old, case) == mark(new, case)) == (before.get(case) == after.get(case))


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (["{"], "r.jsonl:1: malformed JSON"),
        ([[1]], "r.jsonl:1: record: expected an object"),
        ([{"output": 1}], "r.jsonl:1: record: Object missing required field `case_id`"),
        ([{"case_id": 1, "output": 1}], "r.jsonl:1: case_id: Expected `str`, got `int`"),
        ([{"case_id": "a"}], "r.jsonl:1: output: a record has either an output or an error"),
        ([{"case_id": "a", "output": 1, "error": "e"}], "r.jsonl:1: output: a record has either"),
        ([{"case_id": "a", "output": 1, "sample": 0, "candidate_index": 0}], "r.jsonl:1: sample: "),
        ([{"case_id": "a", "output": 1, "trace": [{"step_name": 1}]}], "r.jsonl:1: trace[0].step_name: "),
        (
            [{"case_id": "a", "output": 1}, {"case_id": "a", "sample": 0, "output": 2}],
            "r.jsonl:2: record: a second one for case_id='a', sample=0; the first is on line 1",
        ),
    ],
)
def test_a_bad_record_is_named(tmp_path: Path, records: list[Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        mark(RecordedGenerator(path=write(tmp_path / "r.jsonl", *records)))
    assert message in str(caught.value)


def test_a_missing_file_is_named_when_it_is_needed(tmp_path: Path) -> None:
    component = resolve("generator", "builtin/recorded_generator", {"path": str(tmp_path / "none.jsonl")})
    with pytest.raises(DataError, match=r"none.jsonl: no such file"):
        mark(component)


def test_a_file_that_changes_under_way_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    component = RecordedGenerator(path=write(path, {"case_id": "a", "output": "2"}))
    mark(component)
    write(path, {"case_id": "a", "output": "3"})
    with pytest.raises(ComponentFailure, match=r"r.jsonl:1: the file was changed"):
        generate(component)


def test_a_verdict_is_found_by_prompt_or_by_its_hash(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"other prompt").hexdigest()
    path = write(
        tmp_path / "r.jsonl",
        {"prompt": "p", "output": "any seed"},
        {"prompt": "p", "seed": 5, "output": "seed 5"},
        {"prompt_sha256": digest, "output": "by hash"},
    )
    judge = RecordedJudge(path=path)
    assert [ask(judge), ask(judge, seed=5), ask(judge, "other prompt", seed=1)] == [
        "any seed",
        "seed 5",
        "by hash",
    ]


def test_a_verdict_is_found_by_case_and_dimension(tmp_path: Path) -> None:
    path = write(
        tmp_path / "r.jsonl",
        {"case_id": "a", "dimension": "style", "output": "stylish"},
        {"case_id": "a", "dimension": "style", "judge": "k", "repeat": 1, "output": "less so"},
        {"case_id": "a", "output": "otherwise"},
    )
    judge = RecordedJudge(path=path)
    assert ask(judge, dimension_id="style") == "stylish"
    assert ask(judge, dimension_id="style", judge="k", repeat_index=1) == "less so"
    assert ask(judge, dimension_id="truth") == "otherwise"
    with pytest.raises(ComponentFailure, match=r"no record for .*case_id='b'"):
        ask(judge, case_id="b")


def test_the_mark_of_a_case_covers_the_verdicts_that_it_may_get(tmp_path: Path) -> None:
    def marks(*records: Any) -> tuple[bytes, bytes]:
        judge = RecordedJudge(path=write(tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl", *records))
        return tuple(judge.case_fingerprint(Case(case, None), judge_context(case)) for case in "ab")  # type: ignore[return-value]

    a1, a2 = {"case_id": "a", "output": "1"}, {"case_id": "a", "output": "2"}
    b, anyone = {"case_id": "b", "output": "1"}, {"prompt": "p", "output": "1"}
    base = marks(a1, b)
    assert marks(b, a1) == base
    changed = marks(a2, b)
    assert changed[0] != base[0]
    assert changed[1] == base[1]
    shared = marks(a1, b, anyone)
    assert shared[0] != base[0]
    assert shared[1] != base[1]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"output": "x"}, "prompt: a record needs a prompt, a prompt_sha256 or a case_id"),
        ({"prompt": "p", "output": 1}, "output: Expected `str`, got `int`"),
        ({"prompt": "p", "prompt_sha256": "0" * 64, "output": "x"}, "prompt_sha256: is not the SHA-256"),
    ],
)
def test_a_bad_verdict_is_named(tmp_path: Path, record: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        ask(RecordedJudge(path=write(tmp_path / "r.jsonl", record)))
    assert f"r.jsonl:1: {message}" in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_the_first_record(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"case_id": "a", "output": "2"}\n{"case_id": "b", "output": "3"}')
    component = RecordedGenerator(path=str(path))
    assert [generate(component, case=case).final_output for case in "ab"] == ["2", "3"]


def test_a_compressed_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be compressed"):
        mark(RecordedGenerator(path=str(tmp_path / "r.jsonl.gz")))
