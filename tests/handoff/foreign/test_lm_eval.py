"""Logs that lm-evaluation-harness wrote: every sample arrives, with the scores that its own summary has."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support.commandline import Project
from themis_vcs.handoff.foreign.lm_eval import lm_eval

LOGS = Path(__file__).parents[2] / "golden/imports/lm-eval/tests__table"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    assert project("init").status == 0
    return project


def test_every_sample_arrives_with_the_scores_of_the_summary(project: Project) -> None:
    (results,) = LOGS.glob("results_*.json")
    stated = json.loads(results.read_text())["results"]
    imported = project("import", "lm-eval", str(LOGS))
    assert imported.status == 0, imported.err
    sums = project("show", "sums", "--json").document
    assert sums["cases"] == stated["sums"]["sample_len"]
    for kind in ("strict-match", "flexible-extract"):
        found = sums["metrics"][f"exact_match_{kind}"]["mean"]
        assert found == pytest.approx(stated["sums"][f"exact_match,{kind}"], abs=1e-12)
    choices, pages = (project("show", task, "--json").document for task in ("choices", "pages"))
    for task, found in (("choices", choices), ("pages", pages)):
        assert found["datasets"] == {task: stated[task]["sample_len"]}
    for kind in ("acc", "acc_norm"):
        assert choices["metrics"][kind]["mean"] == pytest.approx(stated["choices"][f"{kind},none"], abs=1e-12)
    assert pages["metrics"] == {}
    assert "word_perplexity: not scores of single samples" in imported.err


def test_a_folder_that_vanishes_while_results_are_looked_for_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(LOGS, tmp_path / "results/model")
    (tmp_path / "results/gone").mkdir()
    scandir = os.scandir

    def vanished(path: str) -> object:
        if Path(path).name == "gone":
            raise FileNotFoundError(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", vanished)
    assert len(lm_eval([tmp_path / "results"])) == 3


def test_a_second_import_adds_nothing(project: Project) -> None:
    assert project("import", "lm-eval", str(LOGS)).status == 0
    before = project("stats", "--json").document["objects"]
    again = project("import", "lm-eval", str(LOGS))
    assert again.out.count("all of it is here already") == 3
    assert project("stats", "--json").document["objects"] == before


def test_a_name_for_several_runs_is_followed_by_what_tells_them_apart(project: Project) -> None:
    assert project("import", "lm-eval", str(LOGS), "--name", "mine").status == 0
    names = [row["ref"].removeprefix("names/") for row in project("ls", "--json").rows]
    assert names == ["mine/choices", "mine/pages", "mine/sums"]
