"""A report as one JSON document, `themis.report/1`, and its rows as JSON Lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import msgspec

from themis_vcs.analysis.outcomes import Row
from themis_vcs.analysis.report import Report
from themis_vcs.analysis.selection import Selection, cell

_CHUNK: Final = 500


def one_document(head: Report, selection: Selection, rows: Iterable[Row]) -> Iterator[str]:
    """Write the head's fields and then `rows`, a list of objects with a member per column."""
    opening = msgspec.json.format(msgspec.json.encode(head), indent=2).decode().removesuffix("\n}")
    yield f'{opening},\n  "rows": ['
    between = "\n    "
    for row in rows:
        yield between + _line(selection, row)
        between = ",\n    "
    yield "\n  ]\n}\n"


def json_lines(head: Report, selection: Selection, rows: Iterable[Row]) -> Iterator[str]:
    """Write an object per row."""
    lines = (_line(selection, row) + "\n" for row in rows)
    while chunk := "".join(islice(lines, _CHUNK)):
        yield chunk


def record(selection: Selection, row: Row) -> dict[str, Any]:
    """A row as a map with a member per column."""
    return {column: cell(row, column) for column in selection.columns}


def _line(selection: Selection, row: Row) -> str:
    return msgspec.json.encode(record(selection, row)).decode()
