"""JSON read strictly: no key twice, no NaN or Infinity, 64-bit integers, no lone surrogates, bounded depth.

What passes has a canonical encoding. Errors name the place inside the value, such as `input.options[3]`;
which file and line it came from is known to the caller.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from themis_vcs.errors import DataError
from themis_vcs.model.codec import MAX_DEPTH

DEEPEST = MAX_DEPTH - 8
"""Levels of nesting; a value is stored inside a few levels more."""

_decode = msgspec.json.Decoder().decode
_GAP = re.compile(rb'"[ \t\r\n]+:')
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


class MalformedJson(DataError):
    """Text that is not JSON of the strict kind. `path` is where in the value, "" where that is not known."""

    code = "malformed-json"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path, self.reason = path, reason


def parse(text: bytes | str) -> Any:
    """The value that `text` (UTF-8, if bytes) spells. MalformedJson if it is not one value of strict JSON."""
    try:
        data = text.encode() if isinstance(text, str) else text
        value = _decode(data)
        members = _survey(value, 0)
    except UnicodeEncodeError as error:
        raise MalformedJson("", f"lone surrogate at character {error.start + 1}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, _Unfit) as error:
        raise _explained(data, error) from None
    if members and not _plainly_unique(data, members):
        _check_unique(data)
    return value


class _Unfit(Exception):
    """Something that msgspec lets pass; `_explained` finds where."""


class _Constant:
    """Stands for NaN, Infinity or -Infinity in the text."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Repeated(dict[str, Any]):
    """Stands for an object that has a key twice."""

    key = ""


def _survey(value: Any, depth: int) -> int:
    """How many members all objects in `value` have together."""
    kind = type(value)
    if kind is int:
        if not _SMALLEST <= value <= _LARGEST:
            raise _Unfit
        return 0
    if kind is not dict and kind is not list:
        return 0
    if depth >= DEEPEST:
        raise _Unfit
    members = len(value) if kind is dict else 0
    for item in value.values() if kind is dict else value:
        kind = type(item)
        if kind is not str and kind is not float:
            members += _survey(item, depth + 1)
    return members


def _plainly_unique(data: bytes, members: int) -> bool:
    r"""Whether the text shows without parsing that no key is repeated.

    Every key of the text ends in a quote, white space and a colon. Without white space between these
    anywhere, the text has at least one `":` per key written, so as many of them as members of the value
    means that none was dropped. A `\":` is inside a string, unless what is escaped is the backslash.
    """
    ends = data.count(b'":')
    if ends != members and b'\\\\"' not in data:
        ends -= data.count(b'\\":')
    if ends != members:
        return False
    gap = b'" ' in data or b'"\t' in data or b'"\r' in data or b'"\n' in data
    return not gap or _GAP.search(data) is None


def _check_unique(data: bytes) -> None:
    for path, reason in _faults(json.loads(data, object_pairs_hook=_pairs), "", 0):
        raise MalformedJson(path, reason)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    repeated = _Repeated(value)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            repeated.key = key
        seen.add(key)
    return repeated


def _explained(data: bytes, error: Exception) -> MalformedJson:
    """The error for text that was refused; a slower and laxer reader finds the reason and the place."""
    try:
        value = json.loads(data.decode(), object_pairs_hook=_pairs, parse_constant=_Constant)
    except UnicodeDecodeError as undecodable:
        return MalformedJson("", f"not UTF-8 at byte {undecodable.start + 1}")
    except json.JSONDecodeError as malformed:
        return MalformedJson("", f"malformed JSON: {malformed.msg} at character {malformed.pos + 1}")
    except (ValueError, RecursionError):
        return MalformedJson("", "an integer outside 64 bits, or nested too deeply")
    for path, reason in _faults(value, "", 0):
        return MalformedJson(path, reason)
    return MalformedJson("", f"malformed JSON: {error}")


def _faults(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    """(path, what is wrong) for everything in `value` that strict JSON has not."""
    reason = _fault(value, depth)
    if reason:
        yield path, reason
    elif isinstance(value, dict):
        for key, item in value.items():
            if not _is_text(key):
                yield path, "lone surrogate in a key"
            yield from _faults(item, f"{path}.{shown(key)}" if path else shown(key), depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _faults(item, f"{path}[{index}]", depth + 1)


def shown(key: str) -> str:
    """A key of foreign data as it may stand in a message: short, and without control characters."""
    return key if key.isprintable() and len(key) <= 80 else ascii(key)[:80]


def _fault(value: Any, depth: int) -> str | None:
    reason: str | None = None
    if isinstance(value, _Constant):
        reason = f"{value.name} is not a JSON number"
    elif isinstance(value, float) and not math.isfinite(value):
        reason = "number out of range"
    elif isinstance(value, int) and not _SMALLEST <= value <= _LARGEST:
        reason = "integer outside 64 bits"
    elif isinstance(value, str) and not _is_text(value):
        reason = "lone surrogate"
    elif isinstance(value, _Repeated):
        reason = f"key {value.key!r:.80} twice in one object"
    elif isinstance(value, dict | list) and depth >= DEEPEST:
        reason = f"nested deeper than {DEEPEST} levels"
    return reason


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
