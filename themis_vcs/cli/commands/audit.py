"""`themis audit`: whether a stored run is intact, explained, and repeatable here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.failure import FINDINGS, OK
from themis_vcs.cli.options import STAGES, json_option
from themis_vcs.cli.session import Session
from themis_vcs.errors import Corrupt, UsageError

if TYPE_CHECKING:
    from themis_vcs.audit.finding import Verdict


def _stages(ctx: click.Context, parameter: click.Parameter, value: str | None) -> list[str]:
    names = [] if value is None else value.split(",")
    for name in (name for name in names if name not in STAGES):
        raise UsageError(f"unknown stage {name!r:.80}", hint=f"the stages are {', '.join(STAGES)}")
    return names


@click.command(
    "audit",
    cls=Command,
    reads=True,
    short_help="Prove that a run is intact, explained, and repeatable here.",
    examples=[
        ("Is what the paper says still what the store has?", "themis audit paper"),
        ("Do its parser and its metrics still give the same?", "themis audit paper --reexecute --stages parse,score"),
        ("Ask the model again for 50 answers", "themis audit paper --reexecute --component openai_chat --sample 50"),
        ("How do its surroundings differ from those of another run?", "themis audit paper --against main"),
        ("Only what came since the last audit", "themis audit main --since main@{1}"),
        ("One page to send to somebody", "themis audit paper --format html > audit.html"),
        ("The codes of what was found", "themis audit paper --json | jq -r '.findings[].code' | sort | uniq -c"),
    ],
)
@click.argument("revision", metavar="[REV]", required=False)
@click.option(
    "--level",
    type=click.Choice(["integrity", "provenance", "environment"]),
    help="How far to go; each level includes those before it. Default: environment.",
)
@click.option("--against", metavar="REV2", help="Compare the surroundings with those of another run instead of now.")
@click.option("--since", metavar="REV1", help="Take what REV1 reaches as audited, and look at what is new only.")
@click.option("--reexecute", is_flag=True, help="Execute components again on the stored inputs, and compare.")
@click.option("--stages", callback=_stages, metavar="A,B,…", help="With --reexecute: those of these stages only.")
@click.option(
    "--component",
    "components",
    multiple=True,
    metavar="ID",
    help="With --reexecute: this one only, even if it may answer otherwise each time. Repeatable.",
)
@click.option(
    "--sample", type=click.IntRange(min=1), metavar="N", help="With --reexecute: at most N steps of each component."
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="S", help="Which steps --sample draws.")
@click.option("--trust-code", is_flag=True, help="Import components that no experiment of this store has named.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a step that is executed again may take.",
)
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown", "html"]), help="Default: text.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    help="Findings to print, 0 for all. Default: 20 of text, 10,000 of a page; JSON has all.",
)
@json_option("The same as --format json, the document themis.audit/1.")
@click.pass_obj
def command(session: Session, /, revision: str | None, form: str | None, as_json: bool, **options: Any) -> int:
    """Audit the run REV by code that the pipeline does not use.

    Integrity: every object of the run, and of the runs before it, is there, canonical and of the right kind, and its
    refs stand where their logs say. Provenance: the run id is the hash of what was asked for, every case has a result
    or a failure in every stage, and every result a receipt of that case, component, inputs and seed. Environment: what
    differs between then and now. Re-execution, with --reexecute: components give again what is stored, bit for bit;
    those that may answer otherwise each time are called only if --component names them and --sample says how often, and
    then it is measured how far they agree.

    Nothing is written. Without --reexecute nobody's code is executed.

    Exit status 14 if objects are damaged or missing, 3 for other errors and warnings, 0 if there are none but notes.
    """
    from themis_vcs.cli.auditing import carried_out, check

    if as_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} cannot go together")
    check(options)
    limit = options.pop("limit")
    with session.reading() as repository, carried_out(session, repository, revision, options) as outcome:
        outcome.print(session.output, "json" if as_json else form or "text", limit)
        return _status(outcome.head.verdicts)


def _status(verdicts: list[Verdict]) -> int:
    if any(each.damaged for each in verdicts):
        return Corrupt.exit_status
    found = any(each.findings.get("error") or each.findings.get("warning") for each in verdicts)
    return FINDINGS if found else OK
