"""`themis run --sweep`: a run per combination, and what they have in common is executed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commandline import Project, make_project

RUBRIC = "evaluation.judge_config.rubric=@a.txt,@b.txt"


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    project = make_project(tmp_path / "project", cases=5)
    project.edit("main.toml", ', rubric = "Is it right?" }', " }")
    project.edit(
        "mine.py", "def answer(case, ctx):", "def answer(case, ctx):\n    print(case.case_id, file=open('asked', 'a'))"
    )
    (project.path / "a.txt").write_text("Is it right?")
    (project.path / "b.txt").write_text("Is it polite?")
    assert project("init").status == 0
    return project


def test_a_sweep_generates_once(fresh: Project) -> None:
    done = fresh("run", "main.toml", "--sweep", "--set", RUBRIC, "--json")
    assert done.status == 3
    assert [row["name"] for row in done.rows] == ["main-a", "main-b"]
    assert [row["stages"]["generate"]["built"] for row in done.rows] == [6, 0]
    assert [row["stages"]["judge"]["built"] for row in done.rows] == [6, 6]
    asked = (fresh.path / "asked").read_text().split()
    assert sorted(set(asked) - {"broken"}) == sorted(each for each in asked if each != "broken")
    assert done.err.splitlines()[-1] == "compare them: themis compare main-a main-b"


def test_compare_takes_the_runs_of_a_sweep(fresh: Project) -> None:
    done = fresh("run", "main.toml", "--sweep", "--set", RUBRIC, "--set", "evaluation.judge_repeats=1,2", "--name", "x")
    names = [line.split()[0] for line in done.out.splitlines()]
    assert names == ["x-a-1", "x-a-2", "x-b-1", "x-b-2"]
    found = fresh.here("compare", *names, "--metric", "llm_rubric", "--agreement", "--json").document
    assert [row["n"] for row in found["metrics"]] == [6, 6, 6]
    assert {(each["run"], each["other"]) for each in found["agreement"]} == {
        (0, 1),
        (0, 2),
        (0, 3),
        (1, None),
        (3, None),
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "several values"),
        (("--set", "seeds=[1],[2]", "--dry-run"), "--dry-run"),
        (("--set", "seeds=[1],[2]", "--rerun"), "--rerun"),
        (("--set", "seeds=[1],nothing"), "seeds"),
    ],
)
def test_a_sweep_that_cannot_be_meant_runs_nothing(fresh: Project, arguments: tuple[str, ...], said: str) -> None:
    done = fresh("run", "main.toml", "--sweep", *arguments)
    assert (done.status, done.out) == (2, "")
    assert said in done.err
    assert not (fresh.path / "asked").exists()
