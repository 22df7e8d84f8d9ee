"""`themis explain`: what a step was made from, and why it would be rebuilt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.jsontext import to_json
from themis_vcs.cli.options import json_option, settings_option
from themis_vcs.cli.output import Output, bold, clip, colored, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.wording import short
from themis_vcs.errors import UsageError

if TYPE_CHECKING:
    from themis_vcs.analysis.receipt import Receipt
    from themis_vcs.pipeline.foresight import Verdict
    from themis_vcs.store.repository import Repository

_SAID: Final = {
    "reused": ("green", ": every field of its key is as it was"),
    "rebuilt": ("yellow", ""),
    "undecided": ("yellow", ": reused if these give the same values again"),
    "gone": ("red", ": the experiment has no such step"),
}


@click.command(
    "explain",
    cls=Command,
    reads=True,
    short_help="Say what a step was made from, and why it would be rebuilt.",
    examples=[
        ("What went into this score?", "themis explain main:score/gsm8k/case-17 --component f1"),
        (
            "Would it be rebuilt with the code as it is now, and why?",
            "themis explain main:parse/gsm8k/case-17 --experiment experiment.toml",
        ),
    ],
)
@click.argument("revision", metavar="REV:STAGE/CASE")
@click.option("--component", metavar="ID", help="Only this component of the stage.")
@click.option(
    "--experiment",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Compare with what this experiment would want now. Its modules are imported.",
)
@settings_option
@json_option()
@click.pass_obj
def command(
    session: Session,
    revision: str,
    component: str | None,
    experiment: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show the receipt of a stored step: everything that is in its key, what came of it, and which steps used that.

    The key is the hash of the stage, the component's fingerprint, its params, its inputs, the case and the seed; a step
    with the same key is reused. With --experiment, say field by field why the step would be rebuilt or reused.
    """
    if settings and experiment is None:
        raise UsageError("--set changes an experiment, and there is none", hint="add --experiment FILE")
    with session.reading() as repository:
        receipts = _receipts(repository, revision, component)
        verdicts = _verdicts(repository, receipts, experiment, settings) if experiment is not None else []
    if as_json:
        document: dict[str, Any] = {"revision": revision, "steps": receipts}
        session.output.json({**document, "now": verdicts} if verdicts else document)
        return
    for at, receipt in enumerate(receipts):
        if at:
            session.output.line()
        _print(session.output, receipt)
        if verdicts:
            _print_verdict(session.output, verdicts[at])


def _receipts(repository: Repository, revision: str, component: str | None) -> list[Receipt]:
    from themis_vcs.analysis.reading import Reader
    from themis_vcs.analysis.receipt import receipt
    from themis_vcs.analysis.steps import places
    from themis_vcs.errors import NotFound

    reader = Reader(repository)
    found = [receipt(reader, place) for place in places(reader, revision, component)]
    executed = [each for each in found if each is not None]
    if not executed:
        raise NotFound(f"{revision} was never executed", hint="`themis show REV CASE` shows where the case stopped")
    return executed


def _verdicts(repository: Repository, receipts: list[Receipt], path: Path, settings: tuple[str, ...]) -> list[Verdict]:
    import asyncio

    from themis_vcs.pipeline.configfile import load_experiment
    from themis_vcs.pipeline.foresight import foresee_async

    return asyncio.run(foresee_async(repository, load_experiment(path, settings), receipts))


def _print(output: Output, receipt: Receipt) -> None:
    output.line(bold(f"{receipt.stage}/{receipt.key}"), f"  {receipt.track}", dim(f"  step {short(receipt.step)}"))
    output.line("key          ", receipt.derivation)
    output.line("component    ", receipt.component)
    for name in receipt.with_components:
        output.line("  with       ", name)
    output.line("fingerprint  ", receipt.fingerprint)
    output.line(
        "params       ",
        short(receipt.params_oid),
        "  ",
        clip(to_json(receipt.params, pretty=False), output.width - 28),
    )
    for each in receipt.inputs:
        output.line(
            "input        ",
            short(each.oid),
            f"  {each.name}  ",
            clip(each.excerpt, output.width - 30 - len(each.name)),
        )
    output.line("seed         ", "none" if receipt.seed is None else str(receipt.seed))
    if receipt.value_oid is not None:
        output.line("value        ", short(receipt.value_oid), "  ", clip(str(receipt.excerpt), output.width - 28))
    if receipt.error is not None:
        output.line("failed       ", colored(receipt.error.category, "red"), f"  {receipt.error.type}")
        output.block(receipt.error.message, "             ")
    for use in receipt.used_by:
        output.line("used by      ", short(use.step), f"  {use.stage}/{use.key}  {use.track}")


def _print_verdict(output: Output, verdict: Verdict) -> None:
    from themis_vcs.cli.pending import reason_line

    color, said = _SAID[verdict.outcome]
    output.line("now          ", colored(verdict.outcome, color), said)
    for reason in verdict.reasons:
        output.line("  ", *reason_line(reason))
    for step in verdict.waits_for:
        output.line("  ", bold(f"{step.stage}/{step.case}"), f"  {step.track}")
        for reason in step.reasons:
            output.line("    ", *reason_line(reason))
