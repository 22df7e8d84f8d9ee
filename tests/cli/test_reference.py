from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import click
import pytest

import themis_vcs
from themis_vcs.cli.app import COMMANDS, app
from themis_vcs.cli.command import Command, Family
from themis_vcs.cli.reference import reference
from themis_vcs.errors import ThemisError

DOCS = Path(__file__).parents[2] / "docs" / "reference"
ROW = re.compile(r"^\| (\d+) \| .* \| (.*) \| .* \|$", re.MULTILINE)


def commands() -> dict[str, Command]:
    context = click.Context(app, info_name="themis")
    found: dict[str, Command] = {}
    for name in app.list_commands(context):
        command = app.get_command(context, name)
        assert isinstance(command, Command)
        found.update(members(name, command))
    return found


def members(line: str, command: Command) -> Iterator[tuple[str, Command]]:
    """Yield the command, unless it only leads to others, and those."""
    below = command.commands if isinstance(command, Family) else {}
    if not below or command.examples:
        yield line, command
    for name, each in below.items():
        assert isinstance(each, Command)
        yield from members(f"{line} {name}", each)


def test_the_command_reference_is_current() -> None:
    """If this fails: python -m themis_vcs.cli.reference > docs/reference/cli.md"""
    assert (DOCS / "cli.md").read_text() == reference()


def test_the_table_of_exit_statuses_has_every_error() -> None:
    for module in walk_packages(themis_vcs.__path__, "themis_vcs."):
        if not module.name.startswith("themis_vcs.cli.commands"):
            import_module(module.name)
    classes, pending = set(), [ThemisError]
    while pending:
        kind = pending.pop()
        if kind.__module__.startswith("themis_vcs."):
            classes.add(kind)
        pending.extend(kind.__subclasses__())
    text = (DOCS / "exit-status.md").read_text()
    documented = {(int(row[1]), code) for row in ROW.finditer(text) for code in re.findall(r"`([a-z-]+)`", row[2])}
    assert documented - {(1, "unforeseen")} == {(kind.exit_status, kind.code) for kind in classes}


@pytest.mark.parametrize("line", commands())
def test_every_command_is_documented_to_the_end(line: str) -> None:
    command = commands()[line]
    assert " " in line or command.short_help == COMMANDS[line]
    assert command.short_help
    assert command.help
    assert command.examples
    assert command.get_help(click.Context(command, info_name="x")).rstrip().endswith(command.examples[-1][1])
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help


@pytest.mark.parametrize("line", commands())
def test_the_examples_are_commands_that_exist(line: str) -> None:
    command, words = commands()[line], line.split()
    for _, example in command.examples:
        parts = shlex.split(example.split("|")[0].split("&&")[0].split(";")[0].split(">")[0])
        assert parts[0] == "themis"
        arguments = [part for part in parts[1:] if part != "--store" and not part.startswith("/data/evals")]
        assert arguments[: len(words)] == words
        if isinstance(command, Family) and arguments[len(words) :] and arguments[len(words)] in command.commands:
            continue  # the example of one of them
        context = click.Context(command, info_name=command.name, parent=click.Context(app, info_name="themis"))
        command.parse_args(context, arguments[len(words) :])
