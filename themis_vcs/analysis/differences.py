"""What differs between two pieces of plain data, field by field. Knows nothing of what the fields mean."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

Kind = Literal["added", "removed", "changed"]


class Difference(msgspec.Struct, frozen=True):
    """One field that differs. `old` is None where it was added, `new` where it was removed; `kind` says which."""

    path: str
    kind: Kind
    old: Any = None
    new: Any = None


def differences(old: Any, new: Any, path: str = "") -> list[Difference]:
    """The leaves in which two values differ, with the path to each, such as `judge.metrics[f1].version`.

    Lists of maps that all have an `id` are compared by it, other lists by position.
    """
    return list(_walk(old, new, path))


def same(old: Any, new: Any) -> bool:
    """Whether two leaves have one encoding: 1, 1.0 and True differ, a NaN equals a NaN."""
    if type(old) is not type(new):
        return False
    if isinstance(old, float) and math.isnan(old):
        return math.isnan(new)
    return bool(old == new)


def _walk(old: Any, new: Any, path: str) -> Iterator[Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _members(old, new, f"{path}." if path else "", "")
    elif isinstance(old, list) and isinstance(new, list):
        yield from _members(*_keyed(old, new), f"{path}[", "]")
    elif not same(old, new):
        yield Difference(path, "changed", old, new)


def _members(old: dict[Any, Any], new: dict[Any, Any], before: str, after: str) -> Iterator[Difference]:
    for key in [*old, *(key for key in new if key not in old)]:
        path = f"{before}{key}{after}"
        if key not in new:
            yield Difference(path, "removed", old=old[key])
        elif key not in old:
            yield Difference(path, "added", new=new[key])
        else:
            yield from _walk(old[key], new[key], path)


def _keyed(old: list[Any], new: list[Any]) -> tuple[dict[Any, Any], dict[Any, Any]]:
    if _named(old) and _named(new):
        return {each["id"]: each for each in old}, {each["id"]: each for each in new}
    return dict(enumerate(old)), dict(enumerate(new))


def _named(items: list[Any]) -> bool:
    names = [each.get("id") for each in items if isinstance(each, dict)]
    return len(names) == len(items) == len(set(map(str, names))) and all(isinstance(name, str) for name in names)
