"""`themis explain`: what a step was made from, and why it would be rebuilt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import json_option, settings_option
from themis_vcs.cli.output import Output, bold, clip, colored, dim, to_json
from themis_vcs.cli.session import Session
from themis_vcs.cli.wording import short
from themis_vcs.errors import UsageError

if TYPE_CHECKING:
    from themis_vcs.analysis.receipt import Receipt
    from themis_vcs.store.repository import Repository


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
        verdicts = _verdicts(repository, receipts, experiment, settings) if experiment is not None else None
    if as_json:
        document: dict[str, Any] = {"revision": revision, "steps": receipts}
        session.output.json(document if verdicts is None else {**document, "now": verdicts})
        return
    for at, receipt in enumerate(receipts):
        if at:
            session.output.line()
        _print(session.output, receipt)
        if verdicts is not None:
            _print_verdict(session.output, verdicts[at])


def _receipts(repository: Repository, revision: str, component: str | None) -> list[Receipt]:
    from themis_vcs.analysis.lookup import find_case, locate, stage_of, tracks_of
    from themis_vcs.analysis.reading import Reader
    from themis_vcs.analysis.receipt import receipt
    from themis_vcs.analysis.steps import step_keys
    from themis_vcs.errors import NotFound

    found, reader = locate(repository, revision), Reader(repository)
    if found.stage is None or found.case is None:
        raise UsageError(f"{revision} does not name a step", hint="write REV:STAGE/DATASET/CASE")
    stage = stage_of(repository, found.run, found.stage)
    case, index = find_case(reader, found.snapshot.identity, found.case)
    steps = [
        receipt(reader, found.run, stage, track, case, key)
        for track in tracks_of(stage, component)
        for key in step_keys(reader, track, case)
        if index is None or key == f"{case}/{index}"
    ]
    executed = [step for step in steps if step is not None]
    if not executed:
        raise NotFound(f"{revision} was never executed", hint=f"`themis show` shows where {case} stopped")
    return executed


def _verdicts(
    repository: Repository, receipts: list[Receipt], path: Path, settings: tuple[str, ...]
) -> list[dict[str, Any]]:
    """For each step whether the experiment would execute it again, and why."""
    import asyncio

    from themis_vcs.pipeline.configfile import load_experiment

    experiment = load_experiment(path, settings)
    result = asyncio.run(experiment.run_async(until_stage=receipts[0].stage, store=repository, dry_run=True))
    pending = {(step.stage, step.track, step.case): step.reasons for step in result.pending}
    return [_verdict(receipt, pending) for receipt in receipts]


def _verdict(receipt: Receipt, pending: dict[tuple[str, str, str], Any]) -> dict[str, Any]:
    case = "/".join(receipt.key.split("/")[:2])
    own = pending.get((receipt.stage, receipt.track, receipt.key))
    if own is not None:
        return {"outcome": "rebuilt", "reasons": own, "waits_for": []}
    before = [
        {"stage": stage, "track": track, "key": key, "reasons": reasons}
        for (stage, track, key), reasons in pending.items()
        if stage != receipt.stage and "/".join(key.split("/")[:2]) == case
    ]
    return {"outcome": "undecided" if before else "reused", "reasons": [], "waits_for": before}


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


def _print_verdict(output: Output, verdict: dict[str, Any]) -> None:
    from themis_vcs.cli.pending import reason_line

    outcome = verdict["outcome"]
    if outcome == "reused":
        output.line("now          ", colored("reused", "green"), ": every field of its key is as it was")
    elif outcome == "rebuilt":
        output.line("now          ", colored("rebuilt", "yellow"))
    else:
        output.line("now          ", colored("undecided", "yellow"), ": reused if these give the same value again")
    for reason in verdict["reasons"]:
        output.line("  ", *reason_line(reason))
    for step in verdict["waits_for"]:
        output.line("  ", bold(f"{step['stage']}/{step['key']}"), f"  {step['track']}")
        for reason in step["reasons"]:
            output.line("    ", *reason_line(reason))
