"""Rows as CSV (RFC 4180) and as TSV, guarded against cells that a spreadsheet would compute."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from themis_vcs.analysis.outcomes import Row
from themis_vcs.analysis.report import Report
from themis_vcs.analysis.selection import Selection, text

_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_FORMULA: Final = frozenset("=+-@")
_CONTROLS: Final = ("\t", "\r", "\n", "\0")
_CHUNK: Final = 500


def comma_separated(head: Report, selection: Selection, rows: Iterable[Row], *, raw: bool = False) -> Iterator[str]:
    """Write CSV: a heading, then a line per row. Unless `raw`, formulas are made text by a leading apostrophe."""
    return _delimited(selection, rows, ",", raw)


def tab_separated(head: Report, selection: Selection, rows: Iterable[Row], *, raw: bool = False) -> Iterator[str]:
    """As `comma_separated`, with tabs."""
    return _delimited(selection, rows, "\t", raw)


def _delimited(selection: Selection, rows: Iterable[Row], delimiter: str, raw: bool) -> Iterator[str]:
    said = text if raw else _guarded_text
    cells = selection.cells
    # csv writes None as nothing and a float in its shortest spelling, as `text` does.
    written = ([each if each is None or type(each) is float else said(each) for each in cells(row)] for row in rows)
    chunk: list[list[Any]] = [list(selection.columns)]
    while chunk:
        lines = io.StringIO(newline="")
        csv.writer(lines, delimiter=delimiter, lineterminator="\r\n").writerows(chunk)
        yield lines.getvalue()
        chunk = list(islice(written, _CHUNK))


def _guarded_text(value: Any) -> str:
    return guarded(text(value))


def guarded(said: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet might take it for a formula.

    OWASP, CSV injection: = + - @ tab and carriage return; here also behind white space, and their full-width forms.
    """
    if not said or (said[0].isalnum() and said[0].isascii()):
        return said
    if said[0] in _CONTROLS:
        return f"'{said}"
    bare = said.lstrip().lstrip("\ufeff\u200b\u200e\u200f\u2060")
    first = unicodedata.normalize("NFKC", bare[:1]).replace("\u2212", "-")
    return f"'{said}" if first and first[0] in _FORMULA and not _NUMBER.fullmatch(said) else said
