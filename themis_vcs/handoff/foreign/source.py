"""Files of other tools: what they are, and their lines as strict JSON. What they mean is up to the readers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from themis_vcs.catalog.lines import opened, read_lines
from themis_vcs.catalog.strictjson import MalformedJson, parse
from themis_vcs.errors import DataError
from themis_vcs.handoff.foreign.log import LogFile

MAX_LINE = 64 * 1024 * 1024
"""Longest record of a log, in bytes: that of an object."""

NOT_A_LOG = "is this a log of that tool, as it was written?"
"""The hint where a file does not have what a log has."""

MAX_DOCUMENT = 128 * 1024 * 1024
"""Largest file that is one JSON value, in bytes; it takes about six times as much memory."""


def log_files(paths: Sequence[Path]) -> list[LogFile]:
    """Size and hash of every file. DataError if one cannot be read."""
    return [_log_file(path) for path in paths]


def records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, record) of every line that is not blank. DataError "file:line: field: what"."""
    with opened(path) as stream:
        for number, line in read_lines(stream, path, MAX_LINE):
            if line.strip():
                yield f"{path}:{number}", record_of(f"{path}:{number}", line)


def record_of(place: str, text: bytes) -> dict[str, Any]:
    """The object that `text` spells. DataError with the place and the field."""
    try:
        record = parse(text)
    except MalformedJson as error:
        raise DataError(f"{place}: {error}") from None
    if type(record) is not dict:
        raise DataError(f"{place}: record: expected an object, got {type(record).__name__}")
    return record


def document(path: Path, tool: str, hint: str) -> dict[str, Any]:
    """The one object that a file holds. DataError, also for a file over MAX_DOCUMENT bytes, with that hint."""
    with opened(path) as stream:
        text = stream.read(MAX_DOCUMENT + 1)
    if len(text) > MAX_DOCUMENT:
        raise DataError(f"{path}: over {MAX_DOCUMENT:,} bytes, and {tool} writes it as one JSON value", hint=hint)
    return record_of(str(path), text)


class Fields:
    """Typed access to the fields of an object of a log. Whatever is not as expected is a DataError with its place."""

    def __init__(self, place: str, data: Any, path: str = "") -> None:
        self.place, self.path = place, path
        if type(data) is not dict:
            raise self.wrong("", "an object", data)
        self.data: dict[str, Any] = data

    def wrong(self, name: str, expected: str, got: Any) -> DataError:
        """The error for a field."""
        where = ".".join(each for each in (self.path, name) if each) or "record"
        what = "missing" if got is None else f"expected {expected}, got {type(got).__name__}"
        return DataError(f"{self.place}: {where}: {what}", hint=NOT_A_LOG)

    def text(self, name: str, default: str | None = None) -> str:
        """A text. DataError if it is missing and has no default."""
        value = self.data.get(name)
        if value is None and default is not None:
            return default
        if type(value) is not str:
            raise self.wrong(name, "text", value)
        return value

    def within(self, name: str) -> Fields:
        """An object; an empty one if it is missing."""
        value = self.data.get(name)
        return Fields(self.place, {} if value is None else value, f"{self.path}.{name}" if self.path else name)

    def items(self, name: str) -> list[Any]:
        """A list; an empty one if it is missing."""
        value = self.data.get(name)
        if value is not None and type(value) is not list:
            raise self.wrong(name, "a list", value)
        return value or []

    def number(self, name: str) -> float | None:
        """A number, or None if it is missing."""
        value = self.data.get(name)
        if value is not None and (type(value) is bool or not isinstance(value, int | float)):
            raise self.wrong(name, "a number", value)
        return value

    def get(self, name: str) -> Any:
        """Whatever the field holds."""
        return self.data.get(name)


def _log_file(path: Path) -> LogFile:
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
                size += len(block)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file", hint=f"the path counts from {Path.cwd()}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    return LogFile(path.name, size, digest.hexdigest())
