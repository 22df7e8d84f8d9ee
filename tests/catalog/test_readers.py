"""Datasets from files: what is read, and what is said about what cannot be."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_vcs.catalog.readers import read_dataset
from themis_vcs.errors import DataError
from themis_vcs.evaluation.dataset import Case, Dataset

RECORDS: list[dict[str, Any]] = [
    {"case_id": "a", "input": "1+1", "expected_output": "2", "metadata": {"level": 1}},
    {"case_id": "b", "input": {"q": "2+2", "hint": None}},
]
CASES = [Case("a", "1+1", "2", {"level": 1}), Case("b", {"q": "2+2", "hint": None})]


def write(path: Path, content: bytes | str) -> Path:
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def lines(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def cases(dataset: Dataset) -> list[Case]:
    return list(dataset.iter_cases())


@pytest.mark.parametrize("name", ["d.jsonl", "d.jsonl.gz", "d.ndjson", "D.JSONL"])
def test_json_lines_are_read(tmp_path: Path, name: str) -> None:
    dataset = read_dataset(write(tmp_path / name, lines(*RECORDS)))
    assert dataset.dataset_id.lower() == "d"
    assert cases(dataset) == CASES
    assert cases(dataset) == CASES


@pytest.mark.parametrize("content", [RECORDS, {"cases": RECORDS, "about": "x"}], ids=["list", "object"])
@pytest.mark.parametrize("name", ["d.json", "d.json.gz"])
def test_json_is_read(tmp_path: Path, name: str, content: Any) -> None:
    assert cases(read_dataset(write(tmp_path / name, json.dumps(content, indent=2)))) == CASES


@pytest.mark.parametrize("name", ["d.csv", "d.csv.gz"])
def test_csv_is_read(tmp_path: Path, name: str) -> None:
    text = 'id,question,answer,subject\n1,"What, ""two""\nlines?",yes,x\n2,Why?,,y\n\n'
    dataset = read_dataset(write(tmp_path / name, text), metadata=["subject"])
    assert cases(dataset) == [
        Case("1", 'What, "two"\nlines?', "yes", {"subject": "x"}),
        Case("2", "Why?", None, {"subject": "y"}),
    ]


@pytest.mark.parametrize("name", ["d.jsonl", "d.json", "d.csv"])
def test_a_byte_order_mark_is_no_part_of_the_first_field(tmp_path: Path, name: str) -> None:
    content = {
        "d.jsonl": lines(RECORDS[0]),
        "d.json": json.dumps(RECORDS[:1]),
        "d.csv": "case_id,input\na,1+1\n",
    }
    found = cases(read_dataset(write(tmp_path / name, b"\xef\xbb\xbf" + content[name].encode())))
    assert found[0].case_id == "a"


def test_blank_lines_and_a_missing_last_line_end_do_not_matter(tmp_path: Path) -> None:
    text = "\n" + lines(RECORDS[0]) + " \t\r\n" + lines(RECORDS[1]).rstrip("\n")
    assert cases(read_dataset(write(tmp_path / "d.jsonl", text))) == CASES


@pytest.mark.parametrize(
    ("record", "options", "case"),
    [
        ({"id": 7, "question": "q", "answer": 1}, {}, Case("7", "q", 1)),
        ({"id": "x", "prompt": "q", "target": [1]}, {}, Case("x", "q", [1])),
        (
            {"uid": "x", "stem": "q", "gold": "B", "choices": ["1", "2"], "subject": "s"},
            {"case_id": "uid", "input": ["stem", "choices"], "expected": "gold", "metadata": ["subject"]},
            Case("x", {"stem": "q", "choices": ["1", "2"]}, "B", {"subject": "s"}),
        ),
        ({"question": "q", "prompt": "p"}, {"case_id": "@number", "input": "prompt"}, Case("1", "p")),
        ({"id": "x", "input": "q", "info": {"a": 1}}, {"metadata": "info"}, Case("x", "q", None, {"a": 1})),
        ({"id": "x", "input": "q", "metadata": None, "unknown": 1}, {}, Case("x", "q")),
    ],
)
def test_fields_are_found_by_name_or_mapping(tmp_path: Path, record: Any, options: Any, case: Case) -> None:
    assert cases(read_dataset(write(tmp_path / "d.jsonl", lines(record)), **options)) == [case]


def test_records_may_have_different_fields(tmp_path: Path) -> None:
    records = [{"id": "a", "input": 1}, {"case_id": "b", "question": 2}, {"input": 3, "id": "c", "target": 4}]
    found = cases(read_dataset(write(tmp_path / "d.jsonl", lines(*records))))
    assert found == [Case("a", 1), Case("b", 2), Case("c", 3, 4)]


def test_a_limit_takes_the_first_cases_and_reads_no_further(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", lines(*RECORDS) + "broken\n")
    assert cases(read_dataset(path, limit=2)) == CASES


def test_names_and_revision_are_kept(tmp_path: Path) -> None:
    dataset = read_dataset(write(tmp_path / "d.v2.jsonl", lines(*RECORDS)), revision="r1")
    assert (dataset.dataset_id, dataset.revision) == ("d.v2", "r1")
    assert read_dataset(tmp_path / "d.v2.jsonl", dataset_id="other").dataset_id == "other"


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("{", "d.jsonl:2: malformed JSON"),
        ('{"id": "b", "input": {"x": [NaN]}}', "d.jsonl:2: input.x[0]: NaN is not a JSON number"),
        ('{"id": "b", "input": Infinity}', "d.jsonl:2: input: Infinity is not a JSON number"),
        ('{"id": "b", "input": "\\ud800"}', "d.jsonl:2: input: lone surrogate"),
        ('{"id": "b", "input": 99999999999999999999}', "d.jsonl:2: input: integer outside 64 bits"),
        ('{"id": "b", "input": 1, "input": 2}', "d.jsonl:2: key 'input' twice in one object"),
        ('{"id": "b"}', "d.jsonl:2: input: missing"),
        ('{"input": 1}', "d.jsonl:2: case_id: missing"),
        ('{"id": "b", "input": null}', "d.jsonl:2: input: is null"),
        ('{"id": "b", "input": 1, "question": 2}', "d.jsonl:2: input: more than one field could be meant"),
        ('{"id": true, "input": 1}', "d.jsonl:2: id: expected text, got bool"),
        ('{"id": 1.5, "input": 1}', "d.jsonl:2: id: expected text, got float"),
        ('{"id": "", "input": 1}', "d.jsonl:2: id: is empty"),
        ('{"id": "b", "input": 1, "metadata": [1]}', "d.jsonl:2: metadata: expected an object, got a list"),
        ('{"id": "a", "input": 1}', "d.jsonl:2: case_id: 'a' was used before in this file"),
        ("[1]", "d.jsonl:2: record: expected an object, got list"),
        ('"text"', "d.jsonl:2: record: expected an object, got str"),
    ],
)
def test_a_bad_line_is_named_with_file_line_and_field(tmp_path: Path, second: str, message: str) -> None:
    path = write(tmp_path / "d.jsonl", '{"id": "a", "input": 1}\n' + second + "\n")
    with pytest.raises(DataError) as caught:
        cases(read_dataset(path))
    assert message in str(caught.value)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", b'{"id": "a", "input": "\xff"}\n')
    with pytest.raises(DataError, match=r"d.jsonl:1: not UTF-8 at byte 23"):
        cases(read_dataset(path))


def test_a_long_id_used_twice_is_noticed(tmp_path: Path) -> None:
    record = {"id": "long " * 30, "input": 1}
    with pytest.raises(DataError, match=r"d.jsonl:2: case_id: .*used before"):
        cases(read_dataset(write(tmp_path / "d.jsonl", lines(record, record))))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,input\na,1,2\n", "d.csv:2: record: 3 cells, the header has 2 columns"),
        ("id,input\na\n", "d.csv:2: record: 1 cells"),
        ("id,id\n", "d.csv:1: id: column twice"),
        ('id,input\na,"x\ny\n', "d.csv:2: record: malformed CSV"),
        ('id,input\na,"x"y\n', "d.csv:2: record: malformed CSV"),
        ('id,input\n"a\nb",1\nb,2\nb,3\n', "d.csv:5: case_id: 'b' was used before"),
        ("id,input\na,\n", "d.csv:2: input: is null"),
        ("input\n1\n", "d.csv:2: case_id: missing"),
        ("id,input\n", "d.csv: no cases"),
    ],
)
def test_a_bad_row_is_named_with_the_line_where_it_starts(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        cases(read_dataset(write(tmp_path / "d.csv", text)))
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["d.jsonl", "d.csv"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"no cases in this file"):
        cases(read_dataset(write(tmp_path / name, "")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "expected a list of records"),
        ("[1]", "record 1: record: expected an object, got int"),
        ('[{"id": "a", "input": 1}, {"id": "b"}]', "record 2: input: missing"),
        ('[{"id": "a", "input": NaN}]', "[0].input: NaN"),
        ("[]", "no cases"),
    ],
)
def test_a_bad_record_of_a_json_file_is_named_by_number(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        cases(read_dataset(write(tmp_path / "d.json", text)))
    assert message in str(caught.value)


def test_a_named_field_that_is_missing_is_an_error_also_where_it_is_optional(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", lines({"id": "a", "input": 1, "gold": 2}))
    with pytest.raises(DataError, match=r"d.jsonl:1: golden: missing") as caught:
        cases(read_dataset(path, expected="golden"))
    assert "id, input, gold" in str(caught.value.hint)


def test_a_missing_file_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file"):
        read_dataset(tmp_path / "absent.jsonl")


@pytest.mark.parametrize("name", ["d.parquet", "d", ".jsonl", "d.gz"])
def test_an_unknown_format_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"not a dataset format"):
        read_dataset(write(tmp_path / name, ""))


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-9], lambda data: b"x" + data, lambda data: data[:40] + b"!!!" + data[43:]]
)
def test_a_damaged_archive_is_refused(tmp_path: Path, damage: Any) -> None:
    path = tmp_path / "d.jsonl.gz"
    path.write_bytes(damage(gzip.compress(lines(*({"id": i, "input": "x" * i} for i in range(99))).encode())))
    with pytest.raises(DataError, match=r"damaged gzip data"):
        cases(read_dataset(path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("d.jsonl", '{"id": "a", "input": "' + "x" * 5000 + '"}\n'),
        ("d.jsonl.gz", "x" * 5000),
        ("d.csv", "id,input\na,1\nb," + "x" * 5000 + "\n"),
        ("d.csv", 'id,input\nb,"' + "x\n" * 5000),
    ],
)
def test_a_record_over_the_limit_is_refused(tmp_path: Path, name: str, content: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(DataError, match=r":\d+: \w+: longer than 1,000 bytes"):
        cases(read_dataset(path, max_record=1000))


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    tracemalloc.start()
    with pytest.raises(DataError, match=r"d.jsonl:1: line: longer than"):
        cases(read_dataset(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 << 20


def test_memory_does_not_grow_with_the_records(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", lines(*({"id": f"{i}", "input": "x" * 2000} for i in range(5000))))
    tracemalloc.start()
    for _ in read_dataset(path).iter_cases():
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20


def test_a_csv_field_may_be_larger_than_the_default_of_the_csv_module(tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", f"id,input\na,{'x' * 300_000}\n")
    assert len(cases(read_dataset(path))[0].input) == 300_000


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=12)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5, unique_by=lambda row: row[0]))
def test_what_csv_writes_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("id", "input"), *rows])
    path = write(tmp_path_factory.mktemp("csv") / "d.csv", out.getvalue())
    assert [(case.case_id, case.input) for case in read_dataset(path).iter_cases()] == rows


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name in ("d.jsonl", "d.json", "d.csv"):
        path = folder / name
        path.write_bytes(data)
        try:
            list(itertools.islice(read_dataset(path).iter_cases(), 100))
        except DataError as error:
            assert name in str(error)
