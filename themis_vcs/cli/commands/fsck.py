"""`themis fsck`: check every object, tree and ref of the store."""

from __future__ import annotations

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
    from themis_vcs.store.fsck import Finding, Report

_COLORS = {"damage": "red", "warning": "yellow", "note": "cyan"}
_USERS = 8


@click.command(
    "fsck",
    cls=Command,
    short_help="Check every object, tree and ref of the store.",
    examples=[
        ("Is everything still there?", "themis fsck"),
        ("Which objects are damaged, and who needs them?", "themis fsck --json | jq '.findings[] | {oid, users}'"),
    ],
)
@json_option()
@click.pass_obj
def command(session: Session, /, as_json: bool) -> int:
    """Read the whole store, and check every page, row, object and reference. Nothing is repaired or written.

    Exit status 14 if anything that was stored cannot be read as it was stored, 3 if only the structure around it is
    damaged, 0 if nothing is wrong; notes are harmless.
    """
    from themis_vcs.store.fsck import fsck

    live = session.output.live()
    try:
        report = fsck(
            session.directory(),
            None if live is None else lambda objects: live.show_from(lambda _: f"{objects:,} objects checked"),
        )
    finally:
        if live is not None:
            live.clear()
    if as_json:
        session.output.json(_document(report))
    else:
        _print(session.output, report)
    if report.damaged:
        return Corrupt.exit_status
    return FINDINGS if any(finding.severity == "warning" for finding in report.findings) else OK


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
    for finding in report.findings:
        _print_finding(output, finding)
    checked = ", ".join((count(report.objects, "object"), count(report.refs, "ref"), count(report.segments, "segment")))
    output.line("checked ", checked, ": ", _verdict(report))


def _print_finding(output: Output, finding: Finding) -> None:
    output.line(colored(f"{finding.severity}:", _COLORS[finding.severity]), " ", finding.message)
    for user in finding.users[:_USERS]:
        output.line("  needed by ", user)
    if len(finding.users) > _USERS:
        output.line("  ", dim(f"and by {len(finding.users) - _USERS:,} more; --json lists all"))


def _verdict(report: Report) -> Any:
    if report.damaged:
        return colored("damaged", "red")
    if any(finding.severity == "warning" for finding in report.findings):
        return colored("nothing is lost, but the structure is damaged", "yellow")
    return colored("nothing wrong", "green")
