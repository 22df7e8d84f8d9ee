"""`themis fsck`: check every object, tree and ref of the store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.failure import FINDINGS, OK
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import Output, colored, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.wording import count
from themis_vcs.errors import Corrupt

if TYPE_CHECKING:
    from themis_vcs.store.findings import Finding, Report
    from themis_vcs.transfer.repair import Repaired

_COLORS = {"damage": "red", "warning": "yellow", "note": "cyan"}
_USERS = 8


@click.command(
    "fsck",
    cls=Command,
    short_help="Check every object, tree and ref of the store.",
    examples=[
        ("Is everything still there?", "themis fsck"),
        ("Bring back what is damaged from another store", "themis fsck --repair-from origin"),
        ("… or from an archive", "themis fsck --repair-from paper.zip"),
        ("Which objects are damaged, and who needs them?", "themis fsck --json | jq '.findings[] | {oid, users}'"),
    ],
)
@click.option(
    "--repair", is_flag=True, help="Make the index, derivations and refs again from what is sound; needs nobody else."
)
@click.option(
    "--repair-from",
    "source",
    metavar="REMOTE",
    help="Also bring back what is damaged or missing: the name of a remote, an address, a bundle or an archive.",
)
@json_option()
@click.pass_obj
def command(session: Session, /, repair: bool, source: str | None, as_json: bool) -> int:
    """Read the whole store, and check every page, row, object and reference. Without --repair nothing is written.

    A repair makes a new database of what is sound, brings exactly the objects that are lacking, checks them as anything
    from elsewhere, and puts it in the place of the damaged one, which goes to `.themis/quarantine` as it is. What
    only a reflog needs and nobody has leaves the reflog. Nobody may have the store open meanwhile.

    Exit status 14 if anything that was stored cannot be read as it was stored, or is lacking after a repair, 3 if only
    the structure around it is damaged, 0 if nothing is wrong; notes are harmless.
    """
    live = session.output.live()

    def show(what: str, done: int) -> None:
        if live is not None:
            live.show_from(lambda _: f"{what}: {done:,} objects")

    try:
        repaired = _repaired(session, source, show) if repair or source is not None else None
        report = _checked(session, show) if repaired is None else repaired.after
    finally:
        if live is not None:
            live.clear()
    if as_json:
        session.output.json({**_document(report), **({} if repaired is None else {"repair": _repair(repaired)})})
    else:
        if repaired is not None:
            _print_repair(session.output, repaired)
        _print(session.output, report)
        hint = _hint(report, repair=repaired is not None, source=source)
        if hint:
            session.output.hint(hint)
    if report.damaged:
        return Corrupt.exit_status
    return FINDINGS if any(finding.severity == "warning" for finding in report.findings) else OK


def _checked(session: Session, show: Callable[[str, int], None]) -> Report:
    from themis_vcs.store.fsck import fsck

    return fsck(session.directory(), lambda objects: show("checked", objects))


def _repaired(session: Session, source: str | None, show: Callable[[str, int], None]) -> Repaired:
    from themis_vcs.cli.sharing import spare
    from themis_vcs.transfer.repair import repair

    with nullcontext() if source is None else spare(session, source) as other:
        return repair(session.directory(), other, progress=show)


def _repair(repaired: Repaired) -> dict[str, Any]:
    return {
        "found": len([finding for finding in repaired.before.findings if finding.severity != "note"]),
        "fetched": repaired.fetched,
        "reindexed": repaired.reindexed,
        "derived": repaired.derived,
        "dropped": repaired.dropped,
        "refs": repaired.refs,
        "moves": repaired.moves,
        "lost_refs": repaired.lost_refs,
        "quarantine": None if repaired.quarantine is None else str(repaired.quarantine.absolute()),
    }


def _print_repair(output: Output, repaired: Repaired) -> None:
    if repaired.quarantine is None:
        return
    for finding in repaired.before.findings:
        if finding.severity != "note":
            output.line(dim(f"was {finding.severity}: {finding.message}"))
    for amount, what in (
        (repaired.fetched, "brought back"),
        (repaired.reindexed, "found again"),
        (repaired.dropped, "left behind, which nothing needs and which lacked something"),
    ):
        if amount:
            output.line(f"{count(amount, 'object')} {what}")
    if repaired.derived:
        output.line(f"{count(repaired.derived, 'derivation')} made again")
    for ref in repaired.refs:
        output.line("ref ", ref, " put to where its reflog ends")
    for ref, moves in repaired.moves.items():
        output.line(f"{count(moves, 'move')} of ", ref, " left its reflog: what it was at then is gone for good")
    for ref in repaired.lost_refs:
        output.line(colored("lost:", "red"), " ref ", ref, ": its reflog is damaged as well")
    output.line("the damaged database is kept in ", str(repaired.quarantine))


def _document(report: Report) -> dict[str, Any]:
    return {
        "store": str(report.path.absolute()),
        "damaged": report.damaged,
        "objects": report.objects,
        "refs": report.refs,
        "segments": report.segments,
        "findings": [
            {
                "code": finding.code,
                "severity": finding.severity,
                "message": finding.message,
                "oid": finding.oid.hex() if finding.oid is not None else None,
                "ref": finding.ref,
                "users": finding.users,
            }
            for finding in report.findings
        ],
    }


def _print(output: Output, report: Report) -> None:
    structure = [finding for finding in report.findings if finding.code == "structure"]
    for finding in report.findings:
        if finding.code != "structure" or finding is structure[0]:
            _print_finding(output, finding)
    if len(structure) > 1:
        output.line("  ", dim(f"and {len(structure) - 1:,} more faults of that kind; --json lists all"))
    checked = ", ".join((count(report.objects, "object"), count(report.refs, "ref"), count(report.segments, "segment")))
    output.line("checked ", checked, ": ", _verdict(report))


def _print_finding(output: Output, finding: Finding) -> None:
    output.line(colored(f"{finding.severity}:", _COLORS[finding.severity]), " ", finding.message)
    for user in finding.users[:_USERS]:
        output.line("  needed by ", user)
    if len(finding.users) > _USERS:
        output.line("  ", dim(f"and by {len(finding.users) - _USERS:,} more; --json lists all"))


def _hint(report: Report, *, repair: bool, source: str | None) -> str:
    """What to do next, "" if there is nothing."""
    if not any(finding.severity != "note" for finding in report.findings):
        return ""
    if any(finding.code == "store" for finding in report.findings):
        return "a copy of another store takes its place: `themis clone`; keep this one for what the other does not have"
    if not repair:
        again = "`themis fsck --repair` makes again what follows from what is sound, and keeps the damaged database"
    elif source is None:
        again = "what is named here cannot be made again"
    else:
        again = f"{source} does not have what is named here"
    elsewhere = "another store" if source is None else "yet another store"
    return f"{again}; `themis fsck --repair-from REMOTE|BUNDLE|ARCHIVE` brings lost objects from {elsewhere}"


def _verdict(report: Report) -> Any:
    if report.damaged:
        return colored("damaged", "red")
    if any(finding.severity == "warning" for finding in report.findings):
        return colored("nothing is lost, but the structure is damaged", "yellow")
    return colored("nothing wrong", "green")
