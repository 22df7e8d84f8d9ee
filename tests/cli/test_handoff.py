"""A run that stops here, is judged in another store by another process, and comes back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.commandline import Project

GENERATOR = """
import os
from themis_vcs import generator

@generator(deterministic=True)
def answer(case, ctx):
    with open("asked.txt", "a") as file:
        print(os.getpid(), case.case_id, file=file)
    return str(case.expected_output)
"""
JUDGE = """
import json, os
from themis_vcs import JudgeResponse, judge_model

@judge_model(deterministic=True)
def judge(prompt, seed=None):
    with open("judged.txt", "a") as file:
        print(os.getpid(), file=file)
    return JudgeResponse("counting", json.dumps({"score": 1.0, "rationale": "so it is"}))
"""
EXPERIMENT = """
name = "main"
[generation]
generator = "answering:answer"
[evaluation]
parsers = ["builtin/text"]
metrics = ["builtin/exact_match"{metrics}]
{judge}
[[datasets]]
path = "questions.jsonl"
"""
CASES = 7


@pytest.fixture
def here(tmp_path: Path) -> Project:
    """Where answers are made; its experiment judges nothing."""
    (tmp_path / "here").mkdir()
    project = Project(tmp_path / "here")
    (project.path / "answering.py").write_text(GENERATOR)
    (project.path / "main.toml").write_text(EXPERIMENT.format(metrics="", judge=""))
    rows = [{"case_id": f"c{n}", "input": f"{n}+{n}", "expected_output": str(2 * n)} for n in range(CASES)]
    (project.path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert project("init").status == 0
    return project


@pytest.fixture
def there(tmp_path: Path) -> Project:
    """Where answers are judged: there is neither the generator nor the dataset."""
    (tmp_path / "there").mkdir()
    project = Project(tmp_path / "there")
    (project.path / "judging.py").write_text(JUDGE)
    judge = 'judge_models = ["judging:judge"]\njudge_config = { rubric = "Is it so?" }'
    (project.path / "main.toml").write_text(EXPERIMENT.format(metrics=', "builtin/llm_rubric"', judge=judge))
    assert project("init").status == 0
    return project


def called(project: Project, name: str) -> list[str]:
    """The process ids of the calls that a component noted."""
    file = project.path / name
    return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []


def roots(project: Project) -> dict[str, str]:
    """The oids of the stages of main."""
    from themis_vcs import Repository
    from themis_vcs.model.objects import Stage
    from themis_vcs.store.resolve import resolve_run

    with Repository.open(project.path / ".themis", readonly=True) as repository:
        _, run = resolve_run(repository, "main")
        return {repository.load(oid, Stage).name: oid.hex() for oid in run.stages}


@pytest.mark.parametrize("suffix", ["bundle", "jsonl"])
@pytest.mark.parametrize("only", [[], ["--only"]], ids=["whole", "only"])
def test_the_walk_there_and_back(here: Project, there: Project, tmp_path: Path, suffix: str, only: list[str]) -> None:
    scored, judged = str(tmp_path / f"scored.{suffix}"), str(tmp_path / f"judged.{suffix}")
    stopped = here("run", "main.toml", "--until", "score", "--json").document
    assert (stopped["status"], stopped["completed_through_stage"]) == ("stopped", "score")
    assert here("export", "score", "main", "-o", scored).status == 0
    arrived = there("import", "score", scored, "--json").document
    assert (arrived["outcome"], arrived["completed_through_stage"]) == ("new", "score")
    judging = there("replay", "main.toml", "--stage", "judge", "--json").document
    assert judging["status"] == "completed"
    assert there("export", "evaluation", "main", *only, "-o", judged).status == 0
    back = here("import", "evaluation", judged, "--json").document
    assert (back["status"], back["completed_through_stage"]) == ("completed", "judge")
    assert roots(here) == roots(there)
    assert list(roots(here)) == ["generate", "reduce", "parse", "score", "judge"]
    assert len(called(here, "asked.txt")) == CASES
    assert len(called(there, "judged.txt")) == CASES
    assert called(here, "judged.txt") == called(there, "asked.txt") == []
    assert set(called(here, "asked.txt")).isdisjoint(called(there, "judged.txt"))
    assert str(os.getpid()) not in called(here, "asked.txt") + called(there, "judged.txt")
    shown = [project("show", "main", "--json").document for project in (here, there)]
    assert shown[0]["metrics"] == shown[1]["metrics"]
    assert shown[0]["metrics"]["llm_rubric"]["mean"] == 1.0
    assert shown[0]["origin"] == judged
    assert "nothing wrong" in here("fsck").out


def test_every_boundary_can_be_stopped_at(here: Project, there: Project, tmp_path: Path) -> None:
    names = {"generate": "generation", "reduce": "reduction", "parse": "parse", "score": "score", "judge": "evaluation"}
    for stage, boundary in names.items():
        result = here("run", "main.toml", "--until", stage, "--json").document
        assert result["completed_through_stage"] == stage
        file = str(tmp_path / f"{boundary}.jsonl")
        assert here("export", stage, "-o", file).status == 0
        imported = there("import", boundary, file, "--json").document
        assert (imported["completed_through_stage"], imported["outcome"]) == (
            stage,
            "new" if stage == "generate" else "merged",
        )
    assert roots(here) == roots(there)
    assert len(called(here, "asked.txt")) == CASES


def test_through_a_pipe(here: Project, there: Project, tmp_path: Path) -> None:
    import subprocess

    from tests.support.commandline import COMMAND, environment

    assert here("run", "main.toml").status == 0
    line = f"{COMMAND} --store here/.themis export evaluation | {COMMAND} --store there/.themis import evaluation -"
    done = subprocess.run(line, shell=True, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    assert "records of evaluation from stdin" in done.stdout
    assert roots(here) == roots(there)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("export", "scores"), 2, "did you mean score?"),
        (("export", "evaluation"), 11, "has no judge stage"),
        (("export", "score", "elsewhere"), 11, "no name, tag, run or object like that"),
        (("export", "score", "-o", "main.toml"), 2, "is there already"),
        (("export", "score", "--json"), 2, "name a file: -o FILE"),
        (("export", "score", "-o", "no/such/folder"), 1, "cannot write no/such/folder"),
        (("import", "score", "nothing.jsonl"), 11, "there is no file nothing.jsonl"),
        (("import", "score", "main.toml"), 1, "main.toml:1: this is no line of JSON"),
        (("import", "score", "questions.jsonl"), 1, "questions.jsonl:1: "),
        (("import", "score", "empty"), 1, "empty: the file is empty"),
        (("import", "generation", "score.jsonl"), 2, "`themis import score` takes it"),
        (("import", "generation", "score.bundle"), 2, "`themis import score` takes it"),
        (("import", "score", "whole.bundle"), 1, "but not one of a stage"),
        (("import", "score", "cut.bundle"), 14, "cut.bundle"),
        (("import", "score", "score.jsonl", "--name", "a b"), 2, "a b"),
        (("import", "scores", "x"), 2, "no such command: import scores"),
    ],
)
def test_wrong_input(here: Project, arguments: tuple[str, ...], status: int, said: str) -> None:
    assert here("run", "main.toml", "--until", "score").status == 0
    for name in ("score.jsonl", "score.bundle"):
        assert here("export", "score", "-o", name).status == 0
    assert here("run", "main.toml", "--set", "seeds=[3]", "--until", "parse").status == 0
    assert here("bundle", "create", "whole.bundle", "--all").status == 0
    (here.path / "cut.bundle").write_bytes((here.path / "score.bundle").read_bytes()[:-40])
    (here.path / "empty").write_bytes(b"")
    before = here("ls", "--json").out, here("stats", "--json").document["objects"]
    if arguments[:2] == ("export", "score"):
        assert here("run", "main.toml", "--until", "score").status == 0
        before = here("ls", "--json").out, here("stats", "--json").document["objects"]
    outcome = here(*arguments)
    assert (outcome.status, outcome.out) == (status, "")
    assert said in outcome.err
    assert (here("ls", "--json").out, here("stats", "--json").document["objects"]) == before
