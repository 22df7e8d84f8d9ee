"""Lines of any tool: where a field is looked for, what a line may lack, and what is refused with its line and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from themis_vcs import GenerationResult, InMemoryRunStore
from themis_vcs.errors import DataError, UsageError
from themis_vcs.handoff.foreign.jsonl import jsonl
from themis_vcs.handoff.foreign.log import Sample, Scored
from themis_vcs.handoff.foreign.record import Options, Recorded, record


def written(tmp_path: Path, *lines: Any) -> Path:
    path = tmp_path / "answers.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def samples(path: Path, **mapping: str) -> list[Sample]:
    return list(jsonl(path, mapping).read())


def take(path: Path, **mapping: str) -> Recorded:
    return record(InMemoryRunStore().repository, jsonl(path, mapping), Options())


def test_fields_are_found_under_their_own_names(tmp_path: Path) -> None:
    line = {"case_id": "a", "input": {"q": 1}, "output": [2], "expected": "3", "metadata": {"topic": "sums"}}
    (sample,) = samples(written(tmp_path, line))
    assert (sample.case_id, sample.input, sample.expected_output) == ("a", {"q": 1}, "3")
    assert (sample.outputs, sample.metadata, sample.scores) == ([GenerationResult([2])], {"topic": "sums"}, {})


def test_a_map_leads_into_a_line_by_dots_and_by_pointers(tmp_path: Path) -> None:
    line = {"id": 7, "in": {"a.b": "q"}, "out": [{"text": "4"}], "ok": True, "t": "sums", "a/b": {"~": 0.25}}
    (sample,) = samples(
        written(tmp_path, line),
        case_id="id",
        input="/in/a.b",
        output="out.0.text",
        **{"score.exact": "ok", "score.f1": "/a~1b/~0", "metadata.topic": "t"},
    )
    assert (sample.case_id, sample.input, sample.outputs) == ("7", "q", [GenerationResult("4")])
    assert sample.scores == {"exact": Scored(1.0), "f1": Scored(0.25)}
    assert sample.metadata == {"topic": "sums"}


def test_without_an_id_a_case_is_called_after_its_line(tmp_path: Path) -> None:
    found = samples(written(tmp_path, {"input": 1, "output": 1}, "", {"input": 2, "output": 2}))
    assert [each.case_id for each in found] == ["1", "3"]


def test_several_answers_are_the_samples_of_a_case(tmp_path: Path) -> None:
    lines = [{"input": n, "said": ["a", "b", "a"]} for n in range(2)]
    recorded = take(written(tmp_path, *lines), outputs="said")
    assert (recorded.samples, recorded.answers, recorded.failed) == ({"answers": 2}, 6, 0)


def test_several_answers_are_found_under_their_own_name(tmp_path: Path) -> None:
    recorded = take(written(tmp_path, {"input": 1, "outputs": ["a", "b"]}))
    assert (recorded.answers, recorded.failed) == (2, 0)


def test_a_line_without_a_field_says_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="input: missing") as caught:
        samples(written(tmp_path, {"question": "?", "reply": "!"}))
    assert caught.value.hint == "the line has 'question', 'reply'; --map input=PATH says where input is"


def test_a_line_with_an_error_is_a_failed_answer(tmp_path: Path) -> None:
    recorded = take(written(tmp_path, {"input": 1, "error": "timed out"}, {"input": 2, "output": "4"}))
    assert (recorded.answers, recorded.failed) == (2, 1)


def test_a_score_that_a_line_lacks_is_a_failed_one(tmp_path: Path) -> None:
    path = written(tmp_path, {"input": 1, "output": 1, "ok": 1}, {"input": 2, "output": 2, "ok": None})
    recorded = take(path, **{"score.acc": "ok"})
    assert recorded.means == {"acc": 1.0}
    assert recorded.result is not None
    assert recorded.result.metrics["acc"].failed == 1


def test_the_same_lines_with_the_same_map_are_one_run(tmp_path: Path) -> None:
    path = written(tmp_path, {"input": 1, "output": 1, "x": 1.0, "y": 0.0})
    other = tmp_path / "copy.jsonl"
    other.write_bytes(path.read_bytes())
    one = record(InMemoryRunStore().repository, jsonl(path, {"score.s": "x"}, dataset="d"), Options())
    same = record(InMemoryRunStore().repository, jsonl(other, {"score.s": "x"}, dataset="d"), Options())
    differs = record(InMemoryRunStore().repository, jsonl(path, {"score.s": "y"}, dataset="d"), Options())
    assert one.run_id == same.run_id != differs.run_id


@pytest.mark.parametrize(
    ("line", "mapping", "what"),
    [
        ({"output": 1}, {}, r"input: missing"),
        ({"input": 1}, {}, r"output: missing"),
        ({"input": 1, "output": 1}, {"case_id": "id"}, r"id: missing"),
        ({"input": 1, "output": 1}, {"expected": "gold.0"}, r"gold\.0: missing"),
        ({"input": 1, "output": 1, "case_id": ["a"]}, {}, r"case_id: expected text or a whole number, got list"),
        ({"input": 1, "output": 1, "metadata": "x"}, {}, r"metadata: expected an object"),
        ({"input": 1, "output": 1, "ok": "yes"}, {"score.acc": "ok"}, r"ok: expected a number"),
        ({"input": 1, "outputs": "yes"}, {"outputs": "outputs"}, r"outputs: expected a list"),
        ("[1]", {}, r"expected an object"),
        ('{"input": 1, "input": 2}', {}, r"input"),
        ('{"input": ', {}, r""),
    ],
)
def test_a_line_that_does_not_fit_is_refused_with_its_place(
    tmp_path: Path, line: Any, mapping: dict[str, str], what: str
) -> None:
    path = written(tmp_path, {"input": 0, "output": 0, "id": "a", "ok": 1, "gold": [1], "outputs": [1]}, line)
    store = InMemoryRunStore()
    with pytest.raises(DataError, match=rf"answers\.jsonl:2: .*{what}"):
        record(store.repository, jsonl(path, mapping), Options())
    assert list(store.repository.refs("")) == []


def test_a_place_beyond_all_lists_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing"):
        samples(written(tmp_path, {"input": 1, "output": [1]}), output="output." + "9" * 5000)


def test_a_field_that_there_is_not_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--map question: no such field") as caught:
        jsonl(written(tmp_path, {}), {"question": "q"})
    assert "case_id, input, output" in str(caught.value.hint)
