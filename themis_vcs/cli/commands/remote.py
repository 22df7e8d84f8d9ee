"""`themis remote`: other stores by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from themis_vcs.cli.command import Command, Family
from themis_vcs.cli.failure import FINDINGS, OK
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import bold, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.sharing import reached
from themis_vcs.cli.wording import count
from themis_vcs.errors import NotFound

if TYPE_CHECKING:
    from themis_vcs.store.settings import Settings


@click.group("remote", cls=Family, short_help="Name other stores, and look at them.")
def command() -> None:
    """Other stores by name, kept in `config.toml` in the store.

    An address is a path, `file://`, `ssh://` or user@host:path, `http://`, `https://`, `s3://`, `gs://`, `az://`, or a
    bundle file. Credentials are never stored, only where to find them.
    """


@command.command(
    "add",
    cls=Command,
    short_help="Give another store a name.",
    examples=[
        ("A store on a shared disk", "themis remote add origin /srv/evals"),
        ("One over ssh", "themis remote add lab me@lab.example:evals"),
        (
            "One that asks for a token, which is in an environment variable",
            "themis remote add team https://evals.example --token-env TEAM_TOKEN",
        ),
    ],
)
@click.argument("name")
@click.argument("address", metavar="URL")
@click.option("--token-env", metavar="VAR", help="The environment variable that holds the token.")
@click.option("--token-file", metavar="FILE", help="The file that holds the token.")
@click.option("--token-command", metavar="COMMAND", help="The command that prints the token.")
@click.pass_obj
def add(
    session: Session,
    name: str,
    address: str,
    token_env: str | None,
    token_file: str | None,
    token_command: str | None,
) -> None:
    """Call the store at URL by NAME from now on.

    `themis config remote.NAME.…` sets what else there is to say about it.
    """
    from themis_vcs.store.editing import add_remote

    tokens = {"token-env": token_env, "token-file": token_file, "token-command": token_command}
    given = {key: value for key, value in tokens.items() if value is not None}
    add_remote(session.settings(), name, {"url": address, **given})


@command.command(
    "list",
    cls=Command,
    short_help="List the remotes.",
    examples=[("Names and addresses", "themis remote list")],
)
@json_option("Print JSON Lines, one document per remote.")
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """List the remotes with their addresses."""
    for name, settings in session.settings().remotes().items():
        if as_json:
            session.output.json_line({"name": name, **settings})
        else:
            session.output.line(bold(name), "  ", settings.get("url", ""))


@command.command(
    "show",
    cls=Command,
    short_help="Compare the names of a remote with those here.",
    examples=[("What is at origin, and what is not?", "themis remote show origin")],
)
@click.argument("name")
@json_option()
@click.pass_obj
def show(session: Session, name: str, as_json: bool) -> None:
    """Ask the remote NAME, or the store at an address, for its names, and say how far each is from the name here."""
    from themis_vcs.transfer.sharing import compared

    with reached(session, name) as (remote, endpoint):
        refs = endpoint.refs()
    with session.reading() as repository:
        rows = compared(repository, refs)
    if as_json:
        session.output.json({"name": remote.name or None, "address": remote.address.text, "refs": rows})
        return
    session.output.line(bold(remote.shown), "  ", remote.address.text if remote.name else "")
    for row in rows:
        session.output.line("  ", bold(row["ref"].split("/", 1)[1]), "  ", dim(_said(row)))


def _said(row: dict[str, Any]) -> str:
    if row["here"] is None:
        return "not here"
    if row["ahead"] is None:
        return "differs; fetch to compare"
    parts = [f"{count(row[key], 'run')} {key}" for key in ("ahead", "behind") if row[key]]
    return "here " + " and ".join(parts) if parts else "up to date"


@command.command(
    "remove",
    cls=Command,
    short_help="Forget a remote.",
    examples=[("Forget it, and what was seen of it", "themis remote remove lab")],
)
@click.argument("name")
@click.pass_obj
def remove(session: Session, name: str) -> None:
    """Forget the remote NAME and where its names were, or the names that `themis fetch` brought from an address. Runs
    that came from it stay."""
    from themis_vcs.store.backend import RefUpdate
    from themis_vcs.store.editing import remove_remote

    settings = session.settings()
    with session.writing() as repository:
        gone = [RefUpdate(ref, None) for ref, _ in repository.refs(f"remotes/{name}/")]
        if not gone:
            _known(settings, name)
        repository.commit(gone, message=f"remove remote {name}")
    if name in settings.remotes():
        remove_remote(settings, name)


@command.command(
    "rename",
    cls=Command,
    short_help="Give a remote another name.",
    examples=[("Call it by another name", "themis remote rename origin upstream")],
)
@click.argument("old")
@click.argument("new")
@click.pass_obj
def rename(session: Session, old: str, new: str) -> None:
    """Call the remote OLD by the name NEW from now on."""
    from themis_vcs.store.backend import RefUpdate
    from themis_vcs.store.editing import rename_remote

    settings = session.settings()
    _known(settings, old)
    rename_remote(settings, old, new)
    with session.writing() as repository:
        moves = []
        for ref, oid in repository.refs(f"remotes/{old}/"):
            moves += [RefUpdate(ref, None), RefUpdate(ref.replace(f"remotes/{old}/", f"remotes/{new}/", 1), oid)]
        repository.commit(moves, message=f"rename remote {old} to {new}")


@command.command(
    "probe",
    cls=Command,
    short_help="Say whether a remote can be trusted with what is sent.",
    examples=[("Before the first push to a bucket", "themis remote probe origin")],
)
@click.argument("name")
@json_option()
@click.pass_obj
def probe(session: Session, name: str, as_json: bool) -> int:
    """Connect to the remote NAME, or to an address, and say what it is.

    A bucket is tried: whether it compares before it writes, without which two who push at once lose runs. If it does
    not, the exit status is 3.
    """
    from themis_vcs.transfer.remotes import probe as tried

    with reached(session, name) as (remote, endpoint):
        found = tried(remote, endpoint)
    if as_json:
        session.output.json(found)
    else:
        conditions = found["ignores"]
        said = f"; it ignores conditions: {', '.join(conditions)}" if conditions else "; it compares before it writes"
        counts = f"{count(found['names'], 'name')} and {count(found['tags'], 'tag')}"
        told = said if found["kind"] == "bucket" else ""
        session.output.line(bold(remote.shown), f"  reached by {found['kind']}: {counts}", told)
    return OK if found["trusted"] else FINDINGS


@command.command(
    "compact",
    cls=Command,
    short_help="Put the many small packs of a bucket into few.",
    examples=[("After a hundred pushes", "themis remote compact origin")],
)
@click.argument("name")
@json_option()
@click.pass_obj
def compact(session: Session, name: str, as_json: bool) -> None:
    """Read the small packs of the bucket NAME and write their objects into few large ones, so that a fetch needs fewer
    requests. What is not needed any more stays until `themis remote gc`. Others may push meanwhile.
    """
    from themis_vcs.transfer.bucket import upkeep
    from themis_vcs.transfer.remotes import bucket_of

    with reached(session, name) as (remote, endpoint):
        done = upkeep.compact(bucket_of(remote, endpoint))
    if as_json:
        session.output.json({"before": done.before, "after": done.after})
    elif done.before:
        session.output.line(count(done.before, "small pack"), " became ", count(done.after, "pack"))
    else:
        session.output.line("there is nothing to compact")


@command.command(
    "gc",
    cls=Command,
    short_help="Delete what no push to a bucket lists any more.",
    examples=[("What would be deleted?", "themis remote gc origin --dry-run")],
)
@click.argument("name")
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help="Keep what is younger: it may belong to a push that goes on.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be deleted; delete nothing.")
@json_option()
@click.pass_obj
def gc(session: Session, name: str, grace: float, dry_run: bool, as_json: bool) -> None:
    """Delete the packs of the bucket NAME that interrupted pushes and `compact` have left behind."""
    from themis_vcs.transfer.bucket import upkeep
    from themis_vcs.transfer.remotes import bucket_of

    with reached(session, name) as (remote, endpoint):
        deleted = upkeep.gc(bucket_of(remote, endpoint), grace_seconds=grace * 3600, dry_run=dry_run)
    if as_json:
        session.output.json({"deleted": deleted, "dry_run": dry_run})
        return
    for key in deleted:
        session.output.line(key)
    session.output.line("would delete " if dry_run else "deleted ", count(len(deleted), "object"), " of the bucket")


def _known(settings: Settings, name: str) -> None:
    if name not in settings.remotes():
        known = ", ".join(settings.remotes()) or "none"
        raise NotFound(f"no remote {name!r}", hint=f"there are {known}" if known != "none" else "there is none yet")
