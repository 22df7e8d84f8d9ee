"""`themis status`: the store, and where every name stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import Output, Part, bold, colored, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.wording import count, local, means_line, short, size, status_color

if TYPE_CHECKING:
    from themis_vcs.analysis.status import Status, Tracked


@click.command(
    "status",
    cls=Command,
    reads=True,
    short_help="Show the store and where every name stands.",
    examples=[
        ("Where am I?", "themis status"),
        (
            "The names whose last run has failed steps",
            "themis status --json | jq '.names[] | select(.failed != {})'",
        ),
    ],
)
@json_option()
@click.pass_obj
def command(session: Session, as_json: bool) -> None:
    """Show which store is used and which setting chose it, and for every name the run that it stands at.

    Of the run it shows the mean of each metric, with the number of cases that it is over, n, and of those without a
    score.
    A run is named by the id of its run object, of its own id, or by NAME. "code dirty" says that the git work tree of
    the experiment had uncommitted changes. "ahead" and "behind" compare with a remote as it was last seen;
    `themis fetch` asks it.
    """
    from themis_vcs.analysis.status import status

    with session.reading() as repository:
        found = status(repository, str(session.directory().absolute()), session.chosen_by)
    if as_json:
        session.output.json(found)
    else:
        _print(session.output, found)


def _print(output: Output, found: Status) -> None:
    output.line("store  ", bold(found.store), dim(f" ({found.chosen_by})"))
    counts = (
        count(found.objects, "object"),
        size(found.bytes),
        count(found.runs, "run"),
        count(found.tags, "tag"),
    )
    output.line("       ", ", ".join(counts))
    if not found.names:
        output.line("no runs yet: `themis run FILE` makes the first")
    for name in found.names:
        output.line()
        dirty = name.code is not None and name.code.get("dirty")
        line: list[Part] = [bold(name.name), "  run ", short(name.run_id), "  ", status_color(name.status)]
        output.line(*line, f" through {name.completed_through_stage}" if name.completed_through_stage else "", hang=2)
        came = f"  from {name.origin}" if name.origin else ""
        output.line("  ", local(name.time), came, "  code dirty" if dirty else "")
        for each in name.remotes:
            output.line("  ", _distance(each))
        if name.metrics is None:
            output.line("  ", dim(f"`themis show {name.name}` reads the scores"))
        elif name.metrics:
            output.line("  ", *means_line(name.metrics), hang=4)
        if name.failed:
            failed = ", ".join(f"{stage} {amount:,}" for stage, amount in name.failed.items())
            output.line("  ", colored(f"failed: {failed}", "yellow"))


def _distance(tracked: Tracked) -> Part:
    """How far a name is from the same name of a remote."""
    ways = (tracked.ahead, "ahead of"), (tracked.behind, "behind")
    away = [f"{count(amount, 'run')} {way}" for amount, way in ways if amount]
    if not away:
        return dim(f"up to date with {tracked.name}")
    return colored(" and ".join(away) + f" {tracked.name}", "yellow")
