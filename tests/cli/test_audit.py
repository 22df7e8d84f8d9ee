"""`themis audit` as a person meets it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.support.commandline import HOSTILE, Project

PARSER = "final_output.strip()"


def test_the_command_says_what_it_found_and_its_status(finished: Project) -> None:
    clean = finished.here("audit", "main")
    assert (clean.status, clean.out.count("reproduced")) == (0, 3)
    document = finished.here("audit", "main", "--level", "integrity", "--json").document
    assert (document["schema"], len(document["verdicts"]), document["findings"]) == ("themis.audit/1", 1, [])
    assert finished.here("audit", "nobody").status == 11


def test_what_came_from_elsewhere_is_reproduced_there(finished: Project, tmp_path: Path) -> None:
    copy = Project(tmp_path)
    assert copy("clone", str(finished.path / ".themis"), "copy").status == 0
    assert Project(tmp_path / "copy")("audit", "main").status == 0
    again = Project(tmp_path / "copy")("audit", "main", "--reexecute", "--stages", "parse")
    assert "mine:tidy is somebody's code" in again.out
    assert (again.status, "1 component could not be executed (mine:tidy)" in again.out) == (3, True)


def test_it_says_which_file_was_executed(finished: Project, tmp_path: Path) -> None:
    """In a copy without the module, that is the one where the run was made."""
    copy = tmp_path / "without"
    shutil.copytree(finished.path, copy)
    (copy / "mine.py").unlink()
    again = Project(copy)("audit", "main", "--reexecute", "--json")
    file = str(finished.path / "mine.py")
    assert {each["file"] for each in again.document["imported"]} == {file}
    for form in ("text", "markdown", "html"):
        said = Project(copy)("audit", "main", "--reexecute", "--stages", "parse", "--format", form).out
        assert "mine" in said
        assert file in said.replace("\\", "").replace("&#46;", ".").replace("&#58;", ":")
    assert Project(copy)("audit", "main", "--json").document["imported"] == []


def test_components_are_executed_again_and_their_prints_stay_out_of_the_audit(project: Project) -> None:
    found = project("audit", "main", "--reexecute", "--json")
    assert found.status == 0, found.out
    verdict = found.document["verdicts"][-1]
    assert (verdict["level"], verdict["outcome"]) == ("re-execution", "reproduced")
    assert {each["code"] for each in found.document["findings"]} <= {"origin"}


def test_without_reexecute_no_module_of_the_experiment_is_imported(project: Project) -> None:
    project.edit("mine.py", "HOSTILE =", "raise SystemExit(99)\nHOSTILE =")
    assert project("audit", "main").status == 0
    again = project("audit", "main", "--reexecute")
    assert "cannot tell" in again.out


def test_an_edit_of_a_component_is_a_warning_and_not_executed(project: Project) -> None:
    project.edit("mine.py", PARSER, f"{PARSER}.lower()")
    found = project("audit", "main", "--reexecute", "--stages", "parse")
    assert found.status == 3
    assert "component-differs" in found.out
    assert "its code or configuration is not what it was" in found.out


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_pages_carry_hostile_text_as_text(project: Project, form: str) -> None:
    page = project("audit", "main", "--reexecute", "--format", form)
    assert page.status == 0
    assert HOSTILE not in page.out
    assert "\x1b" not in page.out
    assert "re-execution" in page.out.replace("\\", "")


def test_the_page_loads_and_executes_nothing(finished: Project) -> None:
    page = finished.here("audit", "main", "--format", "html").out
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=", page)


def test_two_runs_are_compared_and_an_earlier_one_is_taken_as_audited(finished: Project) -> None:
    against = finished.here("audit", "main", "--against", "main~1", "--json")
    assert against.status == 3
    assert {each["code"] for each in against.document["findings"]} >= {"component-differs"}
    since = finished.here("audit", "main", "--since", "main~1")
    assert since.status == 0
    assert "was taken as audited" in " ".join(since.out.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--sample", "5"), "--sample is about what is executed again"),
        (("--component", "mine:tidy"), "--component is about what is executed again"),
        (("--stages", "parse"), "--stages is about what is executed again"),
        (("--reexecute", "--level", "integrity"), "--reexecute goes through all levels"),
        (("--reexecute", "--stages", "parse,sore"), "unknown stage 'sore'"),
        (("--reexecute", "--component", "nothing"), "no component nothing in this run"),
        (("--level", "integrity", "--against", "main~1"), "--against compares surroundings"),
        (("--json", "--format", "html"), "cannot go together"),
    ],
)
def test_options_that_do_not_go_together_are_refused(finished: Project, options: tuple[str, ...], said: str) -> None:
    refused = finished.here("audit", "main", *options)
    assert refused.status == 2
    assert said in refused.err
