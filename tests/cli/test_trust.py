"""Whose code a stored run may have executed: what an experiment here has named, nothing that came along."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commandline import Project

CODE = """
from pathlib import Path

from themis_vcs import GenerationResult, generator

(Path(__file__).parent / "imported").write_text("")


@generator
def answer(case, ctx):
    return GenerationResult("4")
"""
FILE = """
name = "run"

[generation]
generator = "theirs:answer"

[evaluation]
metrics = ["builtin/exact_match"]

[[datasets]]
path = "sums.jsonl"
"""


def made(path: Path) -> Project:
    path.mkdir()
    return Project(path)


@pytest.fixture
def theirs(tmp_path: Path) -> Project:
    """Somebody else's store with a run of their own code, and what they hand over."""
    there = made(tmp_path / "theirs")
    (there.path / "theirs.py").write_text(CODE)
    (there.path / "run.toml").write_text(FILE)
    (there.path / "sums.jsonl").write_text('{"case_id": "a", "input": "2+2", "expected_output": "4"}\n')
    assert there("init").status == 0
    assert there("run", "run.toml").status == 0
    assert there("export", "score", "run", "-o", "run.jsonl").status == 0
    (there.path / "imported").unlink()
    return there


@pytest.fixture
def ours(theirs: Project, tmp_path: Path) -> Project:
    here = made(tmp_path / "ours")
    assert here("init").status == 0
    assert here("import", "score", str(theirs.path / "run.jsonl")).status == 0
    return here


GENERATE = ("replay", "run", "--stage", "generate", "--fresh")


def test_code_of_an_imported_run_is_not_imported(ours: Project, theirs: Project) -> None:
    for command in (GENERATE, ("resume", "run")):
        refused = ours(*command)
        assert (refused.status, "theirs:answer is somebody's code" in refused.err) == (2, True)
    assert not (theirs.path / "imported").exists()


def test_a_replay_of_other_stages_does_not_make_it_known(ours: Project, theirs: Project) -> None:
    assert ours("replay", "run", "--stage", "score").status == 0
    for command in (GENERATE, ("resume", "run")):
        refused = ours(*command)
        assert (refused.status, "theirs:answer is somebody's code" in refused.err) == (2, True)
    assert not (theirs.path / "imported").exists()


def test_a_replay_of_our_experiment_on_it_does_not_either(ours: Project, theirs: Project) -> None:
    (ours.path / "mine.toml").write_text(FILE.replace("theirs:answer", "builtin/demo").replace('"run"', '"mine"'))
    (ours.path / "sums.jsonl").write_bytes((theirs.path / "sums.jsonl").read_bytes())
    assert ours("replay", "mine.toml", "--stage", "score", "--base", "run").status == 0
    assert ours("replay", "mine", "--stage", "generate", "--fresh").status == 2
    assert not (theirs.path / "imported").exists()


def test_trusted_code_is_looked_for_here_and_not_where_the_run_says(ours: Project, theirs: Project) -> None:
    absent = ours(*GENERATE, "--trust-code")
    assert (absent.status, "theirs" in absent.err) == (2, True)
    assert not (theirs.path / "imported").exists()
    (ours.path / "theirs.py").write_text(CODE)
    assert ours(*GENERATE, "--trust-code").status == 0
    assert (ours.path / "imported").exists()


def test_code_that_an_experiment_has_named_here_is_known(theirs: Project, tmp_path: Path) -> None:
    store = str(theirs.path / ".themis")
    again = made(tmp_path / "elsewhere")("--store", store, *GENERATE)
    assert again.status == 0, again.err
    assert (theirs.path / "imported").exists()
