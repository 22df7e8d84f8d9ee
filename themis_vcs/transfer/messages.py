"""The documents of the wire (`docs/reference/format/wire.md`), and errors on their way over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from themis_vcs.errors import DataError, FormatError, RefConflict, RemoteError, ThemisError
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import ANY, Anything, RefUpdate

FORMAT: Final = 1
MAX_OIDS: Final = 8_192
MAX_QUESTION: Final = 1 << 20
MAX_ANSWER: Final = 16 << 20
MAX_MESSAGE: Final = 1_000
ANSWER_BYTES: Final = 16 << 20
"""An answer to `objects` ends with the object with which the data of its objects become as much as this."""

_PATTERN: Final = "^[0-9a-f]{64}$"
Hex = Annotated[str, Meta(pattern=_PATTERN, max_length=64)]
_Long = Annotated[str, Meta(min_length=64, max_length=64, extra_json_schema={"pattern": _PATTERN})]
Hexes = Annotated[list[_Long], Meta(max_length=MAX_OIDS)]
"""Many, whose digits are looked at together (`_check`): the pattern takes most of the time of a question."""
T = TypeVar("T")


class Refs(Struct, frozen=True):
    """The answer to `refs`."""

    format: int
    refs: dict[str, Hex]


class Oids(Struct, frozen=True, forbid_unknown_fields=True):
    """The question `missing`, and its answer."""

    oids: Hexes

    def __post_init__(self) -> None:
        _check(self.oids)


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    """The question `objects`."""

    oids: Annotated[Hexes, Meta(min_length=1)]
    dictionaries: Hexes = []

    def __post_init__(self) -> None:
        _check(self.oids)
        _check(self.dictionaries)


class Counts(Struct, frozen=True):
    """The answer to `pack`."""

    objects: int
    new: int


class Update(Struct, frozen=True, forbid_unknown_fields=True):
    """A move of a ref."""

    name: Annotated[str, Meta(max_length=200)]
    new: Hex | None
    expected: Annotated[str, Meta(pattern="^(any|[0-9a-f]{64})$", max_length=64)] | None


class Moves(Struct, frozen=True, forbid_unknown_fields=True):
    """The question `move`."""

    updates: Annotated[list[Update], Meta(max_length=MAX_OIDS)]
    message: Annotated[str, Meta(max_length=MAX_MESSAGE)] = ""


class Failure(Struct, frozen=True):
    """What went wrong at the other end."""

    code: str
    message: str
    hint: str | None = None
    name: str | None = None
    expected: Hex | None = None
    actual: Hex | None = None


class Failed(Struct, frozen=True):
    """The answer to a question that failed."""

    error: Failure


def _check(oids: list[str]) -> None:
    """ValueError unless texts of 64 characters are hexadecimal digits in lower case."""
    digits = "".join(oids)
    try:
        # The way back finds what `fromhex` lets pass: capitals and spaces.
        sound = bytes.fromhex(digits).hex() == digits
    except ValueError:
        sound = False
    if not sound:
        raise ValueError("an id is 64 hexadecimal digits in lower case")


def encode(document: Any) -> bytes:
    """Return a document as bytes."""
    return msgspec.json.encode(document)


def decode(data: bytes, kind: type[T]) -> T:
    """Return the document in `data`. DataError if it is not of its kind."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"not a document of the wire: {error}") from error


def to_hex(oids: Sequence[Oid]) -> list[str]:
    """Return oids as they are written."""
    return [oid.hex() for oid in oids]


def from_hex(oids: Sequence[str]) -> list[Oid]:
    """Return oids that are written so."""
    return [bytes.fromhex(oid) for oid in oids]


def to_moves(updates: Sequence[RefUpdate], message: str) -> Moves:
    """Return moves of refs as a document."""
    return Moves([Update(each.name, _hex(each.new), _hex(each.expected)) for each in updates], message[:MAX_MESSAGE])


def from_moves(moves: Moves) -> list[RefUpdate]:
    """Return the moves in a document."""
    return [
        RefUpdate(each.name, _oid(each.new), ANY if each.expected == "any" else _oid(each.expected))
        for each in moves.updates
    ]


def _hex(oid: Oid | Anything | None) -> str | None:
    return "any" if isinstance(oid, Anything) else None if oid is None else oid.hex()


def _oid(text: str | None) -> Oid | None:
    return None if text is None else bytes.fromhex(text)


def failed(error: ThemisError) -> Failed:
    """Return an error as a document."""
    if isinstance(error, RefConflict):
        refs = error.name, _hex(error.expected), _hex(error.actual)
        return Failed(Failure(error.code, error.message, error.hint, *refs))
    return Failed(Failure(error.code, error.message, error.hint))


def raised(failure: Failure, name: str) -> ThemisError:
    """Return the error that is to be raised for one that happened at the other end, which `name` says."""
    if failure.code == RefConflict.code and failure.name is not None:
        return RefConflict(_shown(failure.name), _oid(failure.expected), _oid(failure.actual))
    hint = None if failure.hint is None else _shown(failure.hint)
    if failure.code == FormatError.code:
        return FormatError(f"{name}: {_shown(failure.message)}", hint=hint)
    error = RemoteError(f"{name}: {_shown(failure.message)}", hint=hint)
    error.failure = failure.code
    return error


def _shown(text: str) -> str:
    """Return what somebody else said, without what a terminal would obey, and not too long."""
    return "".join(
        each if each.isprintable() or each == "\n" else "\N{REPLACEMENT CHARACTER}" for each in text[:MAX_MESSAGE]
    )
