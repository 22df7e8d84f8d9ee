"""`themis ls-remote`: the names and tags of another store."""

from __future__ import annotations

from fnmatch import fnmatchcase

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import json_option
from themis_vcs.cli.session import Session
from themis_vcs.errors import NoStore


@click.command(
    "ls-remote",
    cls=Command,
    short_help="List the names and tags of another store.",
    examples=[
        ("Of origin", "themis ls-remote"),
        ("Of a store that is no remote here, only some", "themis ls-remote /srv/evals 'names/rubric-*'"),
    ],
)
@click.argument("remote", required=False)
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
@json_option("Print JSON Lines, one document per ref.")
@click.pass_obj
def command(session: Session, remote: str | None, patterns: tuple[str, ...], as_json: bool) -> None:
    """List the refs of REMOTE, a name or an address, by default origin: the id of the object, and the ref.

    PATTERN selects full names of refs, as in 'tags/*'. No store is needed here to ask an address.
    """
    from themis_vcs.transfer.remotes import connect, find

    try:
        known = session.settings().remotes()
    except NoStore:
        if remote is None:
            raise
        known = {}
    endpoint = connect(find(known, remote))
    try:
        refs = endpoint.refs()
    finally:
        endpoint.close()
    for ref, oid in sorted(refs.items()):
        if patterns and not any(fnmatchcase(ref, pattern) for pattern in patterns):
            continue
        if as_json:
            session.output.json_line({"ref": ref, "oid": oid.hex()})
        else:
            session.output.line(oid.hex(), "  ", ref)
