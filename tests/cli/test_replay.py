from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commandline import Project, make_project

JUDGE = """
from themis_vcs import JudgeResponse, judge_model

@judge_model
def judge(prompt):
    return JudgeResponse("unsure:judge", '{"rationale": "", "score": 1}')
"""


def test_a_parser_edit_is_followed_only_where_it_changes_something(project: Project) -> None:
    project.edit("mine.py", '"14", "41"', '"12", "21"')
    stages = project("replay", "main.toml", "--stage", "parse", "--json").document["stages"]
    assert stages["generate"] == {"built": 0, "reused": 9, "failed": 1, "blocked": 0}
    assert stages["parse"]["built"] == 9
    assert stages["score"]["built"] == 2, "exact_match and f1 of the answer 12; that of 14 is on record again"
    assert stages["judge"]["built"] == 1


def test_a_stored_run_is_replayed_by_its_own_components(project: Project) -> None:
    done = project("replay", "main", "--stage", "judge", "--repeats", "3", "--json")
    assert done.status == 3
    assert done.document["stages"]["judge"]["built"] == 18
    assert done.document["name"] == "main"


def test_the_run_may_be_left_out_where_there_is_one_name(project: Project) -> None:
    assert project("replay", "--stage", "score", "--json").document["stages"]["score"]["built"] == 0


def test_one_metric_and_some_cases(project: Project) -> None:
    done = project(
        "replay", "main.toml", "--stage", "judge", "--fresh", "--case", "c[12]", "--metric", "llm_rubric", "--json"
    )
    assert done.document["stages"]["judge"]["built"] == 2


def test_a_dry_run_of_a_replay_stores_nothing(project: Project) -> None:
    done = project("replay", "main", "--stage", "judge", "--fresh", "--dry-run", "--json")
    assert (done.status, done.document["stages"]["judge"]["pending"]) == (0, 9)
    assert {reason["kind"] for step in done.document["pending"] for reason in step["reasons"]} == {"forced"}
    assert len(project.here("log", "main", "--json").rows) == 2


def test_from_an_older_run_onto_another_name(project: Project) -> None:
    done = project("replay", "main.toml", "--stage", "parse", "--base", "main@{1}", "--name", "other", "--json")
    assert done.document["name"] == "other"
    assert len(project.here("log", "other", "--json").rows) == 1


def test_a_dataset_that_was_edited_since_is_said_to_be_left_alone(project: Project) -> None:
    replay = ("replay", "main.toml", "--stage", "score")
    assert "datasets" not in project(*replay).err
    project.edit("sums.jsonl", '"3+3"', '"3 + 3"')
    done = project(*replay)
    said = "the datasets of main.toml have changed since the run: its cases are replayed; `themis run main.toml`"
    assert (done.status, said in done.err) == (3, True)
    (project.path / "sums.jsonl").write_text("no dataset any more\n")
    assert said in project(*replay, "--dry-run").err


def test_datasets_that_name_their_revisions_are_compared_by_them(project: Project) -> None:
    named = ("--set", "datasets.0.revision=one")
    project("run", "main.toml", *named)
    project.edit("sums.jsonl", '"3+3"', '"3 + 3"')
    assert "datasets" not in project("replay", "main.toml", "--stage", "score", *named).err
    assert "datasets" in project("replay", "main.toml", "--stage", "score", "--set", "datasets.0.revision=two").err


def test_a_judge_that_is_asked_again_is_said_to_be_not_deterministic(project: Project) -> None:
    judge = ("--set", 'evaluation.judge_models=["unsure:judge"]')
    (project.path / "unsure.py").write_text(JUDGE)
    project("run", "main.toml", *judge)
    out = project("replay", "main.toml", "--stage", "judge", *judge, "--dry-run").out
    assert "  not deterministic, so asked again: unsure:judge\n" in out


def test_before_the_first_run_there_is_nothing_to_replay(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    assert project("init").status == 0
    done = project("replay", "main.toml", "--stage", "parse")
    assert (done.status, "`themis run FILE` makes the first" in done.err) == (11, True)


def test_the_run_before_stays_reachable(project: Project) -> None:
    rows = project.here("log", "main", "--json").rows
    assert project.here("show", "main@{1}", "--json").document["oid"] == rows[1]["oid"]
    assert project.here("show", "main~1", "--json").document["oid"] == rows[1]["oid"]


def test_resume_finishes_what_was_begun(project: Project) -> None:
    project("run", "main.toml", "--name", "half", "--until", "generate")
    document = project("resume", "half", "--json").document
    assert (document["name"], document["completed_through_stage"]) == ("half", "judge")


def test_resume_refuses_code_that_has_changed(project: Project) -> None:
    project.edit("mine.py", ".strip()", ".strip().lower()")
    done = project("resume", "main")
    assert done.status == 2
    assert "changed since" in done.err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("replay", "main"), 2, "Missing option '--stage'"),
        (("replay", "main", "--stage", "prase"), 2, "'prase' is not one of"),
        (("replay", "nope", "--stage", "parse"), 11, "no name, tag, run or object"),
        (("replay", "absent.toml", "--stage", "parse"), 2, "no such file"),
        (("replay", "main", "--stage", "parse", "--set", "a=1"), 2, "goes with an experiment file"),
        (("replay", "main", "--stage", "parse", "--base", "main"), 2, "goes with an experiment file"),
        (("replay", "main.toml", "--stage", "parse", "--trust-code"), 2, "for a stored run"),
        (("replay", "main.toml", "--stage", "judge", "--metric", "nope"), 2, "there are: llm_rubric"),
        (("replay", "main", "--stage", "parse", "--fresh", "--changed-only"), 2, "contradict"),
        (("replay", "main", "--stage", "judge", "--repeats", "0"), 2, "0 is not in the range"),
        (("replay", "main", "--stage", "judge", "--name", "-x"), 2, "cannot name a ref"),
        (("resume", "nope"), 11, "no name, tag, run or object"),
        (("resume", "main", "--until", "x"), 2, "'x' is not one of"),
    ],
)
def test_what_cannot_be_meant_is_refused(finished: Project, arguments: tuple[str, ...], status: int, said: str) -> None:
    done = finished(*arguments)
    assert (done.status, done.out) == (status, "")
    assert said in done.err
