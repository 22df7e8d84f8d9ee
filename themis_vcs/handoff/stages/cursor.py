"""The lines of a stage bundle in their order, with a look at the next one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from msgspec import Struct

from themis_vcs.errors import DataError
from themis_vcs.handoff.stages.lines import Line

L = TypeVar("L", bound=Line)
Placed = tuple[str, L]
"""A line, after the words for where it stands."""


class Cursor:
    """Lines one by one. `count` were taken so far; `where` is the place of the next, or of the last at the end."""

    def __init__(self, lines: Iterable[Placed[Line]]) -> None:
        self._lines = iter(lines)
        self.count = 0
        self.where = "the bundle"
        self._next: Placed[Line] | None = None
        self._advance()

    def _advance(self) -> None:
        self._next = next(self._lines, None)
        if self._next is not None:
            self.where = self._next[0]

    def peek(self) -> Line | None:
        """Return the next line, None at the end."""
        return None if self._next is None else self._next[1]

    def expect_more(self, what: str) -> None:
        """Refuse a file that ends before this."""
        if self._next is None:
            raise self._too_short(what)

    def all(self, kind: type[L]) -> Iterator[Placed[L]]:
        """Yield the lines of this kind that come next."""
        while self._next is not None and isinstance(self._next[1], kind):
            yield self.take(kind)

    def take(self, kind: type[L]) -> Placed[L]:
        """Return the next line, which has to be of this kind."""
        if self._next is None:
            raise self._too_short(f"its line {_name(kind)!r}")
        where, line = self._next
        if not isinstance(line, kind):
            raise DataError(f"{where}: kind: {_name(type(line))!r} where {_name(kind)!r} has to stand")
        self.count += 1
        self._advance()
        return where, line

    def _too_short(self, before: str) -> DataError:
        return DataError(f"{self.where}: the file ends here, before {before}", hint="it was cut short")


def _name(kind: type[Struct]) -> str:
    return str(kind.__struct_config__.tag)
