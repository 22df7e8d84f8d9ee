"""Sweeps: one experiment under every combination of some settings, each on a line of its own.

What does not depend on a setting has one derivation key in all of them, and so is executed once. Nothing is executed
here.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import PurePath

from blake3 import blake3

from themis_vcs.errors import UsageError

MOST = 200
"""Most combinations of a sweep."""
_LONGEST = 32
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)
_CLOSING = {"[": "]", "{": "}"}


@dataclass(frozen=True)
class Combination:
    """One of each setting, as `--set` takes them, and what tells its line of runs from those of the others."""

    settings: list[str]
    label: str


def combinations(settings: Sequence[str]) -> list[Combination]:
    """Every combination of settings "a.b=VALUE,VALUE", the last one changing fastest.

    A comma inside of quotes, brackets or braces does not separate values. The label is made of the values of settings
    that have several. UsageError if no setting has, if there are too many, or if two would have one label.
    """
    choices = [_choices(setting) for setting in settings]
    if all(len(each) == 1 for each in choices):
        raise UsageError("a sweep needs a setting with several values", hint="--set seeds=[1],[2]")
    if prod(map(len, choices)) > MOST:
        raise UsageError(f"{prod(map(len, choices)):,} combinations are more than the {MOST} of a sweep")
    found: dict[str, Combination] = {}
    for chosen in itertools.product(*choices):
        label = "-".join(_label(value) for each, (_, value) in zip(choices, chosen, strict=True) if len(each) > 1)
        if label in found:
            raise UsageError(
                f"two combinations would both be called {label}", hint="values that differ need names that differ"
            )
        found[label] = Combination([f"{path}={value}" for path, value in chosen], label)
    return list(found.values())


def _choices(setting: str) -> list[tuple[str, str]]:
    path, separator, text = setting.partition("=")
    if not separator:
        raise UsageError(f"--set {setting!r}: expected PATH=VALUE", hint="for example --set seeds=[1],[2]")
    return [(path, value) for value in _split(text)]


def _split(text: str) -> list[str]:
    """The values between the commas that are not inside of anything; one that is never closed reaches to the end."""
    values, open_, quote = [""], "", ""
    for character in text:
        if character == "," and not open_ and not quote:
            values.append("")
            continue
        values[-1] += character
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'" and (open_ or values[-1] == character):
            quote = character
        elif character in _CLOSING:
            open_ += _CLOSING[character]
        elif open_.endswith(character):
            open_ = open_[:-1]
    return values


def _label(value: str) -> str:
    """A value as a part of a name: a file by its stem, a short word as it is, else its beginning with a hash of it."""
    text = PurePath(value[1:]).stem if value.startswith("@") and not value.startswith("@@") else value.strip("\"'[] ")
    fit = _UNFIT.sub("-", text).strip("-.")
    if fit == text and 0 < len(fit) <= _LONGEST:
        return fit
    return f"{fit[:_LONGEST].strip('-.')}-{blake3(value.encode()).hexdigest(4)}".lstrip("-")
