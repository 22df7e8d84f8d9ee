"""`themis log`: how a name came to where it stands."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import Output, Part, colored
from themis_vcs.cli.session import Session
from themis_vcs.cli.wording import change_lines, local, means_line, short, status_color

if TYPE_CHECKING:
    from themis_vcs.analysis.log import LogEntry


@click.command(
    "log",
    cls=Command,
    reads=True,
    short_help="Show how a name came to where it stands.",
    examples=[
        ("The runs of the only name, the newest first", "themis log"),
        ("The last three of a name, one line each", "themis log main -n 3 --oneline"),
        ("What each of them changed", "themis log main --json | jq '[.oid, .changes.configuration[]?.path]'"),
    ],
)
@click.argument("revision", metavar="[REV]", required=False)
@click.option("-n", "--number", type=click.IntRange(min=1), metavar="N", help="Show N runs at most.")
@click.option("--oneline", is_flag=True, help="One line per run.")
@json_option("Print JSON Lines, one document per run.")
@click.pass_obj
def command(session: Session, revision: str | None, number: int | None, oneline: bool, as_json: bool) -> None:
    """Show the run REV and the runs that it came from, the newest first.

    For each: who made it, when and why; the means of its metrics; what changed in its configuration and its cases
    against the run before; and per stage how much was built and how much reused. Means that would take long are left
    out: those of older runs of many cases, which `themis show` has. REV may be left out where the store has one name
    only.
    """
    from themis_vcs.analysis.log import log
    from themis_vcs.analysis.lookup import locate_run
    from themis_vcs.analysis.reading import Reader

    with session.reading() as repository:
        start = locate_run(repository, session.revision(repository, revision)).oid
        for at, entry in enumerate(islice(log(Reader(repository), start), number)):
            if as_json:
                session.output.json_line(entry)
            elif oneline:
                _print_line(session.output, entry)
            else:
                if at:
                    session.output.line()
                _print(session.output, entry)


def _print_line(output: Output, entry: LogEntry) -> None:
    refs = [colored(f" ({', '.join(entry.refs)})", "cyan")] if entry.refs else []
    built = sum(each.built for each in entry.work.values())
    reused = sum(each.reused for each in entry.work.values())
    failed = sum(each.failed for each in entry.work.values())
    said = f"  {entry.reason}: {built:,} built, {reused:,} reused" + (f", {failed:,} failed" if failed else "")
    output.line(colored(short(entry.oid), "yellow"), *refs, "  ", local(entry.time)[:16], said, hang=4)


def _print(output: Output, entry: LogEntry) -> None:
    heading: list[Part] = [colored(f"{short(entry.oid)}", "yellow"), f"  run {short(entry.run_id)}"]
    if entry.refs:
        heading.append(colored(f"  ({', '.join(entry.refs)})", "cyan"))
    output.line(*heading, hang=4)
    through = f" through {entry.completed_through_stage}" if entry.completed_through_stage else ""
    output.line("Name:   ", entry.name)
    output.line("Date:   ", local(entry.time))
    output.line("By:     ", entry.who)
    output.line("Status: ", status_color(entry.status), through)
    for parent in entry.forgotten:
        output.line("Before: ", colored(short(parent), "yellow"), ", which was forgotten")
    if entry.metrics:
        output.line("Means:  ", *means_line(entry.metrics), hang=8)
    output.line()
    output.line("    ", entry.reason)
    changes = [["    ", *line] for line in change_lines(entry.changes)] if entry.changes else []
    if changes:
        output.line()
    for line in changes:
        output.line(*line, hang=8)
    output.line()
    for stage, work in entry.work.items():
        failed = [colored(f", {work.failed:,} failed", "yellow")] if work.failed else []
        output.line(f"    {stage:<9} {work.built:,} built, {work.reused:,} reused", *failed)
