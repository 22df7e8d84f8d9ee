"""`themis key`: keys to sign with, and keys that are trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from themis_vcs.cli.command import Command, Family
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import bold, colored, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.signing import new_passphrase, passphrase_option, trust_option
from themis_vcs.errors import UsageError

if TYPE_CHECKING:
    from themis_vcs.signing.trust import TrustedKey


@click.group("key", cls=Family, short_help="Make keys to sign with, and say whose signatures count.")
def command() -> None:
    """Keys of Ed25519, as OpenSSH has them: one's own in ~/.config/themis/keys, and those that are trusted in
    ~/.config/themis/trust.toml, a file that may be edited.

    A key is named by its fingerprint, SHA256:…, as `ssh-keygen -l` prints it. Keys in files of OpenSSH and keys that an
    ssh-agent holds sign as well.
    """


@command.command(
    "generate",
    cls=Command,
    short_help="Make a key to sign with.",
    examples=[
        ("One that asks for its passphrase when it signs", "themis key generate me"),
        ("One for a machine that signs alone", "themis key generate ci --no-passphrase"),
    ],
)
@click.argument("name")
@click.option("--no-passphrase", is_flag=True, help="Whoever reads the file can sign.")
@passphrase_option
@json_option()
@click.pass_obj
def generate(session: Session, name: str, no_passphrase: bool, passphrase_file: Path | None, as_json: bool) -> None:
    """Make the key NAME: the private half in ~/.config/themis/keys/NAME, the public one in NAME.pub, to be given to
    whoever shall trust it.
    """
    from themis_vcs.signing import keyfiles

    if no_passphrase and passphrase_file is not None:
        raise UsageError("--no-passphrase and --passphrase-file exclude each other")
    made = keyfiles.generate(name, b"" if no_passphrase else new_passphrase(passphrase_file))
    if as_json:
        session.output.json({"name": made.name, "key": made.key.fingerprint, "path": str(made.path)})
        return
    session.output.line(bold(made.name), f"  {made.key.fingerprint}")
    session.output.line(str(made.path.with_name(f"{made.name}.pub")))
    session.output.note(f"`themis key trust {made.name}` lets its signatures count here")


@command.command(
    "list",
    cls=Command,
    short_help="List one's own keys and those that are trusted.",
    examples=[("Who is trusted, and for what?", "themis key list")],
)
@click.option("--agent", is_flag=True, help="List the keys that the ssh-agent holds, too.")
@trust_option
@json_option("Print JSON Lines, one document per key.")
@click.pass_obj
def list_(session: Session, agent: bool, trust: Path | None, as_json: bool) -> None:
    """List the keys that can sign here, then those whose signatures count, with the refs that they count for."""
    from themis_vcs.signing import keyfiles
    from themis_vcs.signing.trust import read_trust

    output = session.output
    known = read_trust(trust)
    rows: list[dict[str, Any]] = [
        {"what": "own", "name": each.name, "key": each.key.fingerprint, "path": str(each.path)}
        for each in keyfiles.own_keys()
    ]
    rows += _held() if agent else []
    trusted = [_row(each) for each in known.keys]
    revoked = {row["key"]: row["revoked"] for row in trusted}
    rows = [{**row, "revoked": revoked.get(row["key"])} for row in rows] + trusted
    for row in rows:
        if as_json:
            output.json_line(row)
            continue
        about = dim(" ".join(row.get("refs", ())))
        if row["revoked"]:
            about = colored(f"revoked {row['revoked']['time']}: {row['revoked']['reason']}", "red")
        output.line(f"{row['what']:<8}", bold(row["name"]), f"  {row['key']}  ", about)
    if not rows and not as_json:
        output.line("there is no key yet: `themis key generate NAME` makes one")


def _held() -> list[dict[str, Any]]:
    from themis_vcs.signing import agent

    path = agent.socket_path()
    held = agent.identities(path) if path is not None else []
    return [{"what": "agent", "name": each.comment, "key": each.key.fingerprint} for each in held]


def _row(each: TrustedKey) -> dict[str, Any]:
    revoked = None
    if each.revoked is not None:
        revoked = {"time": each.revoked.time.isoformat(), "reason": each.revoked.reason}
    return {
        "what": "trusted",
        "name": each.name,
        "key": each.key.fingerprint,
        "refs": list(each.refs),
        "stores": list(each.stores),
        "revoked": revoked,
    }


@command.command(
    "trust",
    cls=Command,
    short_help="Let the signatures of a key count.",
    examples=[
        ("A colleague's, for what belongs to the paper", "themis key trust bob.pub --as bob --ref 'names/paper*'"),
        ("One's own, for everything", "themis key trust me"),
    ],
)
@click.argument("key")
@click.option("--as", "name", metavar="NAME", help="What to call it; by default as the file, or the own key.")
@click.option(
    "--ref",
    "refs",
    metavar="PATTERN",
    multiple=True,
    help="Full names of refs that it may sign, as in 'names/paper*'. By default all. Repeatable.",
)
@click.option("--for-store", "stores", metavar="ID", multiple=True, help="Another store whose signatures count here.")
@trust_option
@json_option()
@click.pass_obj
def trust(
    session: Session,
    key: str,
    name: str | None,
    refs: tuple[str, ...],
    stores: tuple[str, ...],
    trust: Path | None,
    as_json: bool,
) -> None:
    """Let the signatures of KEY count, for all refs or for some: a public key of OpenSSH as text or in a file, or the
    name of an own key. Compare the fingerprint with what its owner says, by another way than the one the key came by.
    """
    from themis_vcs.signing import trust_editing
    from themis_vcs.signing.keys import public

    found = public(key)
    called = name or Path(key).name.removesuffix(".pub")
    if name is None and (" " in key.strip() or key.startswith("SHA256:")):
        raise UsageError("say what to call this key", hint="--as NAME")
    added = trust_editing.trust(trust, called, found, refs or ("*",), stores)
    _said(session, added, as_json, "is trusted for " + ", ".join(added.refs))


@command.command(
    "revoke",
    cls=Command,
    short_help="Let the signatures of a key count no more.",
    examples=[("Its laptop was lost", "themis key revoke bob --reason 'laptop lost'")],
)
@click.argument("key")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is shown where a signature is refused.")
@trust_option
@json_option()
@click.pass_obj
def revoke(session: Session, key: str, reason: str, trust: Path | None, as_json: bool) -> None:
    """Refuse all signatures of KEY, a name or a fingerprint in the trust file, from now on: whatever time they state,
    since a thief can state any. What it vouched for must be signed again by another key.
    """
    import datetime

    from themis_vcs.signing import trust_editing

    revoked = trust_editing.revoke(trust, key, reason, datetime.datetime.now(datetime.UTC))
    _said(session, revoked, as_json, "is revoked")


def _said(session: Session, each: TrustedKey, as_json: bool, what: str) -> None:
    if as_json:
        session.output.json(_row(each))
    else:
        session.output.line(bold(each.name), f"  {each.key.fingerprint} ", what)
