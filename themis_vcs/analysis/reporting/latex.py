"""A report as LaTeX tables for a paper: to be included, with the packages booktabs and longtable."""

from __future__ import annotations

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

_SPELLED: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "-": "-{}",
    ",": ",{}",
    "?": "?{}",
    "!": "!{}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "‘": r"\textquoteleft{}",
    "’": r"\textquoteright{}",
    "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}",
    "→": r"$\rightarrow$",
}


def latex(head: Report, selection: Selection, rows: Iterable[Row]) -> Iterator[str]:
    """Write the head as a comment and the tables of means, errors, costs and rows."""
    yield "% \\usepackage[T1]{fontenc}\n% \\usepackage{booktabs,longtable,textcomp}\n"
    for label, said in facts(head):
        yield f"% {label}: {escaped(said)}\n"
    yield from _table(FIGURES, map(figure_cells, (*head.metrics, *head.slices)))
    if head.errors:
        yield from _table(ERRORS, error_cells(head))
    if head.costs:
        yield from _table(COSTS, map(cost_cells, head.costs))
    yield from _table(selection.columns, (list(map(clipped, selection.cells(row))) for row in rows))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"\n\\begin{{longtable}}{{{'l' * len(columns)}}}\n\\toprule\n{_row(columns)}\\midrule\n\\endhead\n"
    yield from map(_row, rows)
    yield "\\bottomrule\n\\end{longtable}\n"


def _row(cells: Iterable[str]) -> str:
    return " & ".join(map(escaped, cells)) + " \\\\\n"


def escaped(said: str) -> str:
    """The text in one line as LaTeX prints it. What needs a font of its own, or is unprintable, becomes U+XXXX."""
    return "".join(map(_spelled, said))


def _spelled(character: str) -> str:
    spelled = _SPELLED.get(character)
    if spelled is not None:
        return spelled
    if character.isspace():
        return " "
    plain = "\x20" <= character <= "\x7e" or ("\xc0" <= character <= "\xff" and character.isalpha())
    return character if plain else f"U+{ord(character):04X}"
