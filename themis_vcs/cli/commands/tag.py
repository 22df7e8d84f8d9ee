"""`themis tag`: names that stay where they were put."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.failure import OK
from themis_vcs.cli.isolation import in_child
from themis_vcs.cli.options import json_option
from themis_vcs.cli.session import Session
from themis_vcs.cli.signing import KeyChoice, key_options
from themis_vcs.cli.wording import local, short
from themis_vcs.errors import NotFound, UsageError

if TYPE_CHECKING:
    from themis_vcs.signing.keys import KeySigner


@click.command(
    "tag",
    cls=Command,
    short_help="Give a run a name for good, or list such names.",
    examples=[
        ("Name the last run of main", "themis tag paper-v1 main -m 'figures of the first draft'"),
        ("Name it and vouch for it", "themis tag paper-v2 main --sign"),
        ("List the tags", "themis tag"),
        ("Take one away", "themis tag -d paper-v1"),
    ],
)
@click.argument("name", required=False)
@click.argument("revision", metavar="[REV]", required=False)
@click.option("-m", "--message", default="", help="What the tag is for.")
@click.option("-d", "--delete", is_flag=True, help="Take the tag NAME away. What it named stays in the store.")
@click.option("--sign", is_flag=True, help="Sign the tag NAME that is given.")
@key_options
@json_option("Print the tag given or taken away as one JSON document; with no NAME, JSON Lines, one per tag.")
@click.pass_obj
def command(
    session: Session,
    name: str | None,
    revision: str | None,
    message: str,
    delete: bool,
    sign: bool,
    choice: KeyChoice,
    as_json: bool,
) -> int:
    """Give the run REV the name NAME, which does not move with later runs; without NAME, list the tags.

    REV may be left out where the store has one name only. A tag is given once; to move it, delete it first. It cannot
    have the name of a line of runs.
    """
    if choice.made and not sign:
        raise UsageError("--key and --passphrase-file are for --sign")
    if name is None or (delete and sign):
        if delete or message or sign:
            what = "--delete and --sign exclude each other" if delete and sign else "NAME is missing"
            raise UsageError(what, hint="themis tag NAME [REV]")
        return (
            in_child(lambda: _list(session, as_json), session.output) if session.isolated else _list(session, as_json)
        )
    if delete:
        _delete(session, name, as_json)
    else:
        by = choice.signer() if sign else None
        _give(session, name, revision, message, by, as_json)
    return OK


def _list(session: Session, as_json: bool) -> int:
    from themis_vcs.analysis.listing import refs

    with session.reading() as repository:
        for row in refs(repository):
            if not row.ref.startswith("tags/"):
                continue
            if as_json:
                session.output.json_line(row)
                continue
            made = local(row.time)[:16] if row.time else ""
            said = row.message.split("\n")[0]
            session.output.line(row.ref.removeprefix("tags/"), f"  {short(row.run_id or row.target)}  {made}  ", said)
    return OK


def _give(session: Session, name: str, revision: str | None, message: str, by: KeySigner | None, as_json: bool) -> None:
    import time

    from themis_vcs.analysis.listing import ref_row
    from themis_vcs.model.objects import Tag
    from themis_vcs.model.refname import check
    from themis_vcs.pipeline.provenance import who
    from themis_vcs.signing.sign import sign
    from themis_vcs.store.backend import RefUpdate
    from themis_vcs.store.resolve import resolve

    ref = check(f"tags/{name}")
    with session.writing() as repository:
        if repository.ref(ref) is not None:
            hint = f"`themis sign {name}` signs it as it is; " if by is not None else ""
            raise UsageError(f"tag {name} exists", hint=f"{hint}`themis tag -d {name}` takes it away")
        if repository.ref(f"names/{name}") is not None:
            raise UsageError(f"{name} names a line of runs; as a tag it would be ambiguous", hint="take another name")
        target = resolve(repository, session.revision(repository, revision))
        person = who()
        tag = repository.put(Tag(name=name, target=target, message=message, time=time.time_ns(), who=person))
        if by is None:
            repository.commit([RefUpdate(ref, tag, None)], message=f"tag {name}", who=person)
        else:
            sign(repository, {ref: tag}, by, made=[ref], message=f"tag {name}")
        row = ref_row(repository, ref, tag)
    if as_json:
        session.output.json(row)
    else:
        signed = f", signed by {by.key.fingerprint}" if by is not None else ""
        session.output.line(f"{name} is now {short(target.hex())}{signed}")


def _delete(session: Session, name: str, as_json: bool) -> None:
    from themis_vcs.analysis.listing import ref_row
    from themis_vcs.signing.asking import signatures_of
    from themis_vcs.store.backend import RefUpdate

    with session.writing() as repository:
        ref = f"tags/{name}"
        old = repository.ref(ref)
        if old is None:
            raise NotFound(f"no tag {name}", hint="`themis tag` lists the tags")
        row = ref_row(repository, ref, old)
        signatures = [RefUpdate(each, None, oid) for each, oid in signatures_of(repository, ref)]
        repository.commit([RefUpdate(ref, None, old), *signatures], message=f"delete tag {name}")
    if as_json:
        session.output.json(row)
    else:
        session.output.line(f"{name} was {short(row.target)}")
