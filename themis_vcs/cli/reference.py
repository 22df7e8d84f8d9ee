"""The command reference in Markdown, made from the commands themselves (`docs/reference/cli.md`).

`python -m themis_vcs.cli.reference` prints it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import click

from themis_vcs.cli.app import app
from themis_vcs.cli.command import Command, Group
from themis_vcs.cli.output import Output

_HEADER = """\
# The command `themis`

This page is made from the commands by `python -m themis_vcs.cli.reference`; a test compares the two.

stdout carries data, stderr messages and progress; progress is shown only on a terminal. Every command that reads has
`--json`: one document, or JSON Lines where there is one document per row. The [exit status](exit-status.md) says what
came of a command. With `--json`, an error is one line of JSON on stderr: `{"schema": "themis.error/1", "code",
"message", "hint", "exit_status"}`, with `problems` for a configuration and `oid` and `ref` for damage.

What a model, a dataset or a component wrote is printed with every character escaped that is not printable, in errors
and names too. JSON has such characters as `\\uXXXX`; only `themis cat --raw` writes bytes as they are, and not to a
terminal.

| environment variable | what it does |
|---|---|
| `THEMIS_DIR` | the store, unless `--store` names one |
| `THEMIS_USER` | who a run or a tag is put down to; default `user@host` |
| `THEMIS_TRACEBACK` | show the traceback of an error that is not foreseen |
| `NO_COLOR`, `FORCE_COLOR` | no colours; colours also where there is no terminal; `--color` wins over both |
| `TERM=dumb` | a terminal without colours and without the live line |

The store is `--store`, else `THEMIS_DIR`, else for `run` and `replay` the one that the experiment file names, else the
nearest `.themis` in the working directory or above it; `themis status` shows which of these it was.
"""


def reference() -> str:
    """The whole page."""
    context = click.Context(app, info_name="themis")
    sections = [_HEADER, _section(app, context)]
    for name in app.list_commands(context):
        command = app.get_command(context, name)
        assert command is not None
        sections += _sections(command, click.Context(command, info_name=name, parent=context))
    return "\n".join(sections)


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    yield _section(command, context)
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from _sections(each, click.Context(each, info_name=name, parent=context))


def _section(command: click.Command, context: click.Context) -> str:
    lines = [f"## {context.command_path}", "", "```", " ".join(_usage(command, context)), "```", ""]
    lines += [_paragraphs(command.help or ""), ""]
    rows = [*_options(command.params), ("`-h`, `--help`", "Show this help and exit.")]
    lines += ["| option | what it does |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows), ""]
    if isinstance(command, click.Group):
        here = context.command_path.replace(" ", "-")
        names = (f"[`{name}`](#{here}-{name}): {text}" for name, text in _members(command))
        lines += ["Commands:", "", *(f"- {text}" for text in names), ""]
    if isinstance(command, Command | Group):
        lines += _examples(command.examples)
    return "\n".join(lines)


def _members(group: click.Group) -> Iterator[tuple[str, str]]:
    if isinstance(group, Group):
        yield from group.lazy.items()
    for name, command in group.commands.items():
        yield name, command.short_help or ""


def _usage(command: click.Command, context: click.Context) -> Iterator[str]:
    yield context.command_path
    yield from command.collect_usage_pieces(context)


def _paragraphs(text: str) -> str:
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _options(parameters: Sequence[click.Parameter]) -> Iterator[tuple[str, str]]:
    for each in parameters:
        if isinstance(each, click.Option) and not each.hidden:
            yield _name(each), _text(each)


def _name(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    if option.is_flag:
        return names
    return f"{names} `{option.metavar or _choices(option) or 'TEXT'}`".replace("|", "\\|")


def _text(option: click.Option) -> str:
    text = option.help or ""
    default: Any = option.default
    if isinstance(default, str | int) and not option.is_flag and default != "":
        text += f" Default: `{default}`."
    return text + (" Required." if option.required else "")


def _choices(option: click.Option) -> str:
    return "|".join(option.type.choices) if isinstance(option.type, click.Choice) else ""


def _examples(examples: Sequence[tuple[str, str]]) -> list[str]:
    lines = ["```console"]
    for number, (what, line) in enumerate(examples):
        lines += [*([""] if number else []), f"# {what}", f"$ {line}"]
    return [*lines, "```", ""] if examples else []


if __name__ == "__main__":
    Output().raw(reference().encode())
