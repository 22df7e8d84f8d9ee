"""A large JSON document taken apart: the elements of its long array, and what is around them. Not what they mean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from themis_vcs.catalog.lines import opened
from themis_vcs.catalog.strictjson import DEEPEST
from themis_vcs.errors import DataError
from themis_vcs.handoff.foreign.source import MAX_LINE, record_of

_BLOCK: Final = 1 << 20
_TEXT: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TEXTS: Final = re.compile(_TEXT, re.DOTALL)
_BRACKET: Final = re.compile(rb'(?:[^"{}\[\]]++|' + _TEXT + rb")*+[{}\[\]]", re.DOTALL)


class Element(NamedTuple):
    """An element of the array: the words for where it stands, its text, and where that begins in the file."""

    place: str
    text: bytes
    offset: int


class _Span(NamedTuple):
    number: int | None
    start: int
    end: int


class Document:
    """A file that is one JSON object and has, at `way`, an array that may be too long for the memory."""

    def __init__(self, path: Path, *way: str) -> None:
        self.path, self.name = path, ".".join(way)
        self._way = [b"", *(each.encode() for each in way)]

    def outline(self) -> dict[str, Any]:
        """The document without the elements. DataError if it is no JSON, or over MAX_LINE bytes without them."""
        with opened(self.path) as stream:
            parts, size = [], 0
            for span in self._spans():
                if span.number is None:
                    size += span.end - span.start
                    if size > MAX_LINE:
                        raise DataError(f"{self.path}: over {MAX_LINE:,} bytes outside of {self.name}")
                    parts.append(_text(stream, span))
        return record_of(f"{self.path}: outside of {self.name}", b"".join(parts))

    def elements(self) -> Iterator[Element]:
        """Every element. DataError where the file ends too early, or an element is over MAX_LINE bytes."""
        with opened(self.path) as stream:
            end = 0
            for span in self._spans():
                if span.number is not None:
                    place = self.place(span.number)
                    if span.end - span.start > MAX_LINE:
                        raise DataError(f"{place}: over {MAX_LINE:,} bytes")
                    between = _text(stream, _Span(None, end, span.start)).strip()
                    if between != (b"," if span.number else b""):
                        raise DataError(f"{place}: record: expected an object")
                    yield Element(place, _text(stream, span), span.start)
                end = span.end

    def place(self, number: int) -> str:
        """The words for where an element stands."""
        return f"{self.path}: {self.name}[{number}]"

    def _spans(self) -> Iterator[_Span]:
        """Where the elements are, by number, and what is around them. All that is between two elements is a comma."""
        keys: list[bytes] = []
        start, number, level = 0, 0, len(self._way)
        inside = False
        for before, bracket, end in self._brackets():
            if bracket in b"[{":
                if inside and len(keys) == level:
                    start = end - 1
                keys.append(_key(before) if len(keys) < level else b"")
                if len(keys) > DEEPEST:
                    raise DataError(f"{self.path}: byte {end}: nested deeper than {DEEPEST} levels")
                if bracket == b"[" and keys == self._way:
                    inside = True
                    yield _Span(None, start, end)
                    start = end
            else:
                if not keys:
                    raise DataError(f"{self.path}: byte {end}: a bracket closes that was not opened")
                keys.pop()
                if inside and len(keys) == level:
                    yield _Span(number, start, end)
                    number, start = number + 1, end
                inside = inside and len(keys) >= level
        if keys:
            raise DataError(f"{self.path}: the file ends in the middle", hint="is it whole?")
        yield _Span(None, start, self.path.stat().st_size)

    def _brackets(self) -> Iterator[tuple[bytes, bytes, int]]:
        """(what is before it, the bracket, offset of its end) of every bracket that is in no text."""
        rest, base = b"", 0
        with opened(self.path) as stream:
            while block := stream.read(max(_BLOCK, len(rest))):
                data, cut = rest + block, 0
                while found := _BRACKET.match(data, cut):
                    before, cut = cut, found.end()
                    yield data[before : cut - 1], data[cut - 1 : cut], base + cut
                rest, base = data[cut:], base + cut
                if len(rest) > MAX_LINE:
                    raise DataError(f"{self.path}: byte {base}: over {MAX_LINE:,} bytes without a bracket")


def _key(before: bytes) -> bytes:
    """The key of what opens after these bytes, as it is written; nothing in an array."""
    return _TEXTS.findall(before)[-1][1:-1] if before.rstrip().endswith(b":") and b'"' in before else b""


def _text(stream: BinaryIO, span: _Span) -> bytes:
    stream.seek(span.start)
    return stream.read(span.end - span.start)
