"""`themis audit` as a person meets it."""

from __future__ import annotations

from pathlib import Path

from tests.support.commandline import Project


def test_the_command_says_what_it_found_and_its_status(finished: Project) -> None:
    clean = finished.here("audit", "main")
    assert (clean.status, clean.out.count("reproduced")) == (0, 2)
    document = finished.here("audit", "main", "--level", "integrity", "--json").document
    assert (document["schema"], len(document["verdicts"]), document["findings"]) == ("themis.audit/1", 1, [])
    assert finished.here("audit", "nobody").status == 11


def test_what_came_from_elsewhere_is_reproduced_there(finished: Project, tmp_path: Path) -> None:
    copy = Project(tmp_path)
    assert copy("clone", str(finished.path / ".themis"), "copy").status == 0
    assert Project(tmp_path / "copy")("audit", "main").status == 0
