"""`themis bundle`: runs in one file, made, checked and read without any other store."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest

from tests.support.commandline import COMMAND, Project, environment, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A store with two runs of a name, and a tag on the first."""
    project = make_project(tmp_path / "project", 3)
    assert project("init").status == 0
    assert project("run", "main.toml").status == 3
    assert project("tag", "v1", "main").status == 0
    assert project("run", "main.toml", "--set", "seeds=[5]").status == 3
    return project


def beside(project: Project, name: str) -> str:
    return str(project.path.parent / name)


def test_a_bundle_is_verified_listed_and_cloned_without_the_store(project: Project, tmp_path: Path) -> None:
    file = beside(project, "all.bundle")
    made = project("bundle", "create", file, "--all", "--json").document
    assert set(made["refs"]) == {"names/main", "tags/v1"}
    project.path.rename(project.path.with_name("gone"))
    elsewhere = Project(tmp_path)
    verified = elsewhere("bundle", "verify", file, "--json").document
    assert (verified["refs"], verified["complete"], verified["needs"]) == (made["refs"], True, [])
    assert elsewhere("bundle", "list", file, "--json").document == {"refs": made["refs"], "needs": []}
    assert elsewhere("clone", file, "copy").status == 0
    copy = make_project(tmp_path / "copy", 3)
    assert "nothing wrong" in copy("fsck").out
    assert len(copy("log", "--json").rows) == 2
    assert copy("show", "v1").status == 0
    (copy.path / "mine.py").write_text((copy.path / "mine.py").read_text().replace("strip()", "strip().lower()"))
    again = copy("replay", "main.toml", "--stage", "parse", "--json").document
    assert again["stages"]["parse"]["built"] == 4
    assert copy("diff", "origin/main", "main").status == 0


def test_the_same_refs_give_the_same_bytes_here_and_where_they_were_cloned(project: Project, tmp_path: Path) -> None:
    files = [beside(project, f"{number}.bundle") for number in range(3)]
    for file in files[:2]:
        assert project("bundle", "create", file, "main").status == 0
    assert Project(tmp_path)("clone", files[0], "copy").status == 0
    assert Project(tmp_path / "copy")("bundle", "create", files[2], "main").status == 0
    assert len({Path(file).read_bytes() for file in files}) == 1


def test_an_incremental_bundle_names_what_it_builds_on(project: Project, tmp_path: Path) -> None:
    base, new = beside(project, "base.bundle"), beside(project, "new.bundle")
    assert project("bundle", "create", base, "v1").status == 0
    assert project("bundle", "create", new, "main", "--since", "v1").status == 0
    assert Path(new).stat().st_size < Path(base).stat().st_size
    assert "it builds on run" in project("bundle", "verify", new).out
    elsewhere = Project(tmp_path)
    refused = elsewhere("clone", new, "copy")
    assert (refused.status, "builds on" in refused.err, (tmp_path / "copy").exists()) == (11, True, False)
    assert elsewhere("clone", base, "copy").status == 0
    copy = Project(tmp_path / "copy")
    assert copy("pull", new).status == 0
    assert "nothing wrong" in copy("fsck").out
    assert copy("show", "main", "--json").document["oid"] == project("show", "main", "--json").document["oid"]


def test_a_pipe_carries_a_bundle(project: Project, tmp_path: Path) -> None:
    make = subprocess.run(
        [COMMAND, "bundle", "create", "-", "main"], cwd=project.path, env=environment(), capture_output=True, check=True
    )
    other = make_project(tmp_path / "other")
    assert other("init").status == 0
    take = subprocess.run(
        [COMMAND, "bundle", "unbundle", "-", "--json"],
        cwd=other.path, env=environment(), input=make.stdout, capture_output=True, check=True,
    )  # fmt: skip
    assert b'"outcome": "new"' in take.stdout
    assert "nothing wrong" in other("fsck").out
    cut = subprocess.run(
        [COMMAND, "bundle", "verify", "-"],
        env=environment(),
        input=make.stdout[:-100],
        capture_output=True,
        check=False,
    )
    assert cut.returncode == 14


def test_a_bundle_in_parts_is_verified_part_by_part_and_whole(project: Project, tmp_path: Path) -> None:
    draw = random.Random(1)
    cases = [{"case_id": f"x{n}", "input": str(n), "expected_output": draw.randbytes(2_000).hex()} for n in range(800)]
    (project.path / "sums.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
    project("run", "main.toml")
    name = beside(project, "parts.bundle")
    made = project("bundle", "create", name, "main", "--split", "1MiB", "--json").document
    files = [Path(row["file"]) for row in made["files"]]
    assert [file.name for file in files] == [f"parts.bundle.{number:03d}" for number in range(1, len(files) + 1)]
    assert len(files) > 1
    assert all(file.stat().st_size <= 1 << 20 for file in files)
    assert project("bundle", "verify", name).status == 0
    for file in files:
        assert "nothing wrong" in project("bundle", "verify", "--part", str(file)).out
    assert Project(tmp_path)("clone", name, "copy").status == 0
    assert "nothing wrong" in Project(tmp_path / "copy")("fsck").out
    files[-1].rename(files[-1].with_suffix(".gone"))
    assert f"part {len(files)} is missing" in project("bundle", "verify", name).err


@pytest.mark.parametrize("at", [3, 9, 14, 40, 300, 5_000, -3, -40, -60])
def test_a_changed_byte_is_found(project: Project, at: int) -> None:
    file = Path(beside(project, "x.bundle"))
    assert project("bundle", "create", str(file), "main").status == 0
    data = bytearray(file.read_bytes())
    data[at] ^= 4
    file.write_bytes(data)
    done = project("bundle", "verify", str(file))
    assert (done.status, done.out) in ((14, ""), (16, ""))
    assert "at byte" in done.err or "version" in done.err


def test_an_archive_that_is_taken_for_a_bundle_is_said_to_be_one(project: Project) -> None:
    assert project("archive", "create", "main", "-o", "main.zip").status == 0
    done = project("bundle", "verify", "main.zip")
    assert done.status == 14 and "`themis archive verify main.zip` checks those" in done.err
    done = project("bundle", "verify", "main.toml")
    assert "get it again" in done.err and "archive" not in done.err and "stored" not in done.err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("bundle", "create", "x.bundle", "nothing"), 11, "no name, tag, run"),
        (("bundle", "create", "x.bundle", "main", "main~1"), 2, "put them into two files"),
        (("bundle", "create", "x.bundle", "--split", "many"), 2, "is not a size"),
        (("bundle", "create", "x.bundle", "--split", "10kB"), 2, "a part is at least"),
        (("bundle", "create", "-", "main", "--split", "4GB"), 2, "neither split"),
        (("bundle", "create", "main.toml", "main"), 2, "is there already"),
        (("bundle", "create", "no/such/directory/x", "main"), 1, "cannot write"),
        (("bundle", "verify", "main.toml"), 14, "this is no bundle"),
        (("bundle", "verify", "nowhere.bundle"), 11, "there is no file nowhere.bundle"),
        (("bundle", "list", "mine.py"), 14, "this is no bundle"),
        (("push", "x.bundle"), 11, "neither a remote nor a path"),
    ],
)
def test_what_cannot_be_meant_is_refused(project: Project, arguments: tuple[str, ...], status: int, said: str) -> None:
    before = sorted(project.path.iterdir())
    done = project(*arguments)
    assert (done.status, done.out) == (status, "")
    assert said in done.err
    assert sorted(project.path.iterdir()) == before
