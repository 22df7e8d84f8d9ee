"""`themis verify-attestation`: who has signed an attestation, and whether a run here is what it states."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.failure import FINDINGS, OK
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import bold, colored, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.signing import trust_option
from themis_vcs.cli.wording import count, difference, short
from themis_vcs.errors import unreadable

if TYPE_CHECKING:
    from themis_vcs.analysis.differences import Difference

_SHOWN = 20


@click.command(
    "verify-attestation",
    cls=Command,
    reads=True,
    short_help="Say who has signed an attestation, and whether a run here is what it states.",
    examples=[
        ("Who says so?", "themis verify-attestation paper.intoto.json"),
        ("Is it about what is here?", "themis verify-attestation paper.intoto.json paper"),
    ],
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("revision", metavar="[REV]", required=False)
@trust_option
@json_option()
@click.pass_obj
def command(session: Session, file: Path, revision: str | None, trust: Path | None, as_json: bool) -> int:
    """Check that a trusted key has signed the attestation FILE; with REV, that the run REV of this store is what it
    states: run object, inputs, components, surroundings and results.

    Exit status 0 if so, 3 if no trusted key has signed it or the run is another, 14 if a signature is damaged. Without
    REV no store is needed.
    """
    from themis_vcs.analysis.attestation.check import disagreements, verified
    from themis_vcs.analysis.lookup import locate
    from themis_vcs.signing.trust import read_trust

    attested = verified(_read(file), read_trust(trust))
    found: list[Difference] = []
    if revision is not None:
        with session.reading() as repository:
            found = disagreements(repository, locate(repository, revision), attested)
    predicate = attested.statement.predicate
    if as_json:
        document: dict[str, Any] = {"signer": attested.signer, "key": attested.key, "subject": attested.name}
        compared = None if revision is None else found
        session.output.json({**document, "oid": attested.oid, "differences": compared, "predicate": predicate})
        return FINDINGS if found else OK
    output = session.output
    output.line(bold(attested.name), f"  {short(attested.oid)}  ", colored("signed", "green"), f" by {attested.signer}")
    output.line("  ", dim(attested.key))
    for line in _results(predicate):
        output.line("  ", line, hang=4)
    for each in found[:_SHOWN]:
        output.line("  ", *difference(each), hang=4)
    if revision is not None:
        said = f"differs in {count(len(found), 'field')}" if found else "is what it states"
        output.line(revision, " ", colored(said, "red" if found else "green"))
    return FINDINGS if found else OK


def _results(predicate: dict[str, Any]) -> list[str]:
    """What it says came of the run, as far as it is of the shape that we write."""
    results, audit = predicate.get("results"), predicate.get("audit")
    metrics = results.get("metrics") if isinstance(results, dict) else None
    lines = []
    for name, each in metrics.items() if isinstance(metrics, dict) else ():
        if isinstance(each, dict):
            lines.append(f"{name} {each.get('mean')} (n {each.get('n')}, {each.get('failed')} failed)")
    verdicts = audit.get("verdicts") if isinstance(audit, dict) else None
    for each in verdicts if isinstance(verdicts, list) else ():
        if isinstance(each, dict):
            lines.append(f"audit: {each.get('level')} {each.get('outcome')}")
    return lines


def _read(file: Path) -> bytes:
    from themis_vcs.signing.envelope import MAX_ENVELOPE

    try:
        with file.open("rb") as opened:
            return opened.read(MAX_ENVELOPE + 1)
    except OSError as error:
        raise unreadable(file, error) from error
