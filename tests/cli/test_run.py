from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commandline import Project, make_project


def objects(project: Project) -> int:
    return int(project.here("status", "--json").document["objects"])


def test_the_quick_start(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    assert project("init").out == f"made a store: {tmp_path}/.themis\n"
    done = project("run", "main.toml", "--json")
    assert done.status == 3
    assert done.err == ""
    document = done.document
    assert document["schema"] == "themis.run/1"
    assert (document["name"], document["status"]) == ("main", "completed_with_failures")
    assert document["completed_through_stage"] == "judge"
    assert document["stages"]["generate"] == {"built": 9, "reused": 0, "failed": 1, "blocked": 0}
    assert document["stages"]["score"] == {"built": 18, "reused": 0, "failed": 0, "blocked": 2}
    assert document["metrics"]["exact_match"]["count"] == 9
    assert document["metrics"]["exact_match"]["failed"] == 1
    assert len(document["metrics"]["llm_rubric"]["ci"]) == 2
    assert document["objects_added"] > 0
    assert len(document["run_id"]) == 64


def test_a_second_run_builds_nothing_and_tries_what_failed_again(project: Project) -> None:
    document = project("run", "main.toml", "--json").document
    assert {stage: counts["built"] for stage, counts in document["stages"].items()} == dict.fromkeys(
        ("generate", "reduce", "parse", "score", "judge"), 0
    )
    assert document["stages"]["generate"]["failed"] == 1


def test_without_retry_nothing_is_added(project: Project) -> None:
    document = project("run", "main.toml", "--retry", "none", "--json").document
    assert document["objects_added"] == 0


def test_the_summary_names_stages_metrics_name_and_run(project: Project) -> None:
    done = project("run", "main.toml", COLUMNS="80")
    lines = done.out.splitlines()
    assert lines[0].split() == ["stage", "built", "reused", "failed"]
    assert any(line.split()[:4] == ["generate", "0", "9", "1"] for line in lines)
    assert any("passed through" in line for line in lines if line.startswith("reduce"))
    assert any(line.split()[0] == "llm_rubric" and " to " in line for line in lines if line)
    assert any(line.startswith("name  main") for line in lines)
    assert max(map(len, lines)) <= 90
    assert "\x1b" not in done.out + done.err
    assert "`themis ls main:generate --failed`" in done.err


def test_a_stage_to_stop_after(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project("init")
    document = project("run", "main.toml", "--until", "parse", "--json").document
    assert document["completed_through_stage"] == "parse"
    assert list(document["stages"]) == ["generate", "reduce", "parse"]


def test_settings_and_a_name_of_its_own(project: Project) -> None:
    settings = ("generation.candidate_policy.num_samples=2", "generation.reducer=builtin/majority_vote")
    flags = [part for setting in settings for part in ("--set", setting)]
    done = project("run", "main.toml", "--name", "two", *flags, "--json")
    assert done.document["name"] == "two"
    assert done.document["stages"]["generate"]["built"] == 9
    assert done.document["stages"]["generate"]["reused"] == 9
    assert {row["ref"] for row in project.here("ls", "--json").rows} == {"names/main", "names/two"}


def test_rerun_executes_everything(project: Project) -> None:
    stages = project("run", "main.toml", "--rerun", "--json").document["stages"]
    assert {stage: counts["reused"] for stage, counts in stages.items()} == dict.fromkeys(stages, 0)


def test_the_policy_error_refuses_a_run_that_exists(project: Project) -> None:
    done = project("run", "main.toml", "--policy", "error")
    assert done.status == 2
    assert "exists" in done.err


def test_a_dry_run_says_why_and_stores_nothing(project: Project) -> None:
    before = objects(project)
    project.edit("mine.py", ".strip()", ".strip().lower()")
    done = project("run", "main.toml", "--dry-run", "--json")
    assert done.status == 0
    assert done.document["stages"]["parse"]["pending"] == 9
    assert done.document["stages"]["score"]["blocked"] == 20
    parse = [step for step in done.document["pending"] if step["stage"] == "parse"]
    assert {reason["kind"] for step in parse for reason in step["reasons"]} == {"code changed"}
    assert {reason["field"] for step in parse for reason in step["reasons"]} == {"mine:tidy"}
    generate = [step for step in done.document["pending"] if step["stage"] == "generate"]
    assert [reason["kind"] for step in generate for reason in step["reasons"]] == ["failed before"]
    assert objects(project) == before


def test_a_dry_run_as_text_groups_the_steps_by_their_reasons(project: Project) -> None:
    with (project.path / "sums.jsonl").open("a") as file:
        file.write(json.dumps({"case_id": "new", "input": "1+1", "expected_output": "2"}) + "\n")
    out = project("run", "main.toml", "--dry-run", "--set", "evaluation.metrics.2.rubric=Is it kind?").out
    assert "  new case: sums/new" in out
    assert '  options changed: llm_rubric.rubric  "Is it right?" → "Is it kind?"' in out
    assert "\x1b" not in out


def test_without_a_store_nothing_is_made(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    done = project("run", "main.toml")
    assert done.status == 10
    assert "themis init" in done.err
    assert not (tmp_path / ".themis").exists()


def test_the_store_is_found_from_below(project: Project) -> None:
    below = project.path / "a" / "b"
    below.mkdir(parents=True)
    assert Project(below)("status").status == 0


def test_the_environment_names_the_store_and_the_flag_wins(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert project("init", "--store", str(other)).status == 0
    by_environment = project("status", "--json", THEMIS_DIR=str(other)).document
    assert (by_environment["store"], by_environment["chosen_by"]) == (str(other), "THEMIS_DIR")
    by_flag = project("--store", ".themis", "status", "--json", THEMIS_DIR=str(other)).document
    assert (by_flag["objects"] > 0, by_flag["chosen_by"]) == (True, "--store")


def test_a_directory_with_a_store_in_it_is_none_itself(project: Project) -> None:
    done = project("--store", str(project.path), "status")
    assert done.status == 10
    assert f"there is one at {project.path / '.themis'}" in done.err


def test_all_problems_of_an_experiment_are_listed(project: Project) -> None:
    settings = ("--set", "generation.generator=mine:anwser", "--set", 'evaluation.metrics=["builtin/f2"]')
    done = project("run", "main.toml", *settings, "--json")
    assert (done.status, done.out) == (2, "")
    error = json.loads(done.err)
    assert (error["schema"], error["code"], error["exit_status"]) == ("themis.error/1", "configuration", 2)
    assert {problem["path"] for problem in error["problems"]} == {"generation.generator", "evaluation.metrics.0"}
    assert "did you mean answer" in error["message"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run",), "Missing argument 'FILE'"),
        (("run", "absent.toml"), "no such file"),
        (("run", "mine.py"), "unknown kind of file"),
        (("run", "main.toml", "--until", "dance"), "'dance' is not one of"),
        (("run", "main.toml", "--concurrency", "0"), "0 is not in the range"),
        (("run", "main.toml", "--name", "a b"), "cannot name a ref"),
        (("run", "main.toml", "--set", "oops"), "expected PATH=VALUE"),
        (("run", "main.toml", "--rerun", "--policy", "auto"), "contradict"),
        (("run", "main.toml", "--rerum"), "--rerun"),
    ],
)
def test_what_cannot_be_meant_is_refused(finished: Project, arguments: tuple[str, ...], said: str) -> None:
    done = finished(*arguments)
    assert (done.status, done.out) == (2, "")
    assert said in done.err


def test_a_malformed_case_is_named_with_its_line(project: Project) -> None:
    with (project.path / "sums.jsonl").open("a") as file:
        file.write('{"case_id": "x", "input": \n')
    done = project("run", "main.toml")
    assert done.status == 1
    assert "sums.jsonl" in done.err
    assert "11" in done.err


def test_init_twice_is_harmless(project: Project) -> None:
    before = objects(project)
    done = project("init")
    assert (done.status, done.out) == (0, f"there is a store already: {project.path}/.themis\n")
    assert objects(project) == before


def test_init_as_json_says_where_and_whether_it_was_made(tmp_path: Path) -> None:
    project = Project(tmp_path)
    store = str(tmp_path / ".themis")
    assert project("init", "--json").document == {"store": store, "created": True}
    assert project("init", "--json").document == {"store": store, "created": False}


def test_a_literal_key_is_refused_with_the_way_out(project: Project) -> None:
    model = '{use = "builtin/openai_chat", base_url = "http://localhost", model = "m", api_key = "not-so-secret-1"}'
    done = project("run", "main.toml", "--set", f"generation.generator={model}")
    assert done.status == 2
    assert 'generation.generator.api_key: a literal where a reference is needed; write { env = "NAME" }' in done.err
    assert "not-so-secret-1" not in done.err


def test_a_rubric_that_is_missing_is_a_problem_of_the_configuration(project: Project) -> None:
    done = project("run", "main.toml", "--set", 'evaluation.metrics=["builtin/llm_rubric"]', "--json")
    (problem,) = json.loads(done.err)["problems"]
    assert (done.status, problem["path"]) == (2, "evaluation.metrics.0")


def test_init_in_two_places_at_once_is_refused(tmp_path: Path) -> None:
    done = make_project(tmp_path)("--store", "x", "init", "y")
    assert done.status == 2


def test_init_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = Project(tmp_path)("init", "--store", "file/x")
    assert done.status == 1
    assert "cannot create" in done.err
