"""The documents of the wire (`docs/reference/format/wire.md`), and errors on their way over it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from themis_vcs.errors import DataError, FormatError, RefConflict, RemoteError, ThemisError
from themis_vcs.model.oid import OID_BYTES, Oid
from themis_vcs.store.backend import ANY, Anything, RefUpdate

FORMAT: Final = 1
MAX_OIDS: Final = 8_192
MAX_QUESTION: Final = 1 << 20
MAX_ANSWER: Final = 16 << 20
MAX_MESSAGE: Final = 1_000
ANSWER_BYTES: Final = 16 << 20
"""An answer to `objects` ends with the object with which the data of its objects become as much as this."""

Hex = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
_DIGITS: Final = 64 * MAX_OIDS
Joined = Annotated[str, Meta(max_length=_DIGITS, extra_json_schema={"pattern": "^([0-9a-f]{64})*$"})]
"""Oids end to end: to take them apart one by one, each checked by a pattern, took five times as long."""
Flags = Annotated[str, Meta(max_length=MAX_OIDS, extra_json_schema={"pattern": "^[01]*$"})]
T = TypeVar("T")


class Refs(Struct, frozen=True):
    """The answer to `refs`."""

    format: int
    refs: dict[str, Hex]


class Oids(Struct, frozen=True, forbid_unknown_fields=True):
    """The question `missing`."""

    oids: Joined

    def __post_init__(self) -> None:
        _check(self.oids)


class Missing(Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to `missing`: for each oid, in order, 1 if it is not here, else 0."""

    missing: Flags

    def __post_init__(self) -> None:
        if self.missing.strip("01"):
            raise ValueError("only 0 and 1 say what is missing")


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    """The question `objects`."""

    oids: Annotated[Joined, Meta(min_length=64)]
    dictionaries: Joined = ""

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


def _check(digits: str) -> None:
    """ValueError unless a text is oids end to end."""
    # The way back finds what `fromhex` lets pass: capitals and spaces.
    if len(digits) % 64 or bytes.fromhex(digits).hex() != digits:
        raise ValueError("an oid is 64 hexadecimal digits in lower case")


def encode(document: Any) -> bytes:
    """Return a document as bytes."""
    return msgspec.json.encode(document)


def decode(data: bytes, kind: type[T]) -> T:
    """Return the document in `data`. DataError if it is not of its kind."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"not a document of the wire: {error}") from error


def to_hex(oids: Iterable[Oid]) -> str:
    """Return oids as they are written, end to end."""
    return b"".join(oids).hex()


def from_hex(digits: str) -> list[Oid]:
    """Return oids that are written so."""
    joined = bytes.fromhex(digits)
    return [joined[at : at + OID_BYTES] for at in range(0, len(joined), OID_BYTES)]


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
