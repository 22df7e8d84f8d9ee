"""`themis sign`: vouch for where a name or a tag points."""

from __future__ import annotations

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import bold
from themis_vcs.cli.session import Session
from themis_vcs.cli.signing import KeyChoice, key_options
from themis_vcs.cli.wording import short


@click.command(
    "sign",
    cls=Command,
    short_help="Vouch for where a name or a tag points.",
    examples=[
        ("Sign the run that a name is at", "themis sign paper"),
        ("With a key of ssh", "themis sign paper --key ~/.ssh/id_ed25519"),
        ("With the key that the ssh-agent holds", "themis sign paper --key ~/.ssh/id_ed25519.pub"),
    ],
)
@click.argument("refs", metavar="[NAME]...", nargs=-1)
@key_options
@click.option("--force", is_flag=True, help="Sign again although this key has signed it where it points.")
@json_option("Print JSON Lines, one document per signature.")
@click.pass_obj
def command(session: Session, refs: tuple[str, ...], choice: KeyChoice, force: bool, as_json: bool) -> None:
    """Sign that the names and tags NAME of this store are where they are now. Without NAME, the store's only name.

    A signature is of one ref, one object, one store; the next one of the same key continues it. It goes along when the
    name is pushed, fetched or bundled. An object without a name cannot be signed: tag it.
    """
    from themis_vcs.signing.asking import refs_of
    from themis_vcs.signing.sign import sign

    output = session.output
    with session.writing() as repository:
        meant = refs_of(repository, refs or (session.revision(repository, None),))
        asked = {each.about: each.target for each in meant}
        done = sign(repository, asked, choice.signer(), force=force)
    for each in done:
        said = each.signature.statement
        if as_json:
            row = {"ref": each.ref, "target": said.target, "key": each.signature.key.fingerprint}
            output.json_line({**row, "sequence": said.sequence, "time": said.time, "new": each.new})
        else:
            what = "is signed" if each.new else "was signed before"
            name, by = each.ref.split("/", 1)[1], each.signature.key.fingerprint
            output.line(bold(name), f" {what} at {short(said.target)}, sequence {said.sequence}, by {by}", hang=2)
