"""Datasets from files: JSON Lines and CSV as a stream, JSON as a whole; each also compressed with gzip.

A file is read again every time its cases are iterated, and never held in memory beyond a record (JSON:
beyond its size limit). What is malformed is a DataError "file:line: field: what"; no case after it is given
out.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from themis_vcs.catalog.fields import BadField, FieldMap, Selection
from themis_vcs.catalog.lines import MAX_LINE, opened, read_lines
from themis_vcs.catalog.strictjson import MalformedJson, parse, shown
from themis_vcs.errors import DataError
from themis_vcs.evaluation.dataset import Case, Dataset, id_key

MAX_JSON = 256 * 1024 * 1024
"""Largest .json dataset, in bytes after decompression; larger ones are for JSON Lines."""

Records = Iterator[tuple[int, Any]]
"""(line, or number in a .json file; record)"""


def read_dataset(
    path: str | Path,
    *,
    dataset_id: str | None = None,
    case_id: str | None = None,
    input: Selection | None = None,  # noqa: A002
    expected: Selection | None = None,
    metadata: Selection | None = None,
    revision: str | None = None,
    limit: int | None = None,
    max_record: int = MAX_LINE,
) -> Dataset:
    """The dataset in a .jsonl, .json or .csv file; its cases are read when they are iterated.

    `dataset_id` defaults to the file's name without its endings. `case_id`, `input`, `expected` and
    `metadata` name the fields to take (`catalog.fields`); a list of names makes an object of these fields;
    `case_id="@number"` numbers the records. `limit` takes the first cases only. `max_record` bounds a
    record of .jsonl or .csv, in bytes.
    """
    path = Path(path)
    name, kind = _kind_of(path)
    with opened(path):
        pass
    fields = FieldMap(case_id, input, expected, metadata)
    return Dataset(dataset_id or name, CaseFile(path, kind, fields, limit, max_record), revision)


class CaseFile:
    """The cases of a file, in its order, as often as they are asked for. Duplicate ids are a DataError."""

    checked = True

    def __init__(self, path: Path, kind: str, fields: FieldMap, limit: int | None, max_record: int) -> None:
        self.path, self.kind, self.limit = path, kind, limit
        self._fields, self._max_record = fields, max_record

    def __iter__(self) -> Iterator[Case]:
        seen: set[str | bytes] = set()
        make, taken = self._fields.case, 0
        with opened(self.path) as stream:
            records = _READERS[self.kind](stream, self.path, self._max_record)
            for number, record in islice(records, self.limit):
                taken += 1
                if type(record) is not dict:
                    raise self._error(number, f"record: expected an object, got {type(record).__name__}")
                try:
                    case = make(record, taken)
                except BadField as error:
                    raise self._error(number, error.message, error.hint) from None
                key = id_key(case.case_id)
                if key in seen:
                    raise self._error(
                        number,
                        f"case_id: {case.case_id!r:.80} was used before in this file",
                        "every case of a dataset needs an id of its own",
                    )
                seen.add(key)
                yield case
        if not taken and self.limit != 0:
            raise DataError(f"{self.path}: no cases in this file")

    def _error(self, number: int, what: str, hint: str | None = None) -> DataError:
        place = f"{self.path}: record {number}" if self.kind == "json" else f"{self.path}:{number}"
        return DataError(f"{place}: {what}", hint=hint)


def _kind_of(path: Path) -> tuple[str, str]:
    stem = path.name.removesuffix(".gz")
    for ending, kind in ((".jsonl", "jsonl"), (".ndjson", "jsonl"), (".json", "json"), (".csv", "csv")):
        if stem.lower().endswith(ending) and len(stem) > len(ending):
            return stem[: -len(ending)], kind
    raise DataError(
        f"{path}: not a dataset format that is known",
        hint="name it .jsonl, .json or .csv, each also with .gz",
    )


def _read_jsonl(stream: BinaryIO, path: Path, max_record: int) -> Records:
    for number, line in read_lines(stream, path, max_record):
        try:
            yield number, parse(line)
        except MalformedJson as error:
            if line.strip():
                raise DataError(f"{path}:{number}: {error}") from None


def _read_json(stream: BinaryIO, path: Path, max_record: int) -> Records:
    data = stream.read(MAX_JSON + 1)
    if len(data) > MAX_JSON:
        raise DataError(f"{path}: larger than {MAX_JSON:,} bytes", hint="write large datasets as JSON Lines")
    try:
        content = parse(data.removeprefix(b"\xef\xbb\xbf"))
    except MalformedJson as error:
        raise DataError(f"{path}: {error}") from None
    records = content.get("cases") if type(content) is dict else content
    if type(records) is not list:
        raise DataError(f'{path}: expected a list of records, or an object whose "cases" is one')
    yield from enumerate(records, start=1)


def _read_csv(stream: BinaryIO, path: Path, max_record: int) -> Records:
    source = _CsvSource(stream, path, max_record)
    # the csv module's own limit is global and counts a field's characters; the source bounds the record
    csv.field_size_limit(max(csv.field_size_limit(), max_record))
    rows = csv.reader(source, strict=True)
    header = _row(rows, source)
    if header is None:
        return
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise DataError(f"{path}:1: {shown(repeated[0])}: column twice in the header")
    while (row := _row(rows, source)) is not None:
        if len(row) != len(header):
            if row:
                raise DataError(f"{source.place}: record: {len(row)} cells, the header has {len(header)} columns")
            continue
        yield source.first, {name: cell if cell else None for name, cell in zip(header, row, strict=True)}


def _row(rows: Iterator[list[str]], source: _CsvSource) -> list[str] | None:
    source.start()
    try:
        return next(rows, None)
    except csv.Error as error:
        raise DataError(f"{source.place}: record: malformed CSV: {error}") from None


class _CsvSource:
    """Feeds lines to the csv module, counting where a record starts and how long it grows."""

    def __init__(self, stream: BinaryIO, path: Path, max_record: int) -> None:
        self._lines = read_lines(stream, path, max_record)
        self._path, self._max_record = path, max_record
        self._number = self.first = self._size = 0

    @property
    def place(self) -> str:
        return f"{self._path}:{self.first}"

    def start(self) -> None:
        self.first, self._size = self._number + 1, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self._number, line = next(self._lines)
        self._size += len(line)
        if self._size > self._max_record:
            raise DataError(
                f"{self.place}: record: longer than {self._max_record:,} bytes", hint="is a quote not closed?"
            )
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{self._path}:{self._number}: line: not UTF-8 at byte {error.start + 1}") from None


_READERS: dict[str, Callable[[BinaryIO, Path, int], Records]] = {
    "jsonl": _read_jsonl,
    "json": _read_json,
    "csv": _read_csv,
}
