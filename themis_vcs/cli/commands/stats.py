"""`themis stats`: count what the store holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import Output, Part
from themis_vcs.cli.session import Session
from themis_vcs.cli.wording import size

if TYPE_CHECKING:
    from themis_vcs.analysis.inventory import Inventory


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
    """Count objects by kind with their bytes, and the files, refs and indexes. Reads and verifies every object."""
    from themis_vcs.analysis.inventory import inventory

    with session.reading() as repository:
        found = inventory(repository)
    if as_json:
        session.output.json(found)
    else:
        _print(session.output, found)


def _print(output: Output, found: Inventory) -> None:
    rows: list[list[Part]] = [["kind", "objects", "payload"]]
    for kind, each in found.kinds.items():
        rows.append([kind, f"{each.objects:,}", size(each.bytes)])
    rows.append(["all", f"{found.objects:,}", size(found.payload_bytes)])
    output.table(rows, right=(1, 2))
    output.line()
    ratio = f"; used bytes per payload byte: {found.ratio:.2f}" if found.ratio is not None else ""
    output.line(f"on disk       {size(found.file_bytes)}, {size(found.free_bytes)} of it free{ratio}")
    output.line(f"segments      {found.segments:,}")
    output.line(f"dictionaries  {found.dictionaries:,}")
    output.line(f"derivations   {found.derivations:,}")
    output.line("refs          ", ", ".join(f"{kind} {amount:,}" for kind, amount in found.refs.items()) or "none")
