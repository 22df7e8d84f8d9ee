"""`themis compare` as a person meets it: what it prints, at 80 columns and as JSON, and how it ends."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.commandline import HOSTILE, Project, make_project

WORSE = 'final_output.strip().replace("2", "7")'


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """`main` with two runs, the second after an edit of the parser that spoils many answers. Tests only read it."""
    project = make_project(tmp_path_factory.mktemp("compared"), cases=60)
    assert project("init").status == 0
    assert project("run", "main.toml").status == 3
    project.edit("mine.py", "final_output.strip()", WORSE)
    assert project("replay", "main.toml", "--stage", "parse").status == 3
    return project


def test_a_person_reads_what_is_better_and_how_sure_that_is(compared: Project) -> None:
    done = compared.here("compare", "main@{1}", "main", "--metric", "exact_match")
    assert done.status == 0
    sentence = next(line for line in done.out.splitlines() if line.startswith("main is"))
    assert re.fullmatch(
        r"main is worse on exact_match by 0\.\d{4} \[0\.\d{4}, 0\.\d{4}\], p <0\.0001 \(Holm\)", sentence
    ), sentence
    assert "Tango score" in done.out or "BCa, counts" in done.out
    assert "McNemar, exact" in done.out
    assert "failed cases (of base, candidate) are left out" in done.out


def test_a_person_reads_what_could_have_been_found(compared: Project) -> None:
    done = compared.here("compare", "main", "main@{1}", "--metric", "llm_rubric", "--power", "0.05")
    sentence = next(line for line in done.out.splitlines() if line.startswith("no difference"))
    assert sentence.startswith("no difference found on llm_rubric: ")
    assert re.search(r"; smallest that 61 cases could have shown: 0\.\d+; \d+ cases would show 0\.05$", sentence)


def test_it_says_where_a_metric_is_not_the_same_in_both_runs(compared: Project) -> None:
    lines = compared.here("compare", "main@{1}", "main", "--metric", "exact_match").out.splitlines()
    note = "  note: exact_match is not measured alike in both runs; it may be that alone"
    assert note in lines
    assert re.fullmatch(r"    parser mine:tidy #[0-9a-f]{12} → mine:tidy #[0-9a-f]{12}", lines[lines.index(note) + 1])
    assert "not measured alike" not in compared.here("compare", "main", "main").out


def test_every_figure_has_n_and_failed(compared: Project) -> None:
    document = compared.here("compare", "main@{1}", "main", "--json").document
    assert document["schema"] == "themis.compare/1"
    assert {row["metric"] for row in document["metrics"]} == {"exact_match", "f1", "llm_rubric"}
    for row in document["metrics"]:
        assert (row["pairs"], row["n"], row["base_failed"], row["candidate_failed"]) == (62, 61, 1, 1)
        assert row["wins"] + row["losses"] + row["ties"] == row["n"]
    text = compared.here("compare", "main@{1}", "main").out
    assert text.count("61    1, 1") == 3


@pytest.mark.parametrize("options", [(), ("--by", "dataset"), ("--agreement",), ("--failed", "zero")])
def test_the_tables_fit_into_80_columns(compared: Project, options: tuple[str, ...]) -> None:
    done = compared.here("compare", "main@{1}", "main", *options)
    tables = [line for line in done.out.splitlines() if re.match(r"metric| +n |exact_match |f1 |llm_rubric |  ", line)]
    assert len(tables) >= 8
    assert max(map(len, tables)) <= 80


def test_two_identical_runs_do_not_differ(compared: Project) -> None:
    done = compared.here("compare", "main", "main")
    assert "they are the same run" in done.out
    assert "no difference on f1: all 61 cases have the same score in both" in done.out


def test_a_condition_that_holds_ends_with_3_and_its_reason(compared: Project) -> None:
    done = compared.here("compare", "main@{1}", "main", "--fail-if", "exact_match < base - 0.01")
    assert done.status == 3
    assert re.search(r"^fails  exact_match < base - 0\.01  main: exact_match 0\.\d+ is < 0\.\d+", done.out, re.M)
    done = compared.here("compare", "main", "main@{1}", "--fail-if", "exact_match < base", "--fail-if", "f1.low < base")
    assert done.status == 0
    assert done.out.count("passes  ") == 2
    done = compared.here("compare", "main@{1}", "main", "--fail-if", "f1 < 0.999", "--json")
    assert (done.status, done.document["fail_if"][0]["holds"]) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("main", "main@{1}", "--fail-if", "accuracy < base"), 2, "no metric accuracy in both runs"),
        (("main", "main@{1}", "--fail-if", "f1 is lower"), 2, "not a condition"),
        (("main", "main@{1}", "--metric", "accuracy"), 2, "there are exact_match, f1, llm_rubric"),
        (("main", "main@{1}", "--power", "0"), 2, "not in the range"),
        (("main", "main@{1}", "--by", "metadata"), 2, "no place in a case"),
        (("main", "main@{1}", "--by", "metadata.subject"), 2, "no case has metadata.subject"),
        (("main", "nobody"), 11, "nobody"),
        (("main",), 2, "CANDIDATE"),
    ],
)
def test_what_cannot_be_meant_is_refused(compared: Project, arguments: tuple[str, ...], status: int, said: str) -> None:
    done = compared.here("compare", *arguments)
    assert (done.status, done.out) == (status, "")
    assert said in done.err


def test_cases_of_one_run_alone_are_counted_and_named(compared: Project, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", cases=12)
    more = [{"case_id": f"x{n} {HOSTILE}", "input": "1", "expected_output": "1"} for n in range(30)]
    with (project.path / "sums.jsonl").open("a") as file:
        file.writelines(json.dumps(case) + "\n" for case in more)
    project("init")
    project("run", "main.toml")
    (project.path / "sums.jsonl").write_text(json.dumps({"case_id": "c0", "input": "0+0", "expected_output": "1"}))
    project("run", "main.toml")
    done = project.here("compare", "main@{1}", "main", "--limit", "2")
    assert "43 cases only in the base: sums/broken, sums/c1 and 41 more" in done.out
    assert "1 case with another content, paired all the same: sums/c0" in done.out
    whole = project.here("compare", "main@{1}", "main", "--limit", "0").out
    assert whole.count("sums/x") == 30
    assert not set(whole) & set("\x1b\x07\x9b\u202e")
    assert len(project.here("compare", "main@{1}", "main", "--json").document["candidates"][0]["only_base"]) == 43


def test_agreement_says_how_many_answers_were_the_same(compared: Project) -> None:
    done = compared.here("compare", "main@{1}", "main", "--agreement")
    assert re.search(r"agreement of main@\{1\} and main on llm_rubric: (\d+) of \1 cases \(100\.0%\)", done.out)
    assert re.search(r"\d+ cases left out: the answers are not the same", done.out)
    assert "Cohen's kappa 1.000" in done.out


def test_what_failed_cases_are_is_a_setting_of_the_store(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", cases=4)
    project("init")
    project("run", "main.toml")
    assert project.here("compare", "main", "main", "--json").document["failed"] == "exclude"
    assert project.here("config", "analysis.failed", "none").status == 2
    assert project.here("config", "analysis.failed", "zero").status == 0
    assert "analysis.failed = zero" in project.here("config").out
    found = project.here("compare", "main", "main", "--json").document
    assert (found["failed"], found["metrics"][0]["n"]) == ("zero", 6)
    assert "failed cases (of base, candidate) are counted as 0" in project.here("compare", "main", "main").out
    assert project.here("compare", "main", "main", "--failed", "exclude", "--json").document["failed"] == "exclude"


def test_without_numpy_it_says_what_to_install(compared: Project, tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise ImportError('No module named numpy')")
    done = compared("compare", "main", "main", PYTHONPATH=str(tmp_path))
    assert done.status == 2
    assert "comparisons need numpy and scipy" in done.err
    assert "pip install 'themis-vcs[stats]'" in done.err
