"""`themis init`: make a store."""

from __future__ import annotations

import os
from pathlib import Path

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import json_option
from themis_vcs.cli.session import Session
from themis_vcs.errors import UsageError


@click.command(
    "init",
    cls=Command,
    short_help="Make a store.",
    examples=[
        ("Make a store in the working directory", "themis init"),
        (
            "Make one in another directory, or exactly there",
            "themis init evals; themis --store /data/evals init",
        ),
    ],
)
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path, file_okay=False))
@json_option()
@click.pass_obj
def command(session: Session, directory: Path | None, as_json: bool) -> None:
    """Make a store: the directory .themis in DIR, by default in the working directory.

    With --store PATH, or THEMIS_DIR, the store is made at that path itself. A store that is there already is left as it
    is. The files are readable by their owner only.
    """
    from themis_vcs.store.layout import NAME
    from themis_vcs.store.repository import Repository

    if directory is not None and session.store is not None:
        raise UsageError("DIR and --store both say where the store shall be", hint="give one of them")
    named = session.store or (None if directory else os.environ.get("THEMIS_DIR"))
    path = Path(os.path.abspath(named or (directory or Path()) / NAME))
    existed = (path / "format").exists()
    Repository.init(path).close()
    if as_json:
        session.output.json({"store": str(path), "created": not existed})
    else:
        session.output.line("there is a store already: " if existed else "made a store: ", str(path))
