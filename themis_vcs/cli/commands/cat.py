"""`themis cat`: print one stored value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.session import Session
from themis_vcs.errors import NotFound, UsageError

if TYPE_CHECKING:
    from themis_vcs.store.repository import Repository


@click.command(
    "cat",
    cls=Command,
    reads=True,
    short_help="Print one stored value.",
    examples=[
        ("What the parser made of an answer", "themis cat main:parse/gsm8k/case-17"),
        (
            "The text of the third answer, as the model wrote it",
            "themis cat main:generate/gsm8k/case-17/2 | jq -r .final_output",
        ),
        ("One metric's score", "themis cat main:score/gsm8k/case-17 --component exact_match"),
        ("The exact bytes of an object", "themis cat --raw 3f9a2c41 > object.msgpack"),
    ],
)
@click.argument("revision", metavar="REV:STAGE/CASE|OID")
@click.option("--component", metavar="ID", help="The component whose value is meant, where a stage has several.")
@click.option("--raw", is_flag=True, help="Write the object's canonical bytes; not to a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, which is what it does anyway.")
@click.pass_obj
def command(session: Session, revision: str, component: str | None, raw: bool, as_json: bool) -> None:
    """Print the value that a stage holds for a case, or any object by the beginning of its id, as JSON.

    The JSON holds no control characters, only their escapes, so it is harmless on a terminal and exact for a program.
    Bytes are base64, and numbers that are not finite null; --raw writes the canonical MessagePack instead.
    """
    from themis_vcs.analysis.plain import plain

    output = session.output
    if raw and output.stdout.isatty():
        raise UsageError("--raw writes bytes, and this is a terminal", hint="write into a file or a pipe")
    with session.reading() as repository:
        oid = _wanted(repository, revision, component)
        if raw:
            output.raw(repository.backend.get(oid))
        else:
            output.json(plain(repository.get(oid)))


def _wanted(repository: Repository, revision: str, component: str | None) -> bytes:
    from themis_vcs.analysis.reading import Reader
    from themis_vcs.analysis.steps import places, step_view
    from themis_vcs.model.revision import parse
    from themis_vcs.store.resolve import resolve

    if parse(revision).case is None:
        return resolve(repository, revision)
    reader = Reader(repository)
    found = places(reader, revision, component)
    if len(found) > 1:
        listed = ", ".join(f"{place.key} --component {place.track.id}" for place in found[:8])
        raise UsageError(f"{revision} holds {len(found)} values", hint=f"name one of them: {listed}")
    step = step_view(reader, found[0].stage, found[0].track, found[0].key)
    if step.error is not None:
        reason = f"{step.error.category}: {step.error.type}: {step.error.message}"
        hint = "`themis explain` shows the step"
        raise NotFound(f"{revision} has no value; the step failed: {reason[:500]}", hint=hint)
    if step.value_oid is None:
        hint = "`themis show REV CASE` shows where it failed"
        raise NotFound(f"{revision} has no value; its input is missing", hint=hint)
    return bytes.fromhex(step.value_oid)
