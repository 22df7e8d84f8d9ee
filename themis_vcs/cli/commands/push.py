"""`themis push`: send runs to another store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.session import Session
from themis_vcs.cli.sharing import Meter, Options, narrowing_options, share, transfer_options
from themis_vcs.cli.signing import KeyChoice, key_options
from themis_vcs.errors import UsageError

if TYPE_CHECKING:
    from themis_vcs.model.oid import Oid
    from themis_vcs.store.repository import Repository
    from themis_vcs.transfer.endpoint import Endpoint
    from themis_vcs.transfer.remotes import Remote
    from themis_vcs.transfer.sharing import Shared

LEASE = "--force-with-lease"


@click.command(
    "push",
    cls=Command,
    short_help="Send runs to another store.",
    examples=[
        ("Send the only name to origin", "themis push"),
        ("Send all names that begin so, and a tag", "themis push origin 'rubric-*' paper-v1"),
        ("What would be sent?", "themis push --all --dry-run"),
        ("Send the only name and vouch for it", "themis push --signed"),
        ("Take a name away there", "themis push origin --delete draft"),
    ],
)
@click.argument("remote", required=False)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Send every name.")
@click.option("--tags", is_flag=True, help="Send every tag; without NAME and --all, tags only.")
@click.option("--delete", is_flag=True, help="Take the names away there. What they named stays in that store.")
@click.option("--force", is_flag=True, help="Move names there even if runs are lost by it.")
@click.option(
    LEASE,
    "lease",
    is_flag=True,
    help="As --force, but only names that are there where the last fetch or push saw them.",
)
@click.option("--signed", is_flag=True, help="Sign what is sent, unless this key has signed it already.")
@key_options
@click.option("--atomic/--no-atomic", default=True, help="Whether all names move or none.", show_default=True)
@narrowing_options
@transfer_options
@click.pass_obj
def command(
    session: Session,
    remote: str | None,
    names: tuple[str, ...],
    everything: bool,
    tags: bool,
    delete: bool,
    force: bool,
    lease: bool,
    signed: bool,
    choice: KeyChoice,
    atomic: bool,
    stages: str | None,
    observations: bool,
    options: Options,
) -> None:
    """Send runs with all that they reach to REMOTE, a name or an address, by default origin.

    NAME is a name, a tag, or a pattern of such; without one the store's only name is sent. Only objects that are not
    there are sent, and refs move last: what is cut off goes on with the next push. A name moves there if no run is lost
    by that; otherwise the push is rejected as a whole, but for tombstones, and says what is there. What --stages
    or --no-observations leave out makes other run objects with the same run ids and values: a store that gets such ones
    should always get such.
    """
    from themis_vcs.transfer.attached import Side, plan_detached
    from themis_vcs.transfer.narrow import Narrowing
    from themis_vcs.transfer.pushing import plan_signed_push
    from themis_vcs.transfer.sharing import Insistence, plan_deletions, push

    whole = stages is None and observations
    _check(force=force, lease=lease, delete=delete, named=bool(names), signed=signed, whole=whole, by=choice)
    insistence = Insistence(force, {} if lease else None)
    signer = choice.signer if signed and not options.dry_run else None

    def body(repository: Repository, where: Remote, endpoint: Endpoint, meter: Meter) -> Shared:
        if lease and not where.name:
            raise UsageError(f"{LEASE} needs a remote with a name", hint="`themis remote add NAME URL` gives it one")
        there = Side(endpoint.refs(), endpoint)
        if delete:
            changes = plan_deletions(repository, there.refs, names, where.tracking, insistence)
            changes += plan_detached(there.refs, changes)
        else:
            narrowing = Narrowing(repository, stages.split(",") if stages else None, observations=observations)
            wanted = narrowing.refs(_wanted(session, repository, names, everything, tags))
            tracking = where.tracking
            changes = plan_signed_push(repository, there, wanted, tracking, insistence, atomic, along=whole, by=signer)
        noted, dry = where.tracking if where.name else "", options.dry_run
        return push(
            repository,
            endpoint,
            changes,
            tracking=noted,
            atomic=atomic,
            seen=there.refs,
            dry_run=dry,
            progress=meter,
        )

    share(session, remote, options, ("to", "sending", "sent"), body)


def _check(*, force: bool, lease: bool, delete: bool, named: bool, signed: bool, whole: bool, by: KeyChoice) -> None:
    """UsageError for options that cannot be meant together."""
    if force and lease:
        raise UsageError(f"--force and {LEASE} exclude each other")
    if delete and not named:
        raise UsageError("say which names are to be taken away there", hint="themis push REMOTE --delete NAME")
    if signed and (delete or not whole):
        raise UsageError("what is taken away, or sent with parts left out, cannot be signed")
    if by.made and not signed:
        raise UsageError("--key and --passphrase-file are for --signed")


def _wanted(
    session: Session, repository: Repository, names: tuple[str, ...], everything: bool, tags: bool
) -> dict[str, Oid]:
    from themis_vcs.transfer.sharing import NAMES, TAGS, select
    from themis_vcs.transfer.store_endpoint import StoreEndpoint

    refs = StoreEndpoint(repository).refs()
    if not names and not everything and not tags:
        names = (session.revision(repository, None),)
    found = select(refs, names, "this store") if names else {}
    for ref, oid in refs.items():
        if (everything and ref.startswith(NAMES)) or (tags and ref.startswith(TAGS)):
            found[ref] = oid
    return found
