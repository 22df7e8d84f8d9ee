"""A report in one of the text formats: which there are, and the text of one, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import PurePath
from typing import Final

from themis_vcs.analysis.lookup import Located
from themis_vcs.analysis.outcomes import Row, outcomes
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.report import Report, report
from themis_vcs.analysis.reporting.delimited import comma_separated, tab_separated
from themis_vcs.analysis.reporting.document import json_lines, one_document
from themis_vcs.analysis.reporting.latex import latex
from themis_vcs.analysis.reporting.markdown import markdown
from themis_vcs.analysis.reporting.page import page
from themis_vcs.analysis.reporting.table import FORMS
from themis_vcs.analysis.reporting.wording import SHOWN
from themis_vcs.analysis.selection import DEFAULT, Asked, Selection
from themis_vcs.errors import UsageError
from themis_vcs.store.settings import Failed

Writer = Callable[[Report, Selection, Iterable[Row]], Iterator[str]]

WRITERS: Final[dict[str, Writer]] = {
    "json": one_document,
    "jsonl": json_lines,
    "csv": comma_separated,
    "tsv": tab_separated,
    "markdown": markdown,
    "latex": latex,
    "html": page,
}
SUFFIXES: Final = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".md": "markdown",
    ".tex": "latex",
    ".html": "html",
    ".htm": "html",
    ".parquet": "parquet",
    ".arrow": "arrow",
}
_ROWS_ALONE: Final = ("jsonl", "csv", "tsv")
_FOR_PEOPLE: Final = ("markdown", "latex", "html")


def form_of(path: PurePath) -> str:
    """The format that the name of a file says. UsageError if it says none."""
    form = SUFFIXES.get(path.suffix.lower())
    if form is None:
        raise UsageError(
            f"{path}: the format is not clear from its name", hint=f"say --format {'|'.join((*WRITERS, *FORMS))}"
        )
    return form


def default_columns(form: str) -> Sequence[str]:
    """The columns of a format unless others are asked for."""
    return SHOWN if form in _FOR_PEOPLE else DEFAULT


def write(
    reader: Reader,
    found: Located,
    form: str,
    asked: Asked,
    *,
    by: Sequence[str] = (),
    failed: Failed | None = None,
    raw: bool = False,
) -> tuple[Report, Iterator[str]]:
    """Return the head of a run's report, and its text in a format of `WRITERS`. `raw` concerns CSV and TSV alone.

    What is asked for is checked before anything is read. The rows are read while the text is taken. The head has no
    costs for a format that shows none.
    """
    writer = WRITERS.get(form)
    if writer is None:
        raise UsageError(f"unknown format {form!r}", hint=f"there are {', '.join(WRITERS)}")
    if raw and form in ("csv", "tsv"):
        writer = partial(comma_separated if form == "csv" else tab_separated, raw=True)
    selection = asked.selection(default_columns(form))
    head = report(reader, found, by=by, failed=failed, costs=form not in _ROWS_ALONE)
    rows = selection.of(outcomes(reader, found, selection.wanted, head.binary))
    return head, writer(head, selection, rows)
