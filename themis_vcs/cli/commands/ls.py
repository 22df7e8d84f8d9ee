"""`themis ls`: what a store, a run, a stage or a dataset consists of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import Output, Part, clip, colored, columns
from themis_vcs.cli.session import Session
from themis_vcs.cli.wording import local, short, status_color

if TYPE_CHECKING:
    from themis_vcs.analysis.listing import StepRow
    from themis_vcs.analysis.lookup import Located
    from themis_vcs.analysis.reading import Reader


@click.command(
    "ls",
    cls=Command,
    reads=True,
    short_help="List names, stages, datasets or cases.",
    examples=[
        ("The names and tags of the store", "themis ls"),
        ("The stages of a run with their components", "themis ls main"),
        ("The cases whose answer could not be parsed", "themis ls main:parse/gsm8k --failed"),
        ("One metric's score of every case", "themis ls main:score/gsm8k --component exact_match"),
    ],
)
@click.argument("revision", metavar="[REV[:STAGE[/DATASET[/CASE]]]]", required=False)
@click.option("--component", metavar="ID", help="Only this component of the stage, such as one metric.")
@click.option("--failed", is_flag=True, help="Only steps without a value.")
@json_option("Print JSON Lines, one document per row.")
@click.pass_obj
def command(session: Session, revision: str | None, component: str | None, failed: bool, as_json: bool) -> None:
    """List what there is: names and tags; with REV its stages; with REV:STAGE its datasets; with a dataset its cases.

    "blocked" are steps that never ran, because an earlier stage failed for that case. Cases are in the order of their
    keys, character by character: q10 comes before q2.
    """
    from themis_vcs.analysis import listing
    from themis_vcs.analysis.lookup import locate
    from themis_vcs.analysis.reading import Reader

    output = session.output
    with session.reading() as repository:
        if revision is None:
            _show(output, list(listing.refs(repository)), as_json, _print_refs)
            return
        found, reader = locate(repository, revision), Reader(repository)
        if found.stage is None:
            _show(output, list(listing.stages(reader, found)), as_json, _print_stages)
        elif found.case is None and not failed:
            _show(
                output,
                list(listing.datasets(reader, found, found.stage, component)),
                as_json,
                _print_datasets,
            )
        else:
            rows = (row for row in _steps(reader, found, component) if not failed or row.outcome != "ok")
            _print_steps(output, rows, as_json, whole=failed)


def _steps(reader: Reader, found: Located, component: str | None) -> Iterator[StepRow]:
    from themis_vcs.analysis.listing import steps
    from themis_vcs.analysis.lookup import find_part, stage_of, tracks_of

    stage = stage_of(reader.repository, found.run, str(found.stage))
    prefix, exact = find_part(reader, found.snapshot.identity, (found.case or "").rstrip("/"))
    for track in tracks_of(stage, component):
        for row in steps(reader, found, track, prefix):
            if not exact or row.key == prefix or row.key.startswith(f"{prefix}/"):
                yield row


def _show(output: Output, rows: list[Any], as_json: bool, print_rows: Any) -> None:
    if as_json:
        for row in rows:
            output.json_line(row)
    elif rows:
        print_rows(output, rows)


def _print_refs(output: Output, rows: list[Any]) -> None:
    table: list[list[Part]] = [["ref", "run", "made", "status", ""]]
    for row in rows:
        run, time = short(row.run_id or ""), local(row.time)[:16] if row.time else ""
        table.append([row.ref, run, time, status_color(row.status or ""), row.message.split("\n")[0]])
    output.table(table)


def _print_stages(output: Output, rows: list[Any]) -> None:
    table: list[list[Part]] = [["stage", "component", "values", "failed", "blocked"]]
    for row in rows:
        table.append([row.stage, row.component, f"{row.values:,}", f"{row.failed:,}", f"{row.blocked:,}"])
    output.table(table, right=(2, 3, 4))


def _print_datasets(output: Output, rows: list[Any]) -> None:
    table: list[list[Part]] = [["dataset", "component", "cases", "values", "failed", "blocked"]]
    for row in rows:
        counts = (row.cases, row.values, row.failed, row.blocked)
        table.append([row.dataset, row.track, *(f"{count:,}" for count in counts)])
    output.table(table, right=(2, 3, 4, 5))


def _print_steps(output: Output, rows: Iterator[StepRow], as_json: bool, *, whole: bool) -> None:
    """Print a line per step; what is said of it is clipped unless it is wanted `whole`."""
    colors = {"failed": "red", "blocked": "yellow"}
    for row in rows:
        if as_json:
            output.json_line(row)
            continue
        said = row.excerpt if row.outcome == "ok" else f"{row.outcome} {row.excerpt}".rstrip()
        if not whole:
            said = clip(said, output.width - columns(row.key) - columns(row.track) - 4)
        shown = colored(said, colors[row.outcome]) if row.outcome in colors else said
        output.line(row.key, "  ", row.track, "  ", shown, hang=4)
