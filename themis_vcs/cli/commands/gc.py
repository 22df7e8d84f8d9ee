"""`themis gc`: delete what nothing reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import json_option, wait_option
from themis_vcs.cli.output import Output, bold, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.wording import count, size

if TYPE_CHECKING:
    from themis_vcs.store.gc import Collected

_WHY = {
    "refs": "names, tags and other refs reach them",
    "reflog": "refs were there within the reflog's time, or before their last move",
    "dictionaries": "frames need them",
    "young": "younger than the grace",
}


@click.command(
    "gc",
    cls=Command,
    short_help="Delete what no name, tag or other ref reaches.",
    examples=[
        ("What would go, and what stays for which reason?", "themis gc --dry-run"),
        ("Delete what has been without a ref for two weeks", "themis gc"),
        ("Keep only what refs reach, and what each was at before its last move", "themis gc --grace 0 --reflog 0"),
    ],
)
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="Keep what is younger, as results of a run that was killed. By default `gc.grace`, else 14.",
)
@click.option(
    "--reflog",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="Keep what a ref was at within so many days, as NAME@{1}. By default `gc.reflog`, else 90.",
)
@wait_option
@click.option("--dry-run", is_flag=True, help="Say what would go and what stays; change nothing.")
@json_option()
@click.pass_obj
def command(
    session: Session, grace: float | None, reflog: float | None, wait: float, dry_run: bool, as_json: bool
) -> None:
    """Delete the objects that no ref reaches, that no ref was at within the reflog's time, and that are older than the
    grace. The last move of a ref stays in its reflog whatever its age, and with it what the ref was at before.

    Others may read and write meanwhile: objects go in short steps, each while nobody writes. Behind a run that goes on
    for longer than --wait it ends with exit status 13; what it has done until then stays done, and the next call goes
    on. Where something that is needed is damaged, or a table that would change, nothing is deleted.

    The file does not become smaller: its free pages are used by what is stored next.
    """
    from themis_vcs.store.gc import GRACE, REFLOG, Policy, gc

    settings = session.settings()
    policy = Policy(
        grace=settings.days("grace", GRACE) if grace is None else grace,
        reflog=settings.days("reflog", REFLOG) if reflog is None else reflog,
        wait=wait,
    )
    live = session.output.live()
    try:
        found = gc(
            session.directory(),
            policy,
            dry_run=dry_run,
            progress=None if live is None else lambda what, done: live.show_from(lambda _: f"{what} {done:,}"),
        )
    finally:
        if live is not None:
            live.clear()
    if as_json:
        session.output.json(found)
    else:
        _print(session.output, found)


def _print(output: Output, found: Collected) -> None:
    for why, number in found.kept.items():
        output.line(dim(f"kept     {count(number, 'object')}: {_WHY[why]}"))
    verb = "would go" if found.dry_run else "deleted "
    what = ", ".join(f"{kind} {number:,}" for kind, number in found.kinds.items())
    output.line(f"{verb} ", bold(count(found.objects, "object")), f", {size(found.bytes)}", f": {what}" if what else "")
    if found.moves:
        output.line(f"{verb} {found.moves:,} moves of refs from their reflogs")
    output.line(f"on disk  {size(found.file_bytes)}, {size(found.free_bytes)} of it free")
