"""`themis fetch`: bring runs here, and leave our names where they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.session import Session
from themis_vcs.cli.sharing import Meter, Options, forgotten_option, share, transfer_options
from themis_vcs.cli.signing import required_options

if TYPE_CHECKING:
    from themis_vcs.store.repository import Repository
    from themis_vcs.transfer.endpoint import Endpoint
    from themis_vcs.transfer.remotes import Remote
    from themis_vcs.transfer.sharing import Shared


@click.command(
    "fetch",
    cls=Command,
    short_help="Bring runs here, and leave our names where they are.",
    examples=[
        ("See what is new at origin, then compare", "themis fetch && themis diff main origin/main"),
        ("Only one name", "themis fetch origin main"),
        ("Nothing of the paper that is not signed by a trusted key", "themis fetch --require-signed 'paper*'"),
        ("Forget names that are gone there", "themis fetch --prune"),
    ],
)
@click.argument("remote", required=False)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--prune", is_flag=True, help="Take away REMOTE/NAME here for names that are gone there.")
@forgotten_option
@required_options
@transfer_options
@click.pass_obj
def command(
    session: Session,
    remote: str | None,
    names: tuple[str, ...],
    prune: bool,
    allow_forgotten: bool,
    require_signed: tuple[str, ...],
    trust: Path | None,
    options: Options,
) -> None:
    """Bring runs with all that they reach from REMOTE, a name or an address, by default origin.

    A name NAME there becomes REMOTE/NAME here; tags become tags, unless there is another one of that name. NAME may be
    a pattern; without one everything is brought. `themis pull` then moves our own names as well.
    """
    from themis_vcs.transfer.fetching import Required, bring

    def body(repository: Repository, where: Remote, endpoint: Endpoint, meter: Meter) -> Shared:
        repository.takes_forgotten = allow_forgotten
        return bring(
            repository,
            where,
            endpoint,
            names,
            required=Required(require_signed, trust),
            prune=prune,
            dry_run=options.dry_run,
            progress=meter,
        )

    share(session, remote, options, ("from", "receiving", "received"), body)
