"""An index over a JSON Lines file of recorded answers: found by what they are for, read when asked for.

Only the index is held in memory. Every record has a digest of what matters in it, so that one who uses it
can tell when it has changed. What the fields mean is up to `recorded`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from blake3 import blake3

from themis_vcs.catalog.lines import opened, read_lines
from themis_vcs.catalog.strictjson import MalformedJson, parse
from themis_vcs.errors import DataError
from themis_vcs.evaluation.failures import ComponentFailure
from themis_vcs.model import codec

Key = dict[str, Any]
Reader = Callable[[dict[str, Any]], tuple[Key, dict[str, Any]]]
"""(what a record is recorded for, what it says); DataError "field: what" if it is unfit."""


class Entry(NamedTuple):
    """Where a record stands and what it says, as a digest of 16 bytes."""

    line: int
    offset: int
    length: int
    digest: bytes


class RecordFile:
    """The records of a file. A record answers a request if all it is recorded for is as in the request.

    A record may leave out what it is recorded for: without a seed it answers for any. Of several that
    answer, the one that is recorded for most wins; two records for just the same are refused.
    """

    def __init__(self, path: Path, reader: Reader) -> None:
        """Reads the whole file once. DataError "file:line: field: what" where a record is unfit."""
        if path.suffix == ".gz":
            raise DataError(f"{path}: records are read here and there, so they cannot be compressed")
        self.path, self._reader = path, reader
        self._shapes: dict[tuple[str, ...], dict[tuple[Any, ...], Entry]] = {}
        self._groups: dict[Any, bytes] = {}
        with opened(path) as stream:
            offset = 0
            for number, line in read_lines(stream, path):
                end = stream.tell()
                if line.strip():
                    self._add(number, offset, end - offset, line)
                offset = end
        self._order = sorted(self._shapes, key=lambda shape: (-len(shape), shape))

    def _add(self, number: int, offset: int, length: int, line: bytes) -> None:
        place = f"{self.path}:{number}"
        try:
            key, said = self._reader(_record(line))
            digest = blake3(codec.pack(said)).digest(length=16)
        except DataError as error:
            raise DataError(f"{place}: {error}", hint=error.hint) from None
        shape = tuple(sorted(key))
        entries = self._shapes.setdefault(shape, {})
        values = tuple(key[name] for name in shape)
        if values in entries:
            shown = ", ".join(f"{name}={key[name]!r:.80}" for name in shape)
            first = entries[values].line
            raise DataError(f"{place}: record: a second one for {shown}; the first is on line {first}")
        entries[values] = Entry(number, offset, length, digest)
        # addition, so that the order of the lines does not matter
        group, mixed = key.get("case_id"), blake3(codec.pack([key, digest])).digest()
        total = int.from_bytes(self._groups.get(group, b""), "big") + int.from_bytes(mixed, "big")
        self._groups[group] = (total % 2**256).to_bytes(32, "big")

    def find(self, request: Mapping[str, Any]) -> Entry | None:
        """The record that answers the request, or None."""
        for shape in self._order:
            entry = self._shapes[shape].get(tuple(request.get(name) for name in shape))
            if entry is not None:
                return entry
        return None

    def digest_for(self, case_id: str) -> bytes:
        """A digest of the records that may answer for this case: those recorded for it, and for no case."""
        return self._groups.get(case_id, b"") + self._groups.get(None, b"")

    def digest(self) -> bytes:
        """A digest of all records, whatever their order."""
        return blake3(codec.pack(sorted([str(group), mixed] for group, mixed in self._groups.items()))).digest()

    def read(self, entry: Entry) -> dict[str, Any]:
        """The record. ComponentFailure if the file no longer says what it said when it was indexed."""
        with opened(self.path) as stream:
            stream.seek(entry.offset)
            line = stream.read(entry.length)
        try:
            record = _record(line.removeprefix(b"\xef\xbb\xbf"))
            _, said = self._reader(record)
            unchanged = blake3(codec.pack(said)).digest(length=16) == entry.digest
        except DataError:
            unchanged = False
        if not unchanged:
            raise ComponentFailure(
                f"{self.path}:{entry.line}: the file was changed while it was in use",
                category="data_problem",
                hint="run again; records that changed are played back anew",
            )
        return record


def _record(line: bytes) -> dict[str, Any]:
    record = parse(line)
    if type(record) is not dict:
        raise MalformedJson("record", f"expected an object, got {type(record).__name__}")
    return record
