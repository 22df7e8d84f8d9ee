"""`themis attest`: a signed statement of what a run is, was made from and came to."""

from __future__ import annotations

from pathlib import Path

import click

from themis_vcs.cli.auditing import OUTCOMES
from themis_vcs.cli.command import Command
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import colored
from themis_vcs.cli.session import Session
from themis_vcs.cli.signing import KeyChoice, key_options
from themis_vcs.cli.wording import size
from themis_vcs.errors import UsageError


@click.command(
    "attest",
    cls=Command,
    reads=True,
    short_help="Write a signed statement of what a run was made from and came to.",
    examples=[
        ("For whoever reads the paper", "themis attest paper -o paper.intoto.json"),
        ("With a key of ssh", "themis attest paper -o paper.intoto.json --key ~/.ssh/id_ed25519"),
    ],
)
@click.argument("revision", metavar="[REV]", required=False)
@click.option(
    "-o", "--output", "file", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Where to write it."
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@key_options
@json_option()
@click.pass_obj
def command(session: Session, revision: str | None, file: Path, force: bool, choice: KeyChoice, as_json: bool) -> None:
    """Write an in-toto statement about the run REV into FILE, in a signed DSSE envelope: its inputs, components with
    fingerprints, surroundings, results, and what an audit of it finds now.

    It is checked by `themis verify-attestation`, and by any tool that knows in-toto. The run is audited first, which
    reads all of it; what the audit finds is stated, whatever it is, and its verdicts are printed.
    """
    from themis_vcs.analysis.attestation.attest import attest
    from themis_vcs.analysis.lookup import locate
    from themis_vcs.pipeline.provenance import version
    from themis_vcs.pipeline.reporter import replace_file
    from themis_vcs.signing.asking import name_of

    if file.exists() and not force:
        raise UsageError(f"{file} is there already", hint="name another file, or add --force")
    signer = choice.signer()
    with session.reading() as repository:
        named = session.revision(repository, revision)
        run = locate(repository, named)
        name = name_of(repository, named) or f"names/{run.run.name}"
        live = session.output.live()
        told = None if live is None else lambda n: live.show(f"{n:,} reads")
        try:
            made = attest(repository, run, name, signer, tool=version(), progress=told)
        finally:
            if live is not None:
                live.clear()
    replace_file(file, lambda opened: opened.write(made.data))
    verdicts = [(each.level, each.outcome) for each in made.verdicts]
    if as_json:
        document = {"file": str(file), "bytes": len(made.data), "subject": name, "oid": run.oid.hex()}
        session.output.json({**document, "key": signer.key.fingerprint, "verdicts": dict(verdicts)})
    else:
        session.output.line(f"{file}  {size(len(made.data))}, of {name}, signed by {signer.key.fingerprint}")
        said = [
            (f"{', ' if at else ''}{level} ", colored(what, OUTCOMES[what]))
            for at, (level, what) in enumerate(verdicts)
        ]
        session.output.line("audit: ", *(part for each in said for part in each), hang=2)
