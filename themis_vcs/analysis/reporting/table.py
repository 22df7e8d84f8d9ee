"""Rows as a table of Arrow, and files of it. pyarrow comes with the extra `arrow`, and is imported when it is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO, Final

from themis_vcs.analysis.outcomes import Row
from themis_vcs.analysis.selection import Selection, cell, text
from themis_vcs.errors import UsageError

FORMS: Final = ("parquet", "arrow")
_NUMBERS: Final = ("value", "latency_ms")
_CHUNK: Final = 10_000


def pyarrow() -> Any:
    """The library. UsageError says how to install it."""
    try:
        import pyarrow  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(f"this needs pyarrow: {error}", hint="pip install 'themis-vcs[arrow]' brings it") from error
    return pyarrow


def arrow_table(selection: Selection, rows: Iterable[Row]) -> Any:
    """Return a `pyarrow.Table`: `value` and `latency_ms` are float64, all other columns text, maps as JSON."""
    arrow = pyarrow()
    schema = schema_of(selection)
    return arrow.Table.from_batches(list(_batches(selection, rows)), schema)


def schema_of(selection: Selection) -> Any:
    """Return the schema of the columns."""
    arrow = pyarrow()
    kinds = {name: arrow.float64() if name in _NUMBERS else arrow.string() for name in selection.columns}
    return arrow.schema(list(kinds.items()))


def write_table(form: str, selection: Selection, rows: Iterable[Row], file: BinaryIO) -> None:
    """Write a file of Parquet, or of Arrow's IPC format, some thousand rows at a time."""
    arrow = pyarrow()
    schema = schema_of(selection)
    if form == "parquet":
        from pyarrow.parquet import ParquetWriter  # noqa: PLC0415

        writer = ParquetWriter(file, schema)
    else:
        writer = arrow.ipc.new_file(file, schema)
    with writer:
        for batch in _batches(selection, rows):
            writer.write_batch(batch)


def _batches(selection: Selection, rows: Iterable[Row]) -> Iterator[Any]:
    arrow, schema = pyarrow(), schema_of(selection)
    cells = iter(rows)
    while chunk := list(islice(cells, _CHUNK)):
        columns = [[_cell(row, name) for row in chunk] for name in selection.columns]
        arrays = [arrow.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
        yield arrow.RecordBatch.from_arrays(arrays, schema=schema)


def _cell(row: Row, name: str) -> Any:
    found = cell(row, name)
    return found if found is None or name in _NUMBERS else text(found)
