"""`themis serve token`: who may use a store that is served."""

from __future__ import annotations

from typing import Literal

import click

from themis_vcs.cli.command import Command, Family
from themis_vcs.cli.failure import OK
from themis_vcs.cli.options import json_option
from themis_vcs.cli.session import Session
from themis_vcs.cli.wording import local


@click.command(
    "token",
    cls=Family,
    no_args_is_help=True,
    short_help="Make, list and end the tokens of a store.",
    examples=[("Let somebody push", "themis serve token create ci --scope write")],
)
def command() -> None:
    """Make, list and end the tokens that let somebody use a store that is served."""


@click.command(
    "create",
    cls=Command,
    short_help="Make a token and print it.",
    examples=[("Let somebody fetch", "themis serve token create alice --scope read")],
)
@click.argument("name")
@click.option("--scope", type=click.Choice(["read", "write"]), required=True, help="What it lets its holder do.")
@json_option()
@click.pass_obj
def create(session: Session, name: str, scope: Literal["read", "write"], as_json: bool) -> int:
    """Make the token NAME and print it, once: the store keeps its hash only. A server that runs knows it at once."""
    from themis_vcs.transfer.http import tokens

    with session.writing() as repository:
        text = tokens.create(repository, name, scope)
    if as_json:
        session.output.json({"name": name, "scope": scope, "token": text})
    else:
        session.output.line(text)
    return OK


@click.command(
    "list",
    cls=Command,
    reads=True,
    short_help="List the tokens.",
    examples=[("List the tokens", "themis serve token list")],
)
@json_option("Print JSON Lines, one per token.")
@click.pass_obj
def list_(session: Session, as_json: bool) -> int:
    """List the tokens that are in force: name, scope, and when each was made."""
    from themis_vcs.analysis.moment import moment
    from themis_vcs.transfer.http import tokens

    with session.reading() as repository:
        for each in tokens.tokens(repository):
            made = moment(each.time)
            if as_json:
                session.output.json_line({"name": each.name, "scope": each.scope, "time": made})
            else:
                session.output.line(f"{each.name}  {each.scope}  {local(made)[:16]}")
    return OK


@click.command(
    "revoke",
    cls=Command,
    short_help="End a token.",
    examples=[("End a token", "themis serve token revoke alice")],
)
@click.argument("name")
@json_option()
@click.pass_obj
def revoke(session: Session, name: str, as_json: bool) -> int:
    """End the token NAME, at once and for good, also for servers that run."""
    from themis_vcs.transfer.http import tokens

    with session.writing() as repository:
        ended = tokens.revoke(repository, name)
    if as_json:
        session.output.json({"name": name, "scope": ended.scope})
    else:
        session.output.line(f"{name} is revoked")
    return OK


for each in (create, list_, revoke):
    command.add_command(each)
