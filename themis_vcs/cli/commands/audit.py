"""`themis audit`: whether a stored run is intact and explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.failure import FINDINGS, OK
from themis_vcs.cli.options import json_option, limit_option
from themis_vcs.cli.output import Output, bold, colored, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.wording import count, short
from themis_vcs.errors import Corrupt

if TYPE_CHECKING:
    from themis_vcs.audit.finding import Finding, Level, Verdict

_COLORS = {"error": "red", "warning": "yellow", "note": "cyan"}
_OUTCOMES = {"reproduced": "green", "reproduced in part": "yellow", "not reproduced": "red", "cannot tell": "yellow"}


@click.command(
    "audit",
    cls=Command,
    reads=True,
    short_help="Prove that a run is intact and that every value of it is explained.",
    examples=[
        ("Is what the paper says still what the store has?", "themis audit paper"),
        ("Only whether all of it is there and unharmed", "themis audit paper --level integrity"),
        ("The codes of what was found", "themis audit paper --json | jq -r '.findings[].code' | sort | uniq -c"),
    ],
)
@click.argument("revision", metavar="[REV]", required=False)
@click.option(
    "--level",
    type=click.Choice(["integrity", "provenance"]),
    default="provenance",
    show_default=True,
    help="How far to go; each level includes those before it.",
)
@limit_option(20, "Findings to print; 0 for all. --json has all.")
@json_option("Print one JSON document, themis.audit/1.")
@click.pass_obj
def command(session: Session, revision: str | None, level: Level, limit: int, as_json: bool) -> int:
    """Audit the run REV by code that the pipeline does not use.

    Integrity: every object of the run, and of the runs before it, is there, canonical and of the right kind, and its
    refs stand where their logs say. Provenance: the run id is the hash of what was asked for, every case has a result
    or a failure in every stage, and every result a receipt of that case, component, inputs and seed.

    Exit status 14 if objects are damaged or missing, 3 for other findings, 0 if there are none but notes.
    """
    from themis_vcs.analysis.lookup import locate
    from themis_vcs.audit.audit import Audit

    output = session.output
    live = output.live()
    found: list[Finding] = []
    with session.reading() as repository:
        run = locate(repository, session.revision(repository, revision))
        audit = Audit(repository, run.oid, None if live is None else lambda n: live.show(f"{n:,} objects checked"))
        try:
            for finding in audit.findings(level):
                if as_json or not limit or len(found) < limit:
                    found.append(finding)
        finally:
            if live is not None:
                live.clear()
    if as_json:
        output.json(
            {
                "schema": "themis.audit/1",
                "oid": run.oid.hex(),
                "run_id": run.run.run_id.hex(),
                "name": run.run.name,
                "verdicts": audit.verdicts,
                "findings": found,
            }
        )
    else:
        output.line(bold(run.run.name), f"  run {short(run.run.run_id.hex())}  {short(run.oid.hex())}")
        _print(output, found, audit.verdicts)
    return _status(audit.verdicts)


def _print(output: Output, found: list[Finding], verdicts: list[Verdict]) -> None:
    for finding in found:
        output.line(
            colored(finding.severity, _COLORS[finding.severity]), f"  {finding.code}  {finding.message}", hang=2
        )
        output.line(dim(f"  at {' / '.join(finding.way)}"), hang=5)
    more = sum(sum(each.findings.values()) for each in verdicts) - len(found)
    if more:
        output.line(dim(f"and {count(more, 'more finding')}; --limit 0 prints all"))
    rows: list[Any] = []
    for each in verdicts:
        looked = sum(each.checked.values())
        outcome = colored(each.outcome, _OUTCOMES[each.outcome])
        rows.append([each.level, outcome, f"{each.why}; {count(looked, 'object')} read" if looked else each.why])
    output.table([["level", "verdict", ""], *rows])


def _status(verdicts: list[Verdict]) -> int:
    first = verdicts[0]
    if first.damaged:
        return Corrupt.exit_status
    found = any(each.findings.get("error") or each.findings.get("warning") for each in verdicts)
    return FINDINGS if found else OK
