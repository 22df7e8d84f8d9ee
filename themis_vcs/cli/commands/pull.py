"""`themis pull`: bring runs here, and move our names to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.session import Session
from themis_vcs.cli.sharing import Meter, Options, forgotten_option, pulled, share, transfer_options
from themis_vcs.cli.signing import required_options

if TYPE_CHECKING:
    from themis_vcs.store.repository import Repository
    from themis_vcs.transfer.endpoint import Endpoint
    from themis_vcs.transfer.remotes import Remote
    from themis_vcs.transfer.sharing import Shared


@click.command(
    "pull",
    cls=Command,
    short_help="Bring runs here, and move our names to them.",
    examples=[
        ("Bring everything from origin", "themis pull"),
        ("One name from a store beside this one", "themis pull ../other main"),
        ("From a bundle", "themis pull results.bundle"),
        ("Only what a trusted key has signed", "themis pull --require-signed '*'"),
    ],
)
@click.argument("remote", required=False)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--force", is_flag=True, help="Move our names even if runs are lost by it; the reflog keeps them.")
@forgotten_option
@required_options
@transfer_options
@click.pass_obj
def command(
    session: Session,
    remote: str | None,
    names: tuple[str, ...],
    force: bool,
    allow_forgotten: bool,
    require_signed: tuple[str, ...],
    trust: Path | None,
    options: Options,
) -> None:
    """Fetch from REMOTE, by default origin, then move each name here to where it is there.

    A name that is not here yet is made. One that has runs which are only here stays, if the remote's has nothing new;
    if both have, the pull is rejected and no name moves: there is no merging of runs. What was fetched stays, as
    REMOTE/NAME.
    """

    from themis_vcs.transfer.fetching import Required

    def body(repository: Repository, where: Remote, endpoint: Endpoint, meter: Meter) -> Shared:
        return pulled(
            repository,
            where,
            endpoint,
            meter,
            names,
            required=Required(require_signed, trust),
            force=force,
            allow_forgotten=allow_forgotten,
            dry_run=options.dry_run,
        )

    share(session, remote, options, ("from", "receiving", "received"), body)
