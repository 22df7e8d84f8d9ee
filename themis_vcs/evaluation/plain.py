"""Live Python data that can be written down as plain, canonical data without loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from re import Pattern
from typing import Any
from uuid import UUID

from themis_vcs.evaluation.secrets import is_credential_name, is_secret
from themis_vcs.model.codec import pack

Describe = Callable[[Any, str], Any]

_INT_BITS = 63
_TEXTUAL = (date, datetime, time, timedelta, timezone, Decimal, Fraction, UUID, PurePath)


class NotPlain(Exception):
    """A value that is neither a scalar nor one of the containers of the language."""


def plain(value: object) -> Any:
    """The value as canonical data. NotPlain if it, or anything in it, is not plain."""
    return describe_data(value, "", lambda inner, _: plain(inner))


def is_scalar(value: object) -> bool:
    """Whether the value is immutable and has no parts."""
    return value is None or type(value) in (bool, int, float, str, bytes)


def describe_data(value: Any, path: str, describe: Describe) -> Any:
    """Scalars as they are, everything else as a list that begins with its type; parts by `describe(part, path)`.

    A dict keeps its order, which code can see. A text that is a secret is left out: neither its value nor its change
    is anybody's business. NotPlain if the value is something else.
    """
    kind = type(value)
    if is_scalar(value):
        return _scalar(value)
    if kind is list or kind is tuple:
        return [kind.__name__, *(describe(each, f"{path}[{index}]") for index, each in enumerate(value))]
    if kind is dict:
        return ["dict", *_pairs(value, path, describe)]
    if kind is set or kind is frozenset:
        return [kind.__name__, *sorted((describe(each, path) for each in value), key=pack)]
    return _by_text(value)


def _scalar(value: Any) -> Any:
    if type(value) is int and not -(1 << _INT_BITS) <= value < 1 << _INT_BITS:
        return ["int", f"{value:x}"]
    return _text(value) if type(value) is str else value


def _text(value: str) -> Any:
    if is_secret(value):
        return ["secret"]
    try:
        value.encode()
    except UnicodeEncodeError:
        return ["str", value.encode("utf-8", "surrogatepass")]
    return value


def _pairs(value: dict[Any, Any], path: str, describe: Describe) -> Iterable[list[Any]]:
    for key, item in value.items():
        where = f"{path}[{key!r:.40}]"
        if isinstance(key, str) and is_credential_name(key) and isinstance(item, str):
            yield [key, ["secret"]]
        else:
            yield [describe(key, where), describe(item, where)]


def _by_text(value: Any) -> Any:
    if isinstance(value, Pattern):
        return ["pattern", value.pattern, value.flags]
    if type(value) in _TEXTUAL:
        return [type(value).__name__, str(value)]
    if isinstance(value, PurePath):
        return ["path", str(value)]
    if type(value) is bytearray:
        return ["bytearray", bytes(value)]
    if type(value) is complex:
        return ["complex", value.real, value.imag]
    raise NotPlain(type(value).__qualname__)
