"""`themis serve`: let others fetch from a store and push to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from themis_vcs.cli.command import Family
from themis_vcs.cli.commands.serve_token import command as token
from themis_vcs.cli.failure import OK
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import Output
from themis_vcs.cli.session import Session
from themis_vcs.errors import UsageError

if TYPE_CHECKING:
    from themis_vcs.transfer.http.app import Served
    from themis_vcs.transfer.http.server import Listening

PORT = 8420
MIB = 1 << 20
_FILE = click.Path(path_type=Path)


@click.command(
    "serve",
    cls=Family,
    invoke_without_command=True,
    short_help="Let others fetch from a store and push to it, over HTTP or ssh.",
    examples=[
        ("Serve the store to this machine", "themis serve"),
        ("Let somebody fetch from it", "themis serve token create alice --scope read"),
        ("Serve it to others", "themis serve --host 0.0.0.0 --cert server.pem --key server.key"),
    ],
)
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, metavar="PORT", help="The port; 0 is any.")
@click.option("--cert", type=_FILE, metavar="FILE", help="The certificate for HTTPS, with its chain, in PEM.")
@click.option("--key", type=_FILE, metavar="FILE", help="The private key of the certificate, in PEM.")
@click.option("--read-only", is_flag=True, help="Take nothing that is sent.")
@click.option("--insecure", is_flag=True, help="Listen at an address for others without a token or without HTTPS.")
@click.option("--max-pack", type=click.IntRange(1, 128), default=128, metavar="MIB", help="The largest pack to take.")
@click.option("--quiet", is_flag=True, help="Do not tell of every request on stderr.")
@click.option(
    "--stdio",
    is_flag=False,
    flag_value="",
    type=str,
    metavar="[PATH]",
    help="Answer on stdin and stdout, for ssh. PATH is a store or a directory with one.",
)
@json_option("Print where the server listens as one line of JSON.")
@click.pass_context
def command(context: click.Context, /, **options: Any) -> int:
    """Answer over HTTP, until Ctrl-C or SIGTERM, to whoever fetches from the store or pushes to it.

    To this machine a store is served without a token as long as it has none. To others it is served over HTTPS, and to
    who has a token. Requests in flight are finished before it ends; the exit status is 0.
    """
    if context.invoked_subcommand is not None:
        return OK
    session: Session = context.obj
    if options["stdio"] is not None:
        return _stdio(session, options["stdio"], writable=not options["read_only"])
    if (options["cert"] is None) != (options["key"] is None):
        raise UsageError("--cert and --key are needed together", hint="the key is that of the certificate, in PEM")
    return _http(session, options)


command.add_command(token)


def _stdio(session: Session, path: str, *, writable: bool) -> int:
    from themis_vcs.store.layout import NAME
    from themis_vcs.transfer import stdio

    if not path:
        return stdio.main(session.directory(), writable=writable)
    inside = Path(path) / NAME
    return stdio.main(inside if (inside / "format").exists() else Path(path), writable=writable)


def _http(session: Session, options: dict[str, Any]) -> int:
    from themis_vcs.transfer.http.limits import Limits
    from themis_vcs.transfer.http.server import Server

    output, pair = session.output, (options["cert"], options["key"])
    with session.reading() if options["read_only"] else session.serving() as repository:
        server = Server(
            repository,
            options["host"],
            options["port"],
            writable=not options["read_only"],
            certificate=None if options["cert"] is None else pair,
            insecure=options["insecure"],
            limits=Limits(pack=options["max_pack"] * MIB),
        )
        server.run(
            lambda listening: _announce(output, listening, options, str(repository.path)),
            (lambda served: None) if options["quiet"] else (lambda served: _tell(output, served)),
        )
    return OK


def _announce(output: Output, listening: Listening, options: dict[str, Any], store: str) -> None:
    if options["as_json"]:
        fields = {"url": listening.url, "store": store, "read_only": options["read_only"]}
        output.json_line({**fields, "open_to": listening.open_to})
    else:
        output.line(f"listening on {listening.url}")
    if listening.open_to != "nobody":
        output.note(f"without a token, open to {listening.open_to}; `themis serve token create` makes one")
    output.flush()


def _tell(output: Output, served: Served) -> None:
    """One line for a request; of what the client sent, its method and its path, without what looks like a secret."""
    import time

    from themis_vcs.analysis.moment import moment
    from themis_vcs.evaluation.secrets import redact

    status = str(served.status or "-")
    what = f"{served.client} {served.method} {redact(served.path[:200])} {status} {served.size} {served.seconds:.3f}"
    output.note(f"{moment(time.time_ns())} {what}")
    if served.problem is not None:
        output.note(f"unforeseen: {type(served.problem).__name__}: {redact(str(served.problem))}")
    output.flush()
