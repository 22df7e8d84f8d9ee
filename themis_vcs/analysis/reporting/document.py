"""A report as one JSON document, `themis.report/1`, and its rows as JSON Lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import msgspec

from themis_vcs.analysis.outcomes import Row
from themis_vcs.analysis.report import Report
from themis_vcs.analysis.selection import Selection

_CHUNK: Final = 500
_ENCODER: Final = msgspec.json.Encoder()


def one_document(head: Report, selection: Selection, rows: Iterable[Row]) -> Iterator[str]:
    """Write the head's fields and then `rows`, a list of objects with a member per column."""
    opening = msgspec.json.format(msgspec.json.encode(head), indent=2).decode().removesuffix("\n}")
    yield f'{opening},\n  "rows": ['
    between = "\n    "
    for lines in json_lines(head, selection, rows):
        # A line break is never part of what JSON spells.
        yield between + lines.removesuffix("\n").replace("\n", ",\n    ")
        between = ",\n    "
    yield "\n  ]\n}\n"


def json_lines(head: Report, selection: Selection, rows: Iterable[Row]) -> Iterator[str]:
    """Write an object per row."""
    rows = iter(rows)
    while chunk := [record(selection, row) for row in islice(rows, _CHUNK)]:
        yield _ENCODER.encode_lines(chunk).decode()


def record(selection: Selection, row: Row) -> dict[str, Any]:
    """A row as a map with a member per column."""
    return dict(zip(selection.columns, selection.cells(row), strict=True))
