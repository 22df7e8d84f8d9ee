"""`themis clone`: make a store with everything that another one has."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.making import kept_if_filled
from themis_vcs.cli.session import Session
from themis_vcs.cli.sharing import Options, carry_out, pulled
from themis_vcs.cli.signing import required_options
from themis_vcs.errors import UsageError


@click.command(
    "clone",
    cls=Command,
    short_help="Make a store with everything that another one has.",
    examples=[
        ("From a store on this machine", "themis clone /srv/evals"),
        ("Over ssh, into a directory of another name", "themis clone me@host:evals theirs"),
        ("From a bundle, without any network", "themis clone results.bundle"),
        ("From a server that asks for a token", "themis clone https://evals.example -c token-env=TEAM_TOKEN"),
    ],
)
@click.argument("address", metavar="URL")
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--origin", metavar="NAME", default="origin", show_default=True, help="What to call the remote.")
@click.option(
    "-c",
    "--config",
    "given",
    metavar="KEY=VALUE",
    multiple=True,
    help="A setting of the remote, as in token-env=TEAM_TOKEN or endpoint=URL; kept. Repeatable.",
)
@required_options
@click.option("--progress", is_flag=True, help="Show progress although stderr is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, themis.transfer/1.")
@click.pass_obj
def command(
    session: Session,
    address: str,
    directory: Path | None,
    origin: str,
    given: tuple[str, ...],
    require_signed: tuple[str, ...],
    trust: Path | None,
    progress: bool,
    as_json: bool,
) -> None:
    """Make the store DIR/.themis, with the store at URL as its remote, and pull everything from there.

    DIR is by default the last part of URL, and must not be there yet or be empty. What --require-signed asks for is
    kept as a setting of the remote: every later fetch and pull from there asks for it too. What arrived before an
    interruption stays; `themis pull` in DIR goes on from there.
    """
    from themis_vcs.store.address import parse
    from themis_vcs.store.editing import add_remote
    from themis_vcs.store.layout import NAME
    from themis_vcs.store.repository import Repository
    from themis_vcs.store.settings import Settings, check_remote, parsed
    from themis_vcs.transfer.fetching import SETTING, Required
    from themis_vcs.transfer.remotes import connect, named

    check_remote(origin)
    settings = dict(_setting(each) for each in given)
    values = {key: parsed(f"remote.{origin}.{key}", value) for key, value in settings.items()}
    where = named(origin, parse(address), values)
    directory = Path(where.address.stem) if directory is None else directory
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is there already, and not empty", hint="name another directory")
    endpoint = connect(where, directory / NAME)
    try:
        endpoint.refs()
        with (
            kept_if_filled(session.output, directory, "`themis pull` there"),
            Repository.init(directory / NAME) as repository,
        ):
            if require_signed:
                settings[SETTING] = " ".join(dict.fromkeys([*settings.get(SETTING, "").split(), *require_signed]))
            add_remote(Settings(directory / NAME), origin, {"url": where.address.text, **settings})
            verbs = ("cloned from", "receiving", "received")
            body = partial(pulled, required=Required(require_signed, trust))
            carry_out(session.output, repository, where, endpoint, Options(False, progress, as_json), verbs, body)
    finally:
        endpoint.close()


def _setting(given: str) -> tuple[str, str]:
    key, equals, value = given.partition("=")
    if not equals:
        raise UsageError(f"{key[:80]!r} is not KEY=VALUE", hint="as in -c token-env=TEAM_TOKEN")
    if key == "url":
        raise UsageError("the address of a clone is its argument URL")
    return key, value
