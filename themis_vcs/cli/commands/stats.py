"""`themis stats`: count what the store holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import Output, Part, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.wording import size

if TYPE_CHECKING:
    from themis_vcs.analysis.inventory import Inventory
    from themis_vcs.store.usage import Usage


@click.command(
    "stats",
    cls=Command,
    reads=True,
    short_help="Say what the store holds, and what takes the space.",
    examples=[
        ("How large is it, and what takes the room?", "themis stats"),
        ("How well does it compress?", "themis stats --json | jq .ratio"),
    ],
)
@json_option()
@click.pass_obj
def command(session: Session, as_json: bool) -> None:
    """Say what takes the space: objects by kind, steps by stage and values by type, with their bytes before and after
    compression; how much names and tags reach, each beyond those before it, how much only reflogs reach, and how much
    nothing; and count files, refs and indexes. Reads and verifies every object.
    """
    from themis_vcs.analysis.inventory import inventory

    with session.reading() as repository:
        found = inventory(repository)
    if as_json:
        session.output.json(found)
    else:
        _print(session.output, found)


def _print_usage(output: Output, usage: Usage) -> None:
    from msgspec.structs import astuple

    rows: list[list[Part]] = [["what", "objects", "payload", "on disk"]]
    rows += [[what, f"{each.objects:,}", size(each.bytes), size(each.stored)] for what, each in usage.parts.items()]
    parts = usage.parts.values()
    amount, payload, stored = (sum(each[at] for each in map(astuple, parts)) for at in range(3))
    rows.append(["all", f"{amount:,}", size(payload), size(stored)])
    output.table(rows, right=(1, 2, 3))
    output.line()
    rows = [["reached by", "objects", "on disk"]]
    rows += [[each.by, f"{each.objects:,}", size(each.stored)] for each in usage.reached if each.objects]
    output.table(rows, right=(1, 2))
    output.line(dim("each line counts what those above it do not reach; `themis gc` deletes what nothing reaches"))
    output.line()


def _print(output: Output, found: Inventory) -> None:
    if found.usage is not None:
        _print_usage(output, found.usage)
    ratio = f"; used bytes per payload byte: {found.ratio:.2f}" if found.ratio is not None else ""
    output.line(f"on disk       {size(found.file_bytes)}, {size(found.free_bytes)} of it free{ratio}")
    output.line(f"segments      {found.segments:,}")
    output.line(f"dictionaries  {found.dictionaries:,}")
    output.line(f"derivations   {found.derivations:,}")
    output.line("refs          ", ", ".join(f"{kind} {amount:,}" for kind, amount in found.refs.items()) or "none")
