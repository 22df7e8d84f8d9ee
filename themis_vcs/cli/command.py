"""What commands are made of: help that ends with examples, global options, modules that are loaded when called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import Any

import click

from themis_vcs.cli.failure import PIPE_CLOSED
from themis_vcs.cli.isolation import in_child
from themis_vcs.errors import UsageError


class Command(click.Command):
    """A command whose help ends with examples.

    One that only reads the store runs in a child process, since a damaged file can end a process by a signal.
    """

    def __init__(
        self, *args: Any, examples: Sequence[tuple[str, str]] = (), reads: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(global_options(hidden=True))
        self.examples = list(examples)
        self.reads = reads

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each below what it does."""
        write_examples(self.examples, formatter)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, in a child process where that is wanted."""
        if self.reads and ctx.obj.isolated:
            ctx.exit(in_child(lambda: super(Command, self).invoke(ctx), ctx.obj.output))
        return super().invoke(ctx)


class Group(click.Group):
    """The commands by name, each imported when it is called; `--help` needs none of them."""

    def __init__(
        self,
        *args: Any,
        lazy: Mapping[str, str],
        examples: Sequence[tuple[str, str]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.params[:0] = global_options(hidden=False)
        self.lazy = dict(lazy)
        self.examples = list(examples)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. click would make a plain failure of a pipe that is closed."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            ctx.exit(PIPE_CLOSED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands, in the order of a first use."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported."""
        if cmd_name not in self.lazy:
            return None
        name = cmd_name.replace("-", "_") + ("_" if iskeyword(cmd_name) else "")
        command = import_module(f"themis_vcs.cli.commands.{name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it; an unknown name gets the nearest one as a hint."""
        if args[0] not in self.lazy and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], self.lazy, n=2, cutoff=0.6)
            hint = f"did you mean {' or '.join(near)}?" if near else "`themis --help` lists the commands"
            raise UsageError(f"no such command: {args[0]}", hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names and what each does, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.lazy.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(self.examples, formatter)


class Family(Command, click.Group):
    """A command with commands of its own. If it has no examples, its help ends with the first of each of these."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which they were defined."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it; for an unknown name it is said which there are."""
        if args[0] not in self.commands and not args[0].startswith("-"):
            raise UsageError(f"no such command: {self.name} {args[0]}", hint=f"there are {', '.join(self.commands)}")
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        firsts = [each.examples[0] for each in self.commands.values() if isinstance(each, Command)]
        write_examples(self.examples or firsts, formatter)


def write_examples(examples: Sequence[tuple[str, str]], formatter: click.HelpFormatter) -> None:
    """The last section of a help: commands, each below what it does."""
    if examples:
        with formatter.section("Examples"):
            for number, (what, line) in enumerate(examples):
                formatter.write(("\n" if number else "") + f"  # {what}\n  $ {line}\n")


def global_options(*, hidden: bool) -> list[click.Parameter]:
    """`--store` and `--color`, which may stand before and after the name of a command."""

    def remember(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value is not None and ctx.obj is not None and not ctx.resilient_parsing:
            setattr(ctx.obj, str(parameter.name), value)

    shared: dict[str, Any] = {"expose_value": False, "callback": remember, "hidden": hidden}
    return [
        click.Option(
            ["--store"],
            type=click.Path(path_type=Path),
            metavar="PATH",
            help="The store. Without it: THEMIS_DIR, else the nearest .themis from here upwards.",
            **shared,
        ),
        click.Option(
            ["--color"],
            type=click.Choice(["auto", "always", "never"]),
            help="Colours: auto is on a terminal, and obeys NO_COLOR, FORCE_COLOR and TERM=dumb.",
            **shared,
        ),
    ]
