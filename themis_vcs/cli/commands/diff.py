"""`themis diff`: two runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import json_option, limit_option
from themis_vcs.cli.output import Output, Part, bold, clip, colored, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.wording import change_lines, count, entries, number, short, status_color, surroundings_lines

if TYPE_CHECKING:
    from themis_vcs.analysis.rundiff import ChangedStep, RunDiff, ScoreChange


@click.command(
    "diff",
    cls=Command,
    reads=True,
    short_help="Compare two runs: flipped scores first.",
    examples=[
        ("What did the last run of main change?", "themis diff main@{1} main"),
        ("All cases that two models answer differently", "themis diff small large --limit 0"),
        ("Cases that got worse", "themis diff main~1 main --json | jq '(.flipped + .changed)[] | select(.new < .old)'"),
    ],
)
@click.argument("old", metavar="A")
@click.argument("new", metavar="B")
@limit_option(20, "Cases to list of each kind; 0 for all.")
@json_option()
@click.pass_obj
def command(session: Session, old: str, new: str, limit: int, as_json: bool) -> None:
    """Compare the runs A and B: their configuration, what each stage holds, and the cases that differ.

    Cases whose score flipped come first: it was wrong, 0, and is right, 1, or the other way round. Then come all others
    whose score changed, the largest differences at the top. Of scores that were drawn several times the means are
    compared. Only what differs is read.
    """
    from themis_vcs.analysis.lookup import locate_run
    from themis_vcs.analysis.reading import Reader
    from themis_vcs.analysis.rundiff import rundiff

    with session.reading() as repository:
        found = rundiff(Reader(repository), (old, locate_run(repository, old)), (new, locate_run(repository, new)))
    if as_json:
        session.output.json(found)
    else:
        _print(session.output, found, limit)


def _print(output: Output, found: RunDiff, limit: int) -> None:
    for sign, side in (("A", found.old), ("B", found.new)):
        output.line(
            bold(sign),
            f"  {side.revision}  {short(side.oid)}  run {short(side.run_id)}  ",
            status_color(side.status),
            hang=3,
        )
    if found.old.oid == found.new.oid:
        output.line("they are the same run")
        return
    _section(output, "configuration", list(change_lines(found.changes)))
    _section(output, "surroundings", list(surroundings_lines(found.changes.surroundings)))
    _print_stages(output, found)
    _print_metrics(output, found)
    for heading, scores in (("flipped scores", found.flipped), ("changed scores", found.changed)):
        _section(output, heading, _listed([_score(each) for each in scores], limit))
    for stage, steps in groupby(found.steps, key=lambda step: step.stage):
        _section(output, f"other values of {stage}", _listed([_step(step, output.width) for step in steps], limit))


def _section(output: Output, heading: str, lines: Sequence[Sequence[Part]]) -> None:
    if lines:
        output.line()
        output.line(bold(heading))
        for line in lines:
            output.line("  ", *line, hang=6)


def _print_stages(output: Output, found: RunDiff) -> None:
    rows: list[list[Part]] = [["stage", "component", "values", "failed"]]
    for track in found.tracks:
        old, new = (("-" if n is None else f"{n:,}") for n in (track.old_failed, track.new_failed))
        failed = old if old == new else f"{old} → {new}"
        rows.append([track.stage, track.track, entries(track.values) or dim("equal"), failed])
    output.line()
    output.table(rows)


def _print_metrics(output: Output, found: RunDiff) -> None:
    rows: list[list[Part]] = [["metric", "A", "B", "difference", "higher", "lower"]]
    for each in found.metrics:
        old, new = (None if side is None else side.mean for side in (each.old, each.new))
        change = "" if old is None or new is None else f"{new - old:+.4f}"
        rows.append([each.metric, number(old), bold(number(new)), change, f"{each.higher:,}", f"{each.lower:,}"])
    if len(rows) > 1:
        output.line()
        output.table(rows, right=(1, 2, 3, 4, 5))
        if found.changes.cases.added or found.changes.cases.removed:
            both = f"{found.cases_in_both:,} in both"
            output.line(f"means over {found.old.cases:,} and {count(found.new.cases, 'case')}; {both}")
        for each in found.metrics:
            if each.old and each.new and each.old.count != each.new.count:
                scored = f"{each.old.count:,} and {count(each.new.count, 'case')} with a score"
                output.line(f"{each.metric}: means over {scored}; `themis compare` pairs them", hang=2)


def _listed(lines: list[list[Part]], limit: int) -> list[list[Part]]:
    if limit == 0 or len(lines) <= limit:
        return lines
    return [*lines[:limit], [dim(f"and {len(lines) - limit:,} more; --limit 0 lists all")]]


def _score(change: ScoreChange) -> list[Part]:
    better = change.old is None or (change.new is not None and change.new > change.old)
    new = colored(number(change.new), "green" if better else "red")
    why = change.new_reason or change.old_reason
    return [change.case, f"  {change.metric}  {number(change.old)} → ", new, dim(f"  {why}"[:200]) if why else ""]


def _step(step: ChangedStep, width: int) -> list[Part]:
    room = (width - len(step.key) - 7) // 2
    old, new = (clip("none" if text is None else text, room) for text in (step.old, step.new))
    return [step.key, "  ", old, " → ", new]
