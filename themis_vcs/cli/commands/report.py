"""`themis report`: what every metric made of every case of a run, in the form that somebody needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from themis_vcs.cli.command import Command
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import Output, Part, bold, clip, colored, dim, fitted, safe
from themis_vcs.cli.session import Session
from themis_vcs.cli.wording import count
from themis_vcs.errors import UsageError

if TYPE_CHECKING:
    from themis_vcs.analysis.outcomes import Row
    from themis_vcs.analysis.report import Report
    from themis_vcs.analysis.selection import Selection

FORMS = ("table", "json", "jsonl", "csv", "tsv", "markdown", "latex", "html", "parquet", "arrow")
_COLUMNS = ("dataset", "case", "metric", "outcome", "value", "message")
_ROWS = 20


@click.command(
    "report",
    cls=Command,
    reads=True,
    short_help="Write a report of a run: means, failures, and a row per case and metric.",
    examples=[
        ("Means, failures and the first rows", "themis report main"),
        ("One file to send to somebody", "themis report main -o report.html"),
        ("What was wrong, for a spreadsheet", "themis report main --where 'outcome = incorrect' -o wrong.csv"),
        ("Means by a field of the cases", "themis report main --by metadata.subject --format markdown"),
    ],
)
@click.argument("revision", metavar="[REV]", required=False)
@click.option("--format", "form", type=click.Choice(FORMS), help="By default what the name of FILE says, else table.")
@click.option("--output", "-o", "path", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--by", multiple=True, metavar="FIELD", help="Means by dataset or metadata.FIELD too. Repeatable.")
@click.option(
    "--failed",
    type=click.Choice(["exclude", "zero"]),
    help="Whether cases that failed are left out of the means or count as 0. Default: the setting analysis.failed.",
)
@click.option("--columns", metavar="A,B,…", help="The columns of the rows; +A,B adds to the usual ones.")
@click.option("--where", metavar="EXPR", help="Only these rows: COLUMN OP VALUE, joined by `and`.")
@click.option("--sort", metavar="COLUMN[:desc]", help="Sort the rows; by default they are in the order of the cases.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    help="At most so many rows, 0 for all. Default: 20 of a table, 10,000 of HTML, else all.",
)
@click.option("--raw", is_flag=True, help="Leave cells of CSV and TSV as they are, formulas too.")
@json_option("The same as --format json.")
@click.pass_obj
def command(
    session: Session,
    revision: str | None,
    form: str | None,
    path: Path | None,
    force: bool,
    by: tuple[str, ...],
    failed: Literal["exclude", "zero"] | None,
    columns: str | None,
    where: str | None,
    sort: str | None,
    limit: int | None,
    raw: bool,
    as_json: bool,
) -> None:
    """Report on the run REV: its means with 95 % intervals, its failures, its cost, and a row per case and metric.

    A run that did not get through all stages is reported as not complete. OP is one of = != < <= > >= and ~, which
    means contains; a VALUE that has spaces is quoted. Columns can be paths, such as metadata.subject or tokens.output.
    """
    from themis_vcs.analysis.lookup import locate_run
    from themis_vcs.analysis.outcomes import outcomes
    from themis_vcs.analysis.reading import Reader
    from themis_vcs.analysis.report import report
    from themis_vcs.analysis.reporting.table import FORMS as TABLES
    from themis_vcs.analysis.reporting.table import write_table
    from themis_vcs.analysis.reporting.write import form_of, write
    from themis_vcs.analysis.selection import DEFAULT, Asked
    from themis_vcs.pipeline.garbage import collected_seldom
    from themis_vcs.pipeline.reporter import replace_file

    _check(path, form, force, as_json)
    form = form or ("json" if as_json else form_of(path) if path is not None else "table")
    asked = Asked(columns=columns, where=where, sort=sort, limit=None if form == "table" else limit)
    output = session.output
    with session.reading() as repository, collected_seldom():
        reader, found = Reader(repository), locate_run(repository, session.revision(repository, revision))
        if form == "table" or form in TABLES:
            selection = asked.selection(_COLUMNS if form == "table" else DEFAULT)
            head = report(reader, found, by=by, failed=failed, costs=form == "table")
            rows = selection.of(outcomes(reader, found, selection.wanted, head.binary))
            if path is None:
                _print_head(output, head)
                # The limit is not in `asked`: a table says how many rows there are beyond it.
                total = None if selection.where else head.cases * len(head.metrics)
                _print_rows(output, selection, rows, _ROWS if limit is None else limit or None, total)
                return
            replace_file(path, lambda file: write_table(form, selection, rows, file))
            output.line("wrote ", str(path))
            return
        head, text = write(reader, found, form, asked, by=by, failed=failed, raw=raw)
        if path is not None:
            replace_file(path, lambda file: file.writelines(piece.encode() for piece in text))
            output.line("wrote ", str(path))
        else:
            _print(output, text)
    if head.incomplete:
        output.note(colored("not complete: ", "yellow"), "; ".join(head.incomplete))


def _check(path: Path | None, form: str | None, force: bool, as_json: bool) -> None:
    if as_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} cannot go together")
    if path is None and form in ("parquet", "arrow"):
        raise UsageError(f"{form} is for a file", hint="name one: -o FILE")
    if path is not None and form == "table":
        raise UsageError("a table is for a terminal", hint="--format markdown is for a file")
    if path is not None and path.exists() and not force:
        raise UsageError(f"{path} is there already", hint="name another file, or add --force")


def _print(output: Output, text: Iterable[str]) -> None:
    """Print a text as it is into a pipe or a file; on a terminal nothing in it may act on that."""
    terminal = output.stdout.isatty()
    for piece in text:
        output.raw((safe(piece.replace("\r\n", "\n")) if terminal else piece).encode())


def _print_head(output: Output, head: Report) -> None:
    from themis_vcs.analysis.reporting.wording import COSTS, ERRORS, cost_cells, error_cells, facts

    for label, said in facts(head):
        output.line(f"{label:<13} ", colored(said, "yellow") if said.startswith("no: ") else said, hang=14)
    _print_figures(output, head)
    if head.errors:
        _print_table(output, ERRORS, error_cells(head), right=(3,))
    if head.costs:
        _print_table(output, COSTS, map(cost_cells, head.costs), right=(1, 2, 4, 5, 6, 7))


def _print_figures(output: Output, head: Report) -> None:
    heading: list[Part] = ["metric", "mean", "95 % interval", "n", "failed"]
    for by in dict.fromkeys([None, *(each.by for each in head.slices)]):
        rows: list[list[Part]] = [heading if by is None else [*heading[:1], by, *heading[1:]]]
        for each in head.metrics if by is None else (each for each in head.slices if each.by == by):
            interval = "" if each.ci is None else f"{each.ci[0]:.3f} to {each.ci[1]:.3f}"
            mean = "" if each.mean is None else f"{each.mean:.3f}"
            part = [] if by is None else [clip(each.slice or "", 24)]
            rows.append([each.metric, *part, bold(mean), interval, f"{each.n:,} of {each.cases:,}", f"{each.failed:,}"])
        output.line()
        last = len(rows[0])
        output.table(rows, right=range(last - 4, last))


def _print_table(
    output: Output, heading: Iterable[str], rows: Iterable[list[str]], right: tuple[int, ...] = ()
) -> None:
    output.line()
    output.table([list(heading), *rows], right=right)


def _print_rows(
    output: Output, selection: Selection, rows: Iterator[Row], limit: int | None, total: int | None
) -> None:
    """Print the first rows, and how many more there are: the rest of `total`, or what is left if that is not known."""
    from themis_vcs.analysis.reporting.wording import clipped

    shown = [list(map(clipped, selection.cells(row))) for row in islice(rows, limit)]
    more = sum(1 for _ in rows) if total is None else total - len(shown)
    if not shown:
        output.note("no rows")
        return
    names = list(selection.columns)
    output.line()
    if selection.columns == list(_COLUMNS) and len({row[0] for row in shown}) == 1:
        output.line(dim(f"dataset {shown[0][0]}"), hang=4)
        names, shown = names[1:], [row[1:] for row in shown]
    ids = [at for at, name in enumerate(names) if name in ("dataset", "case")]
    output.table(fitted([names, *shown], output.width, ids))
    if more:
        output.line(dim(f"and {count(more, 'more row')}; --limit 0 shows all"))
