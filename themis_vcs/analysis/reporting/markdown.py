"""A report as Markdown with tables, for a pull request or a wiki. No text in it acts as markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from themis_vcs.analysis.outcomes import Row
from themis_vcs.analysis.report import Report
from themis_vcs.analysis.reporting.wording import (
    COSTS,
    ERRORS,
    FIGURES,
    clipped,
    cost_cells,
    error_cells,
    facts,
    figure_cells,
)
from themis_vcs.analysis.selection import Selection

_MARKS: Final = str.maketrans(
    {each: f"\\{each}" for each in "\\`*_{}[]()#+-!|~"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}
)
_LINKED: Final = re.compile(r"://|www\.", re.I)


def markdown(head: Report, selection: Selection, rows: Iterable[Row]) -> Iterator[str]:
    """Write the head, the means, the errors, the costs, and a table of the rows."""
    yield f"# Report of {escaped(head.name)}\n\n"
    for label, said in facts(head):
        yield f"- {label}: {escaped(said)}\n"
    yield from table("Means", FIGURES, map(figure_cells, (*head.metrics, *head.slices)))
    if head.errors:
        yield from table("Errors", ERRORS, error_cells(head))
    if head.costs:
        yield from table("Cost", COSTS, map(cost_cells, head.costs))
    yield from table("Cases", selection.columns, (list(map(clipped, selection.cells(row))) for row in rows))


def table(heading: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A heading, and below it a table of text."""
    yield f"\n## {heading}\n\n"
    yield _row(columns)
    yield "|" + " --- |" * len(columns) + "\n"
    yield from map(_row, rows)


def _row(cells: Iterable[str]) -> str:
    return "|" + "".join(f" {escaped(each)} |" for each in cells) + "\n"


def escaped(said: str) -> str:
    """The text in one line, so that no part of it is markup, HTML or a link. Unprintable characters become U+XXXX."""
    line = "".join(each if each.isprintable() else " " if each.isspace() else f"U+{ord(each):04X}" for each in said)
    return _LINKED.sub(lambda found: found[0].replace(":", "&#58;").replace(".", "&#46;"), line.translate(_MARKS))
