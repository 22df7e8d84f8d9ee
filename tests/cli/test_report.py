"""`themis report`: the formats and what they are chosen by, on the terminal and in files."""

from __future__ import annotations

import csv
import json

import pytest

from tests.support.commandline import HOSTILE, Project
from themis_vcs.cli.output import fitted


def test_a_table_fits_a_terminal_and_shows_no_control_character(finished: Project) -> None:
    shown = finished("report", "main", COLUMNS="80")
    assert shown.status == 0
    lines = shown.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in shown.out
    assert any(line.startswith("exact_match ") for line in lines)


@pytest.mark.parametrize("where", [(), ("--where", "metric = exact_match")])
def test_a_table_says_how_many_rows_it_leaves_out(finished: Project, where: tuple[str, ...]) -> None:
    rows = len(finished("report", "main", "--format", "jsonl", *where).rows)
    shown = finished("report", "main", "--limit", "1", *where)
    assert f"and {rows - 1} more rows; --limit 0 shows all" in shown.out
    for enough in (str(rows), "0"):
        whole = finished("report", "main", "--limit", enough, *where).out
        assert "more row" not in whole
        assert len(whole.splitlines()) == len(shown.out.splitlines()) + rows - 2


@pytest.mark.parametrize("form", ["jsonl", "csv", "html"])
def test_limit_0_means_all_rows_in_every_format(finished: Project, form: str) -> None:
    assert finished("report", "main", "--format", form, "--limit", "0").out == (
        finished("report", "main", "--format", form).out
    )


def test_a_table_without_rows_says_so(finished: Project) -> None:
    done = finished("report", "main", "--where", "value > 1000")
    assert (done.status, done.err) == (0, "no rows\n")


def test_a_run_with_failures_says_how_many_cases_failed(finished: Project) -> None:
    done = finished("report", "main")
    assert "\ncomplete      all stages reached; 1 of 10 cases failed\n" in done.out
    assert finished("report", "main", "--json").document["cases_failed"] == 1


def test_the_json_document_is_the_same_by_either_name(finished: Project) -> None:
    one, other = finished("report", "main", "--json"), finished("report", "main", "--format", "json")
    assert one.out == other.out
    document = one.document
    assert document["schema"] == "themis.report/1"
    shown = finished("show", "main", "--json").document
    for each in document["metrics"]:
        assert each["mean"] == shown["metrics"][each["metric"]]["mean"]


def test_a_row_has_what_the_model_wrote(finished: Project) -> None:
    where = "case = hostile and metric = exact_match"
    rows = finished("report", "main", "--columns", "+output", "--format", "jsonl", "--where", where).rows
    assert [row["output"] for row in rows] == [HOSTILE]


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv", "tsv", "md", "tex", "html", "parquet", "arrow"])
def test_the_name_of_the_file_says_the_format(project: Project, suffix: str) -> None:
    name = f"r.{suffix}"
    assert project("report", "main", "-o", name).status == 0
    assert (project.path / name).stat().st_size > 0
    again = project("report", "main", "-o", name)
    assert (again.status, "is there already" in again.err) == (2, True)
    assert project("report", "main", "-o", name, "--force").status == 0


def test_csv_is_read_back_row_by_row(project: Project) -> None:
    assert project("report", "main", "-o", "r.csv").status == 0
    with (project.path / "r.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    document = json.loads(project("report", "main", "--json").out)
    assert [(row["case"], row["metric"]) for row in rows] == [(row["case"], row["metric"]) for row in document["rows"]]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("main", "--columns", "nothing"), 2, "no column 'nothing'"),
        (("main", "--where", "value ? 1"), 2, "?"),
        (("main", "--sort", "nothing"), 2, "no column 'nothing'"),
        (("main", "--by", "nothing"), 2, "nothing"),
        (("main", "--by", "metadata.subjekt"), 2, "no case has metadata.subjekt"),
        (("main", "--where", "value > abc"), 2, "the column holds numbers"),
        (("main:score",), 2, "is a part of a run, and a whole one is meant"),
        (("main", "-o", "report"), 2, "the format is not clear from its name"),
        (("main", "--format", "parquet"), 2, "name one: -o FILE"),
        (("main", "--format", "table", "-o", "x"), 2, "a table is for a terminal"),
        (("main", "--json", "--format", "csv"), 2, "cannot go together"),
        (("nobody",), 11, "no name, tag, run or object like that"),
        (("main", "-o", "no/such/folder/r.csv"), 1, "cannot write"),
    ],
)
def test_wrong_input(finished: Project, arguments: tuple[str, ...], status: int, said: str) -> None:
    outcome = finished("report", *arguments)
    assert (outcome.status, outcome.out) == (status, "")
    assert said in outcome.err


def test_a_table_clips_only_what_is_too_wide() -> None:
    rows = [["a" * 60, "b" * 20, "c"], ["d", "e", "f"]]
    assert fitted(rows, 80) == [["a" * 54 + "…", "b" * 20, "c"], ["d", "e", "f"]]
    assert fitted(rows, 20) == [["a" * 11 + "…", "b" * 11 + "…", "c"], ["d", "e", "f"]]
    assert fitted(rows, 85) == rows


def test_ids_that_are_too_long_lose_their_middle_and_stay_distinct() -> None:
    rows = [[f"addition-with-a-rather-long-name-{n:04}", "x" * 60] for n in range(20)]
    shown = fitted(rows, 60, names=[0])
    assert shown[7] == ["addition-with…-long-name-0007", "x" * 28 + "…"]


def test_a_dataset_that_is_the_only_one_stands_above_the_table(finished: Project) -> None:
    lines = finished("report", "main", COLUMNS="80").out.splitlines()
    at = lines.index("dataset sums")
    assert lines[at + 1].split() == ["case", "metric", "outcome", "value", "message"]
    named = finished("report", "main", "--columns", "dataset,case").out.splitlines()
    assert "dataset  case" in [line.strip() for line in named]
