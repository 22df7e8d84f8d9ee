"""`themis archive` as a person meets it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.commandline import COMMAND, Project, environment, make_project
from tests.support.damage import damage_frame
from themis_vcs.store.repository import Repository


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a run, a tag of it, and beside it an archive in both forms. Tests only read it."""
    directory = tmp_path_factory.mktemp("made")
    project = make_project(directory / "project", 3)
    assert project("init").status == 0
    assert project("run", "main.toml").status == 3
    assert project("tag", "v1", "main").status == 0
    for name in ("paper", "paper.zip"):
        done = project("archive", "create", "main", "-o", f"../{name}", "--author", "Lovelace, Ada", "--license", "MIT")
        assert done.status == 0, done.err
    return project


@pytest.fixture
def elsewhere(made: Project, tmp_path: Path) -> Project:
    """A directory with the archives alone."""
    shutil.copytree(made.path.parent / "paper", tmp_path / "paper")
    shutil.copy(made.path.parent / "paper.zip", tmp_path)
    return Project(tmp_path)


@pytest.mark.parametrize("name", ["paper", "paper.zip"])
def test_an_archive_is_shown_verified_and_restored_without_the_store(
    name: str, made: Project, elsewhere: Project
) -> None:
    shown = elsewhere("archive", "show", name, "--json").document
    assert (shown["title"], shown["authors"], shown["license"]) == ("main", ["Ada Lovelace"], "MIT")
    verified = elsewhere("archive", "verify", name, "--json").document
    assert (verified["sound"], verified["problems"]) == (True, [])
    assert set(verified["runs"]) == set(shown["runs"])
    assert elsewhere("archive", "restore", name, "back").status == 0
    back = Project(elsewhere.path / "back")
    one, other = (each("show", "main", "--json").document for each in (made, back))
    assert one["oid"] == other["oid"]
    assert "nothing wrong" in back("fsck").out
    assert back("audit", "main").status in (0, 3)
    again = elsewhere("archive", "restore", name, "back")
    assert (again.status, "up to date" in again.out) == (0, True)


def test_the_default_directory_is_called_after_the_archive(elsewhere: Project) -> None:
    (elsewhere.path / "paper").rename(elsewhere.path / "bag")
    assert elsewhere("archive", "restore", "paper.zip").status == 0
    assert (elsewhere.path / "paper" / ".themis" / "format").is_file()


def test_a_directory_is_restored_beside_itself(elsewhere: Project) -> None:
    done = elsewhere("archive", "restore", "paper")
    assert done.status == 0, done.err
    assert (elsewhere.path / "paper-restored" / ".themis" / "format").is_file()
    assert elsewhere("archive", "verify", "paper").status == 0


@pytest.mark.parametrize("directory", ["paper", "paper/data", "paper/new"])
def test_no_store_is_made_in_an_archive(elsewhere: Project, directory: str) -> None:
    done = elsewhere("archive", "restore", "paper.zip", directory)
    assert (done.status, "an archive" in done.err, "init" in done.err) == (2, True, False), done.err
    assert elsewhere("archive", "verify", "paper").status == 0


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
def test_of_a_damaged_archive_nothing_is_left(elsewhere: Project, at: float) -> None:
    file = elsewhere.path / "paper/data/runs.bundle"
    data = bytearray(file.read_bytes())
    data[int(len(data) * at)] ^= 1
    file.write_bytes(data)
    assert elsewhere("archive", "restore", "paper", "back").status == 14
    assert not (elsewhere.path / "back").exists()
    (elsewhere.path / "empty").mkdir()
    assert elsewhere("archive", "restore", "paper", "empty").status == 14
    assert list((elsewhere.path / "empty").iterdir()) == []


def test_a_store_that_was_there_stays_where_the_archive_is_damaged(elsewhere: Project) -> None:
    assert elsewhere("init", "mine").status == 0
    file = elsewhere.path / "paper/data/runs.bundle"
    file.write_bytes(file.read_bytes()[:-1000])
    assert elsewhere("archive", "restore", "paper", "mine").status == 14
    assert (elsewhere.path / "mine" / ".themis" / "format").is_file()


def test_refs_that_are_no_names_are_shown_in_full(made: Project, tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    shutil.copytree(made.path, tmp_path / "project")
    project = Project(tmp_path / "project")
    for line in ("key generate me --no-passphrase", "sign main", "archive create main -o signed"):
        assert project(*line.split(), **environ).status == 0
    lines = [line.split() for line in project("archive", "show", "signed").out.splitlines()]
    shown = {line[1] for line in lines if line[0] == "ref"}
    assert {"main", "store/id"} < shown
    assert any(each.startswith("signatures/") and each.endswith("/names/main") for each in shown)


def test_a_restored_run_is_marked_with_where_it_came_from(elsewhere: Project) -> None:
    assert elsewhere("archive", "restore", "paper.zip", "back").status == 0
    report = Project(elsewhere.path / "back")("report", "main", "--json").document
    assert report["origin"].endswith("/paper.zip")


def test_a_store_that_is_there_gets_the_runs_added(elsewhere: Project) -> None:
    project = make_project(elsewhere.path / "mine", 2)
    assert project("init").status == 0
    assert project("run", "main.toml", "--set", "name=mine").status == 3
    assert elsewhere("archive", "restore", "paper", "mine").status == 0
    assert project("show", "main").status == 0
    assert project("show", "mine").status == 0


def test_a_line_that_has_gone_another_way_is_not_overwritten(elsewhere: Project) -> None:
    project = make_project(elsewhere.path / "mine", 2)
    assert project("init").status == 0
    assert project("run", "main.toml").status == 3
    before = project("show", "main", "--json").document["oid"]
    done = elsewhere("archive", "restore", "paper", "mine")
    assert (done.status, "hint" in done.err) == (12, True), done
    assert project("show", "main", "--json").document["oid"] == before
    assert elsewhere("archive", "restore", "paper", "mine", "--force").status == 0
    assert project("show", "main", "--json").document["oid"] != before


def test_damage_is_named_and_ends_with_14(elsewhere: Project) -> None:
    (file,) = (elsewhere.path / "paper").glob("data/runs/*/stages.jsonl")
    file.write_text(file.read_text().replace("sums", "sins", 1))
    (elsewhere.path / "paper/data/README.txt").unlink()
    done = elsewhere("archive", "verify", "paper")
    assert done.status == 14
    assert "README.txt" in done.out
    assert "stages.jsonl" in done.out
    assert "2 damaged files" in done.out
    document = elsewhere("archive", "verify", "paper", "--json")
    assert (document.status, document.document["sound"]) == (14, False)
    assert {each["file"].rpartition("/")[2] for each in document.document["problems"]} == {"README.txt", "stages.jsonl"}


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("create", "nothing", "-o", "x"), 11, "nothing"),
        (("create", "main", "-o", "../paper.zip"), 2, "is there already"),
        (("create", "main", "-o", ".", "--force"), 2, "not an archive"),
        (("create", "main", "-o", "no/such/x.zip"), 1, "cannot write"),
        (("create", "main", "-o", "x", "--orcid", "1"), 2, "more --orcid"),
        (("create", "main", "-o", "x", "--author", "A", "--orcid", "1"), 2, "ORCID"),
        (("create", "main", "-o", "x", "--license", "do what you like"), 2, "SPDX"),
        (("create", "main", "-o", "x", "--title", ""), 2, "--title"),
        (("create", "main", "-o", "a b.zip"), 2, "letters, digits"),
        (("create", "main"), 2, "--output"),
        (("verify", "nothing.zip"), 11, "no archive"),
        (("verify", "main.toml"), 1, "no archive"),
        (("verify", "."), 1, "no archive"),
        (("show", "."), 1, "no archive"),
        (("restore", "main.toml", "x"), 1, "no archive"),
        (("restore", "../paper", "../paper"), 2, "not empty"),
        (("restore", "../paper", "main.toml"), 2, "main.toml"),
    ],
)
def test_what_cannot_be_meant_is_refused(made: Project, arguments: tuple[str, ...], status: int, said: str) -> None:
    before = sorted(each.name for each in made.path.iterdir())
    done = made("archive", *arguments)
    assert (done.status, done.out) == (status, ""), done
    assert said in done.err
    assert sorted(each.name for each in made.path.iterdir()) == before


def test_an_error_is_json_where_json_was_asked_for(made: Project) -> None:
    done = made("archive", "verify", "nothing.zip", "--json")
    assert json.loads(done.err)["code"] == "not-found"


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", 200)
    assert project("init").status == 0
    assert project("run", "main.toml").status == 3
    process = subprocess.Popen(
        [COMMAND, "archive", "create", "main", "-o", "../x.zip"],
        cwd=project.path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not list(tmp_path.glob(".x.zip-*")):
        time.sleep(0.005)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, b"interrupted" in err) == (130, True)
    assert [each.name for each in tmp_path.iterdir()] == ["project"]


def test_the_report_of_a_store_elsewhere_has_no_part_in_the_bundle(made: Project, tmp_path: Path) -> None:
    """Two stores with the same run make archives whose bundle and text are equal."""
    assert Project(tmp_path)("clone", str(made.path), "copy").status == 0
    assert Project(tmp_path / "copy")("archive", "create", "main", "-o", "../again").status == 0
    one, other = (
        {each.name: each.read_bytes() for each in folder.rglob("*") if each.name in ("runs.bundle", "stages.jsonl")}
        for folder in (made.path.parent / "paper", tmp_path / "again")
    )
    assert one["stages.jsonl"] == other["stages.jsonl"]


def test_an_attestation_goes_into_an_archive_and_holds_for_what_is_restored(made: Project, tmp_path: Path) -> None:
    person = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert made("key", "generate", "me", "--no-passphrase", **person).status == 0
    assert made("key", "trust", "me", **person).status == 0
    done = made("archive", "create", "main", "-o", str(tmp_path / "signed"), "--attest", **person)
    assert done.status == 0, done.err
    elsewhere = Project(tmp_path)
    assert elsewhere("archive", "verify", "signed").status == 0
    assert "attestation.intoto.json" in (tmp_path / "signed/data/README.txt").read_text()
    (file,) = (tmp_path / "signed").rglob("attestation.intoto.json")
    assert elsewhere("verify-attestation", str(file), **person).status == 0
    assert elsewhere("archive", "restore", "signed", "back").status == 0
    back = Project(tmp_path / "back")
    assert back("verify-attestation", str(file), "main", **person).status == 0
    assert made("archive", "create", "main", "-o", str(tmp_path / "x"), "--key", "me", **person).status == 2


def test_a_damaged_store_is_repaired_from_an_archive(made: Project, elsewhere: Project) -> None:
    assert elsewhere("archive", "restore", "paper.zip", "back").status == 0
    back = Project(elsewhere.path / "back")
    oid = bytes.fromhex(back("show", "main", "--json").document["oid"])
    with Repository.open(back.path / ".themis") as repository:
        damage_frame(repository, oid)
    assert back("fsck").status == 14
    done = back("fsck", "--repair-from", "../paper.zip")
    assert (done.status, "1 object brought back" in done.out) == (0, True), done
    assert back("fsck").status == 0
