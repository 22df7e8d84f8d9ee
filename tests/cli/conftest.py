from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.commandline import Project, make_project


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with two runs of `main`, the second after an edit of the parser that changes one answer.

    Tests only read it.
    """
    project = make_project(tmp_path_factory.mktemp("finished"))
    assert project("init").status == 0
    assert project("run", "main.toml").status == 3
    project.edit("mine.py", "final_output.strip()", 'final_output.strip().replace("14", "41")')
    assert project("replay", "main.toml", "--stage", "parse").status == 3
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of `finished` that a test may change."""
    shutil.copytree(finished.path, tmp_path / "project")
    return Project(tmp_path / "project")
