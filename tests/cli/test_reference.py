from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import click
import pytest

import themis_vcs
from themis_vcs.cli.app import COMMANDS, app
from themis_vcs.cli.command import Command
from themis_vcs.cli.reference import reference
from themis_vcs.errors import ThemisError

DOCS = Path(__file__).parents[2] / "docs" / "reference"
ROW = re.compile(r"^\| (\d+) \| .* \| (.*) \| .* \|$", re.MULTILINE)


def commands() -> list[Command]:
    context = click.Context(app, info_name="themis")
    found = [app.get_command(context, name) for name in app.list_commands(context)]
    assert all(isinstance(command, Command) for command in found)
    return found  # type: ignore[return-value]


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


@pytest.mark.parametrize("command", commands(), ids=lambda command: str(command.name))
def test_every_command_is_documented_to_the_end(command: Command) -> None:
    assert command.short_help == COMMANDS[str(command.name)]
    assert command.help
    assert command.examples
    assert command.get_help(click.Context(command, info_name="x")).rstrip().endswith(command.examples[-1][1])
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help


@pytest.mark.parametrize("command", commands(), ids=lambda command: str(command.name))
def test_the_examples_are_commands_that_exist(command: Command) -> None:
    for _, line in command.examples:
        parts = shlex.split(line.split("|")[0].split("&&")[0].split(";")[0].split(">")[0])
        assert parts[0] == "themis"
        arguments = [part for part in parts[1:] if part != "--store" and not part.startswith("/")]
        assert arguments[0] == command.name
        context = click.Context(command, info_name=command.name, parent=click.Context(app, info_name="themis"))
        command.parse_args(context, arguments[1:])
