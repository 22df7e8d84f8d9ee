from __future__ import annotations

import faulthandler
import io
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from tests.support.commandline import Project
from tests.support.damage import REFUSED, damage_frame, overwrite
from themis_vcs.cli.failure import exit_status
from themis_vcs.cli.isolation import in_child
from themis_vcs.cli.output import Output
from themis_vcs.errors import Corrupt, RefConflict, StoreBusy, UsageError
from themis_vcs.store.repository import Repository


@pytest.fixture
def messages() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def output(messages: io.StringIO) -> Output:
    return Output(stdout=io.StringIO(), stderr=messages, environ={})


def raising(error: BaseException) -> Any:
    def body() -> None:
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("x"), 2),
        (RefConflict("names/x", None, b"\1" * 32), 12),
        (StoreBusy("x"), 13),
        (Corrupt("x"), 14),
        (click.UsageError("x"), 2),
        (click.exceptions.Exit(3), 3),
        (click.Abort(), 130),
        (KeyboardInterrupt(), 130),
        (ValueError("x"), 1),
    ],
)
def test_every_exception_has_its_exit_status(output: Output, error: BaseException, status: int) -> None:
    assert exit_status(raising(error), output) == status


def test_a_command_may_return_its_status(output: Output) -> None:
    assert exit_status(lambda: 3, output) == 3
    assert exit_status(lambda: None, output) == 0


def test_what_is_not_foreseen_names_its_type_and_the_way_to_more(
    output: Output, messages: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    exit_status(raising(ValueError("bad \x1b[31m")), output)
    assert messages.getvalue() == (
        "error: ValueError: bad \\x1b[31m\nhint: this is not foreseen; THEMIS_TRACEBACK=1 shows where it happened\n"
    )
    monkeypatch.setenv("THEMIS_TRACEBACK", "1")
    exit_status(raising(ValueError("again")), output)
    assert "in body" in messages.getvalue()


def test_damage_as_json_names_the_object(
    output: Output, messages: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["themis", "cat", "x", "--json"])
    exit_status(raising(Corrupt("bad", oid=b"\1" * 32)), output)
    error = json.loads(messages.getvalue())
    assert (error["code"], error["exit_status"], error["oid"]) == ("corrupt", 14, "01" * 32)


@pytest.mark.parametrize("number", [signal.SIGBUS, signal.SIGABRT, signal.SIGSEGV])
def test_death_by_a_damaged_page_is_an_exit_status(capfd: pytest.CaptureFixture[str], number: signal.Signals) -> None:
    def die() -> None:
        faulthandler.disable()
        os.kill(os.getpid(), number)

    status = in_child(die, Output())
    assert status == 14
    assert f"reading it ended by {number.name}" in capfd.readouterr().err


@pytest.mark.parametrize(("result", "status"), [(None, 0), (3, 3)])
def test_a_child_hands_on_its_status(result: int | None, status: int) -> None:
    assert in_child(lambda: result, Output()) == status


def test_a_child_reports_its_own_errors(capfd: pytest.CaptureFixture[str]) -> None:
    assert in_child(raising(StoreBusy("somebody writes")), Output()) == 13
    assert capfd.readouterr().err == "error: somebody writes\n"


@pytest.mark.parametrize("damage", ["truncated", "zeroed", "header"])
@pytest.mark.parametrize(
    "command", [("status",), ("log",), ("show", "main", "c7"), ("ls", "main:parse/sums"), ("stats",)]
)
def test_a_damaged_store_ends_in_status_14_and_is_never_believed(
    project: Project, damage: str, command: tuple[str, ...]
) -> None:
    data = project.path / ".themis" / "db" / "data.mdb"
    content = bytearray(data.read_bytes())
    if damage == "truncated":
        content = content[: len(content) // 2]
    else:
        start = 8_192 if damage == "zeroed" else 0
        stop = len(content) if damage == "zeroed" else 8_192
        content[start:stop] = bytes(stop - start)
    data.write_bytes(content)
    done = project(*command)
    assert done.status == 14
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err


def test_fsck_names_the_damaged_object_and_who_needs_it(project: Project) -> None:
    oid = project.here("ls", "main:parse/sums/c7", "--json").rows[0]["value_oid"]
    data = project.path / ".themis" / "db" / "data.mdb"
    whole = data.read_bytes()
    findings = []
    at = -1
    while not findings:
        at = whole.index(bytes.fromhex(oid), at + 1)
        content = bytearray(whole)
        content[at + 40] ^= 1
        data.write_bytes(content)
        done = project("fsck", "--json")
        findings = [finding for finding in done.document["findings"] if finding["oid"] == oid]
    assert done.status == 14
    assert "names/main" in findings[0]["users"]


def test_fsck_ends_with_what_to_do_about_damage(project: Project) -> None:
    oid = bytes.fromhex(project.here("ls", "main:parse/sums/c7", "--json").rows[0]["value_oid"])
    with Repository.open(project.path / ".themis") as repository:
        damage_frame(repository, oid)
    found = project("fsck")
    assert (found.status, "fsck --repair`" in found.err, "--repair-from REMOTE|" in found.err) == (14, True, True)
    repaired = project("fsck", "--repair")
    assert repaired.status == 14
    assert "what is named here cannot be made again" in repaired.err
    assert "--repair-from REMOTE|BUNDLE|ARCHIVE` brings lost objects from another store" in repaired.err


def test_faults_of_structure_are_one_line(project: Project) -> None:
    overwrite(project.path / ".themis" / "db" / "data.mdb", b"names/main\0" + (1).to_bytes(8, "big"), REFUSED)
    found = project("fsck")
    assert found.out.count("the database file is not as it was written") == 1
    assert "more faults of that kind" in found.out
    structure = [each for each in project("fsck", "--json").document["findings"] if each["code"] == "structure"]
    assert len(structure) > 1
    assert project("fsck", "--repair").status == 0
    assert project("fsck").err == ""


def test_a_store_of_a_newer_version_is_refused(project: Project) -> None:
    (project.path / ".themis" / "format").write_text("themis-store 2\n")
    done = project.here("status")
    assert (done.status, done.out) == (16, "")
    assert "newer themis-vcs" in done.err


@pytest.mark.parametrize("content", [b"", b"garbage\n", b"\xff\xfe", b"themis-store one\n", bytes(1_000_000)])
def test_a_format_that_is_none_is_damage_of_that_file(project: Project, content: bytes) -> None:
    file = project.path / ".themis" / "format"
    file.write_bytes(content)
    done = project("status")
    assert (done.status, str(file) in done.err, "`themis-store 1`" in done.err) == (14, True, True)


def test_a_store_that_cannot_be_written_says_what_to_look_at(project: Project) -> None:
    lock = project.path / ".themis" / "write.lock"
    lock.unlink()
    lock.mkdir()
    done = project("tag", "v1")
    assert (done.status, "hint: the store can be read as it is" in done.err) == (1, True)
    assert project("status").status == 0


def test_a_file_where_the_store_should_be(tmp_path: Path) -> None:
    (tmp_path / ".themis").write_text("")
    assert Project(tmp_path)("status").status == 10
