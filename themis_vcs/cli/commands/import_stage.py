"""`themis import generation`, `reduction`, `parse`, `score`, `evaluation`: stage bundles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.importing import opened
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import bold, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.sharing import Meter
from themis_vcs.cli.wording import count, short, status_color

if TYPE_CHECKING:
    from themis_vcs.handoff.stages.adopt import Adopted

_WHAT: Final = {
    "generation": "the generations",
    "reduction": "the reduced candidates",
    "parse": "the parsed outputs",
    "score": "the scores",
    "evaluation": "the judgments",
}


def _command(boundary: str) -> click.Command:
    @click.command(
        boundary,
        cls=Command,
        short_help=f"Bring {_WHAT[boundary]} of a stage bundle here.",
        examples=[(f"Bring here {_WHAT[boundary]} that somebody sent", f"themis import {boundary} theirs.bundle")],
    )
    @click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
    @click.option("--name", metavar="NAME", help="The line of runs to put it on; by default the one that it was on.")
    @click.option("--replace", is_flag=True, help="Take its values where others are here; those stay behind.")
    @click.option("--progress", is_flag=True, help="Show progress although stderr is no terminal.")
    @json_option("Print what became of it as one JSON document, themis.import/1.")
    @click.pass_obj
    def command(session: Session, file: Path, name: str | None, replace: bool, progress: bool, as_json: bool) -> None:
        from themis_vcs.handoff.stages.adopt import Options
        from themis_vcs.handoff.stages.boundary import BOUNDARIES
        from themis_vcs.handoff.stages.files import take

        with opened(file) as (stream, source), session.writing() as repository:
            meter = Meter(session.output, "reading", forced=progress)
            try:
                options = Options(name, replace, source)
                adopted = take(repository, stream, source, BOUNDARIES[boundary], options, meter)
                stages = list(adopted.stages)
            finally:
                meter.clear()
        _report(session, boundary, source, adopted, stages, as_json)

    command.help = (
        f"Bring {_WHAT[boundary]} in FILE, and what they were made from, into the store, as `themis export {boundary}`"
        ' wrote them; "-" is stdin.\n\n'
        "All of the file is checked before anything is stored: that the snapshot hashes to the run id, that every case"
        " belongs to it, that every value is what its hash says. If the store has the run already, it gets what it"
        " lacks; another value for the same step is refused, unless --replace says otherwise."
    )
    return command


def _report(session: Session, boundary: str, source: str, adopted: Adopted, stages: list[str], as_json: bool) -> None:
    run = adopted.run
    if as_json:
        document = {"schema": "themis.import/1", "source": source, "boundary": boundary, "outcome": adopted.outcome}
        document |= {"name": adopted.name, "oid": adopted.oid.hex(), "run_id": run.run_id.hex(), "status": run.status}
        through = run.completed_through
        session.output.json(
            {**document, "completed_through_stage": through, "stages": stages, "records": adopted.records}
        )
        return
    output = session.output
    output.line(
        bold(adopted.name), f"  {short(adopted.oid.hex())}  run {short(run.run_id.hex())}  ", status_color(run.status)
    )
    output.line("  ", dim(", ".join(stages)))
    if adopted.outcome == "unchanged":
        output.line(f"all of {source} is here already")
    else:
        output.line(f"{adopted.outcome}: ", count(adopted.records, "record"), f" of {boundary} from {source}")


COMMANDS: Final = [_command(boundary) for boundary in _WHAT]
