"""Plain data as JSON and back without loss: bytes, numbers that JSON has not, keys that look like either (STAGE-2)."""

from __future__ import annotations

import math
from types import NoneType
from typing import Any, Final

from msgspec import Struct, structs

_SPECIAL: Final = {math.inf: "Infinity", -math.inf: "-Infinity"}
_NUMBERS: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


_LEAVES: Final[frozenset[type]] = frozenset({NoneType, bool, int, str})


def is_sayable(value: Any) -> bool:
    """Say whether `to_json` would leave plain data, or a struct of such, as it is; now and then False for one of them.

    It makes nothing, so it is quick.
    """
    kind = type(value)
    if kind is dict:
        if "$" in "".join(value):
            return False
        items = value.values()
    elif kind is list or kind is tuple:
        items = value
    elif isinstance(value, Struct):
        items = structs.astuple(value)
    else:
        return kind in _LEAVES or (kind is float and math.isfinite(value))
    # A generator in `all` takes half as long again.
    for item in items:  # noqa: SIM110
        if type(item) not in _LEAVES and not is_sayable(item):
            return False
    return True


def to_json(value: Any) -> Any:
    """Return plain data with nothing in it that JSON cannot say; `value` itself where there is nothing to replace."""
    match value:
        case float():
            return value if math.isfinite(value) else {"$float": _SPECIAL.get(value, "NaN")}
        case bytes():
            return {"$bytes": value.hex()}
        case list() | tuple():
            made = [to_json(each) for each in value]
            return value if all(map(_same, made, value)) else made
        case dict():
            pairs = {("$" + key if key.startswith("$") else key): to_json(each) for key, each in value.items()}
            return value if all(map(_same, pairs.values(), value.values())) and pairs.keys() == value.keys() else pairs
        case _:
            return value


def from_json(value: Any, path: str = "") -> Any:
    """Return the plain data that `to_json` made JSON of. ValueError names what is not such, and the way to it."""
    match value:
        case list():
            return [from_json(each, f"{path}[{number}]") for number, each in enumerate(value)]
        case dict():
            if len(value) == 1:
                ((key, inner),) = value.items()
                if key == "$bytes":
                    return _bytes(inner, path)
                if key == "$float":
                    return _number(inner, path)
            return {_key(key, path): from_json(each, f"{path}.{key}") for key, each in value.items()}
        case _:
            return value


def _same(one: Any, other: Any) -> bool:
    return one is other


def _key(key: str, path: str) -> str:
    if key.startswith("$$"):
        return key[1:]
    if key.startswith("$"):
        raise ValueError(
            f"{path}: {key!r:.40} is neither $bytes nor $float alone; a key that begins with $ is written $$"
        )
    return key


def _bytes(digits: Any, path: str) -> bytes:
    try:
        found = bytes.fromhex(digits)
    except (TypeError, ValueError):
        raise ValueError(f"{path}.$bytes: expected pairs of hexadecimal digits") from None
    if found.hex() != digits:
        raise ValueError(f"{path}.$bytes: expected lower-case hexadecimal digits without spaces")
    return found


def _number(name: Any, path: str) -> float:
    if not isinstance(name, str) or name not in _NUMBERS:
        raise ValueError(f"{path}.$float: expected one of {', '.join(_NUMBERS)}")
    return _NUMBERS[name]
