"""`themis export`: a run up to a stage boundary, in one file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import bold, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.sharing import Meter
from themis_vcs.cli.wording import count, short, size
from themis_vcs.errors import StorageError, UsageError

if TYPE_CHECKING:
    from themis_vcs.handoff.stages.files import Exported


@click.command(
    "export",
    cls=Command,
    short_help="Write a run up to a stage into a file.",
    examples=[
        ("Let somebody else judge what was scored here", "themis export score main -o score.bundle"),
        (
            "Give the judgments back, and only them",
            "themis export evaluation main --only -o judged.jsonl",
        ),
        (
            "Read the answers with another program",
            "themis export generation main | jq 'select(.kind == \"record\")'",
        ),
    ],
)
@click.argument("boundary", metavar="STAGE")
@click.argument("revision", metavar="[REV]", required=False)
@click.option(
    "--output",
    "-o",
    "path",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default=Path("-"),
    help='The file; "-", the default, is stdout.',
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["pack", "jsonl"]),
    help="A pack is smaller, JSON Lines are for other programs. By default what the name of FILE ends in: JSON Lines"
    " for .jsonl and for stdout, else a pack.",
)
@click.option("--only", is_flag=True, help="Leave out the stages before STAGE; what it was made from goes along.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--progress", is_flag=True, help="Show progress although stderr is no terminal.")
@json_option("Print what was written as one JSON document, themis.export/1.")
@click.pass_obj
def command(
    session: Session,
    boundary: str,
    revision: str | None,
    path: Path,
    form: Literal["pack", "jsonl"] | None,
    only: bool,
    force: bool,
    progress: bool,
    as_json: bool,
) -> None:
    """Write the run REV with its stages up to STAGE into a file, for `themis import STAGE` elsewhere.

    STAGE is generation, reduction, parse, score or evaluation. REV is by default the only name of the store. The file
    holds the cases, every result with the receipt of how it was made, and every failure; whoever imports it continues
    with the next stage, and needs neither the generator nor its credentials.
    """
    from themis_vcs.handoff.stages.boundary import boundary_of, stage_named
    from themis_vcs.handoff.stages.files import export
    from themis_vcs.transfer.bundling import Files, names_of

    stage = stage_named(boundary)
    pipe = str(path) == "-"
    form = form or ("jsonl" if pipe or path.suffix == ".jsonl" else "pack")
    if pipe and (as_json or (form == "pack" and sys.stdout.isatty())):
        raise UsageError("what is written to stdout cannot be described there", hint="name a file: -o FILE")
    with session.writing() if form == "pack" else session.reading() as repository:
        meter = Meter(session.output, "writing", forced=progress)
        files = Files(names_of(path, split=False), replace=force)
        try:
            target = sys.stdout.buffer if pipe else files.open(1)
            made = export(
                repository, session.revision(repository, revision), stage, target, form, only=only, progress=meter
            )
            if not pipe:
                files.keep()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror}") from error
        finally:
            meter.clear()
            files.discard()
    if not pipe:
        _report(session, boundary_of(stage), path, form, made, as_json)


def _report(session: Session, boundary: str, path: Path, form: str, made: Exported, as_json: bool) -> None:
    if as_json:
        document = {"schema": "themis.export/1", "boundary": boundary, "run_id": made.run.run_id.hex()}
        document |= {"name": made.run.name, "file": str(path), "format": form}
        session.output.json({**document, "stages": made.stages, "records": made.records, "bytes": made.size})
        return
    output = session.output
    output.line(bold(made.run.name), "  run ", short(made.run.run_id.hex()), dim(f"  {', '.join(made.stages)}"))
    output.line("wrote ", count(made.records, "record"), f" of {boundary} to ", str(path), f", {size(made.size)}")
