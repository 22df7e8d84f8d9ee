"""`themis verify`: whether names and tags are where a trusted key says that they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.failure import FINDINGS, OK
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import bold, colored, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.signing import refused, said_by, trust_option
from themis_vcs.cli.wording import count, short
from themis_vcs.errors import Corrupt, StorageError

if TYPE_CHECKING:
    from themis_vcs.signing.asking import Answer

_COLORS = {"verified": "green", "not verified": "red", "unsigned": "yellow", "damaged": "red"}


@click.command(
    "verify",
    cls=Command,
    reads=True,
    short_help="Say whether names and tags are where a trusted key says that they are.",
    examples=[
        ("Is this what they published?", "themis verify paper"),
        ("All that is signed", "themis verify"),
        ("What was fetched and not yet pulled", "themis verify origin/paper"),
    ],
)
@click.argument("refs", metavar="[NAME]...", nargs=-1)
@trust_option
@json_option("Print one JSON document, themis.verify/1.")
@click.pass_obj
def command(session: Session, refs: tuple[str, ...], trust: Path | None, as_json: bool) -> int:
    """Check the signatures of the names and tags NAME, by default of all that have any, and say who has signed when.

    A signature counts if a key that is trusted for that ref has signed, for this store, exactly the object that the ref
    points to, and no newer one of that key was ever accepted here.

    Exit status 0 if every ref has such a signature, 3 if one has not, 14 if a signature is damaged.
    """
    from themis_vcs.signing.asking import verify

    try:
        with session.writing() as repository:
            answers = verify(repository, refs, trust)
    except StorageError:  # It need not be writable: then nothing is remembered.
        with session.reading() as repository:
            answers = verify(repository, refs, trust)
    if as_json:
        session.output.json({"schema": "themis.verify/1", "refs": [_document(each) for each in answers]})
    else:
        for each in answers:
            _print(session, each)
        if not answers:
            session.output.line("nothing here is signed")
    outcomes = {each.found.outcome for each in answers}
    if "damaged" in outcomes:
        return Corrupt.exit_status
    return OK if outcomes == {"verified"} else FINDINGS


def _document(each: Answer) -> dict[str, Any]:
    return {
        "ref": each.ref,
        "target": each.found.target.hex(),
        "outcome": each.found.outcome,
        "signatures": [signature._asdict() for signature in each.found.signatures],
        "more": each.found.more,
    }


def _print(session: Session, each: Answer) -> None:
    output, found = session.output, each.found
    output.line(
        bold(each.ref.removeprefix("names/")),
        f"  {short(found.target.hex())}  ",
        colored(found.outcome, _COLORS[found.outcome]),
    )
    for signature in found.signatures:
        output.line("  ", *(said_by(signature) if signature.code == "valid" else refused(signature)), hang=4)
    if found.more:
        output.line("  ", dim(f"and {count(found.more, 'signature')} that were not looked at"))
