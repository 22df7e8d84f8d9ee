"""`themis show`: a run, or one case through all its stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import Output, bold, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.showing import print_case
from themis_vcs.cli.wording import local, metric_table, short, size, status_color

if TYPE_CHECKING:
    from themis_vcs.analysis.summary import RunSummary
    from themis_vcs.store.repository import Repository


@click.command(
    "show",
    cls=Command,
    reads=True,
    short_help="Show a run, or one case through all its stages.",
    examples=[
        ("The last run of the only name", "themis show"),
        ("One case with its answers, scores, and the judge's prompt and verdict", "themis show main case-17"),
        ("The same, of the run before", "themis show main@{1}:judge/gsm8k/case-17"),
        ("Any object by the beginning of its id", "themis show 3f9a2c41"),
    ],
)
@click.argument("revision", metavar="[REV]", required=False)
@click.argument("case", metavar="[CASE]", required=False)
@json_option()
@click.pass_obj
def command(session: Session, revision: str | None, case: str | None, as_json: bool) -> None:
    """Show the run REV, or with a CASE, also as REV:STAGE/CASE, that case through all stages of the run.

    CASE is DATASET/CASE as `themis ls` prints it, or a case id that only one dataset has. Whatever models and datasets
    wrote is printed with its control characters escaped.
    """
    from themis_vcs.analysis.caseview import case_view
    from themis_vcs.analysis.lookup import locate
    from themis_vcs.analysis.reading import Reader
    from themis_vcs.analysis.summary import summary

    output = session.output
    with session.reading() as repository:
        named = session.revision(repository, revision)
        other = None if case else _other_object(repository, named)
        if other is not None:
            output.json(other)
            return
        found = locate(repository, named)
        reader = Reader(repository)
        wanted = case or found.case
        shown: Any = case_view(reader, found, wanted) if wanted else summary(reader, found)
        if as_json:
            output.json(shown)
        elif wanted:
            print_case(output, shown)
        else:
            _print_run(output, shown)


def _other_object(repository: Repository, named: str) -> Any:
    """What a revision names as plain data, if that is neither a run nor a part of one."""
    from themis_vcs.analysis.log import peeled
    from themis_vcs.analysis.plain import plain
    from themis_vcs.model.objects import Run
    from themis_vcs.model.revision import parse
    from themis_vcs.store.resolve import resolve

    if parse(named).case is not None:
        return None
    found = repository.get(peeled(repository, resolve(repository, named)))
    return None if isinstance(found, Run) else plain(found)


def _print_imported(output: Output, imported: dict[str, Any]) -> None:
    """The log of another tool that the answers are from."""
    written = f", written {imported['created']}" if imported.get("created") else ""
    output.line("log     ", f"{imported['tool']} {imported['version']}, {imported['model']}{written}", hang=8)
    for file in imported["files"]:
        output.line("        ", f"{file['name']}  {size(file['size'])}  sha256 {file['sha256'][:16]}…", hang=8)


def _print_run(output: Output, run: RunSummary) -> None:
    through = f" through {run.completed_through_stage}" if run.completed_through_stage else ""
    output.line("run     ", bold(run.run_id))
    output.line("object  ", run.oid)
    output.line("name    ", run.name)
    output.line("status  ", status_color(run.status), through)
    output.line("made    ", local(run.time), " by ", run.who, dim(f" ({run.reason})"))
    if run.origin:
        output.line("from    ", run.origin)
    for each in run.signatures:
        output.line("signed  ", f"{each.ref} by ", bold(each.signer), f"  {local(each.time)}  ", dim(each.key), hang=8)
    if imported := run.surroundings.get("imported"):
        _print_imported(output, imported)
    datasets = ", ".join(f"{name} {amount:,}" for name, amount in run.datasets.items())
    output.line("cases   ", f"{run.cases:,}", f" ({datasets})")
    if git := run.surroundings.get("git"):
        output.line(
            "code    ",
            "git ",
            short(str(git.get("commit"))),
            " with uncommitted changes" if git.get("dirty") else "",
        )
    output.line()
    rows: list[list[Any]] = [["stage", "component", "values", "failed", "blocked"]]
    for track in run.tracks:
        rows.append([track.stage, track.component, f"{track.values:,}", f"{track.failed:,}", f"{track.blocked:,}"])
    output.table(rows, right=(2, 3, 4))
    if run.metrics:
        output.line()
        output.table(metric_table(run.metrics), right=(1, 2, 3, 4))
