"""Which columns and rows of a report are shown, and in which order: a small language that only compares.

    CONDITION [and CONDITION …]        CONDITION = COLUMN OP VALUE        OP is = != < <= > >= or ~ (contains)

A column is a field of a row, or a path into one that holds a map, such as `metadata.subject`.
"""

from __future__ import annotations

import json
import operator
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Final

import msgspec

from themis_vcs.analysis.outcomes import OUTCOMES, Row, Wanted
from themis_vcs.errors import UsageError

COLUMNS: Final = tuple(Row.__struct_fields__)
DEFAULT: Final = (
    "dataset",
    "case",
    "metric",
    "outcome",
    "value",
    "stage",
    "category",
    "message",
    "details",
    "candidate",
)
_MAPS: Final = ("details", "tokens", "metadata", "output", "parsed")
_ANSWER: Final = frozenset({"candidate", "output"})
_MEASURED: Final = frozenset({"latency_ms", "tokens"})
_NUMBERS: Final = frozenset({"value", "latency_ms"})
_ORDERS: Final = frozenset({"<", "<=", ">", ">="})
_LONGEST: Final = 10_000

_CONDITION: Final = re.compile(
    r"""\s*(?P<column>[^\s=!<>~"']+)\s*(?P<op>!=|<=|>=|=|<|>|~)\s*(?P<value>"[^"]*"|'[^']*'|[^\s"']+)\s*(?P<rest>.*)""",
    re.S,
)
_AND: Final = re.compile(r"and\s+", re.I)
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "~": lambda text, part: str(part) in str(text),
}


@dataclass(frozen=True)
class Condition:
    """A comparison of a column with a value: as numbers where both are, else as text; a cell without a value is ""."""

    column: str
    op: str
    value: str

    def holds(self, row: Row) -> bool:
        """Whether a row is meant."""
        found = cell(row, self.column)
        number = _number(self.value)
        if self.op != "~" and number is not None and isinstance(found, int | float) and not isinstance(found, bool):
            return _OPERATORS[self.op](found, number)
        if found is None and self.op not in ("=", "!="):
            return False
        return _OPERATORS[self.op](text(found), self.value)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is shown of the rows: the first `limit`, all if it is None.

    `sort` is a column and whether the largest come first; rows without it come last.
    """

    columns: Sequence[str] = DEFAULT
    where: Sequence[Condition] = ()
    sort: tuple[str, bool] | None = None
    limit: int | None = None

    @cached_property
    def cells(self) -> Callable[[Row], Sequence[Any]]:
        """What a row has in the columns."""
        if len(self.columns) > 1 and not any("." in column for column in self.columns):
            return operator.attrgetter(*self.columns)
        getters = [getter(column) for column in self.columns]
        return lambda row: [get(row) for get in getters]

    @property
    def wanted(self) -> Wanted:
        """What has to be read for it."""
        sort = [self.sort[0]] if self.sort else []
        roots = {name.partition(".")[0] for name in (*self.columns, *(each.column for each in self.where), *sort)}
        return Wanted(
            details="details" in roots,
            answer=bool(roots & _ANSWER),
            parsed="parsed" in roots,
            measured=bool(roots & _MEASURED),
            metadata="metadata" in roots,
        )

    def of(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows that are shown. They are held in memory only to be sorted."""
        found = iter(rows)
        if self.where:
            found = (row for row in found if all(each.holds(row) for each in self.where))
        if self.sort is not None:
            column, descending = self.sort
            known, unknown = list[Row](), list[Row]()
            for row in found:
                value = cell(row, column)
                (unknown if value is None else known).append(row)
            known.sort(key=lambda row: _rank(cell(row, column)), reverse=descending)
            found = iter([*known, *unknown])
        return found if self.limit is None else islice(found, self.limit)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A selection as a person writes it: columns as text or a list, behind a + beside the usual ones; limit 0: all."""

    columns: str | Sequence[str] | None = None
    where: str | None = None
    sort: str | None = None
    limit: int | None = None

    def selection(self, default: Sequence[str] = DEFAULT) -> Selection:
        """What it means, with the columns `default` if none are named. UsageError names what is wrong with the text."""
        said = self.columns if isinstance(self.columns, str) else ",".join(self.columns or ())
        named = [name.strip() for name in said.removeprefix("+").split(",")] if self.columns is not None else []
        columns = dict.fromkeys([*default, *named] if self.columns is None or said.startswith("+") else named)
        sort = None
        if self.sort is not None:
            name, _, order = self.sort.partition(":")
            if order not in ("", "asc", "desc"):
                raise UsageError(f"--sort {self.sort}: unknown order {order!r}", hint="write COLUMN or COLUMN:desc")
            sort = (checked(name), order == "desc")
        if self.limit is not None and self.limit < 0:
            raise UsageError(f"--limit {self.limit}: less than nothing")
        where = conditions(self.where) if self.where is not None else ()
        limit = sys.maxsize if self.limit == 0 else self.limit
        return Selection(columns=[checked(name) for name in columns], where=where, sort=sort, limit=limit)


def conditions(where: str) -> list[Condition]:
    """Parse the conditions. UsageError shows where the text cannot be read."""
    if len(where) > _LONGEST:
        raise UsageError(f"--where: longer than {_LONGEST:,} characters")
    found, rest = [], where
    while True:
        match = _CONDITION.fullmatch(rest)
        if match is None:
            raise UsageError(
                f"--where: cannot read {rest[:60]!r}",
                hint="write COLUMN OP VALUE joined by `and`, with = != < <= > >= or ~; quote a value that has spaces",
            )
        value = match["value"]
        quoted = value[0] in "\"'"
        found.append(_known(Condition(checked(match["column"]), match["op"], value[1:-1] if quoted else value)))
        rest = match["rest"]
        if not rest:
            return found
        joined = _AND.match(rest)
        if joined is None:
            raise UsageError(f"--where: expected `and` before {rest[:60]!r}")
        rest = rest[joined.end() :]


def _known(condition: Condition) -> Condition:
    """The condition. UsageError for an outcome that no row can have, and for a text to hold numbers against."""
    if condition.column == "outcome" and condition.op in ("=", "!=") and condition.value not in OUTCOMES:
        raise UsageError(f"--where: no outcome {condition.value[:80]!r}", hint=f"there are {', '.join(OUTCOMES)}")
    numbers = condition.column in _NUMBERS or condition.column.startswith("tokens.")
    if numbers and condition.op in _ORDERS and _number(condition.value) is None:
        said = f"{condition.column} {condition.op} {condition.value[:80]!r}"
        raise UsageError(f"--where: {said}: the column holds numbers", hint=f"such as {condition.column} > 0.5")
    return condition


def checked(column: str) -> str:
    """The column, if it is one. UsageError lists those that there are."""
    root, dot, path = column.partition(".")
    if root not in COLUMNS or (dot and (root not in _MAPS or not path)):
        hint = f"there are {', '.join(COLUMNS)}, and paths such as metadata.subject"
        raise UsageError(f"no column {column[:80]!r}", hint=hint)
    return column


def cell(row: Row, column: str) -> Any:
    """What a row has in a column; None where it has nothing there."""
    return getter(column)(row)


def getter(column: str) -> Callable[[Row], Any]:
    """`cell` for one column and many rows."""
    root, dot, path = column.partition(".")
    whole = operator.attrgetter(root)
    return (lambda row: at_path(whole(row), path)) if dot else whole


def at_path(value: Any, path: str) -> Any:
    """What lies under a dotted path in plain data; None where nothing does. A key that has dots itself is found too."""
    if not isinstance(value, dict):
        return None
    if path in value:
        return value[path]
    first, dot, rest = path.partition(".")
    return at_path(value.get(first), rest) if dot else None


def text(value: Any) -> str:
    """A cell as text: text as it is, nothing as "", numbers in their shortest spelling, anything else as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return repr(value)
    return json.dumps(msgspec.to_builtins(value), ensure_ascii=False, separators=(",", ":"))


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _rank(value: Any) -> tuple[bool, float, str]:
    """Numbers by size, then anything else as text."""
    number = isinstance(value, int | float)
    return (not number, float(value) if number else 0.0, "" if number else text(value))
