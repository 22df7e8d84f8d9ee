"""What an audit finds, and what it concludes level by level."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Level = Literal["integrity", "provenance", "environment", "re-execution"]
Severity = Literal["error", "warning", "note"]
Outcome = Literal["reproduced", "reproduced in part", "not reproduced", "cannot tell"]

LEVELS: Final[tuple[Level, ...]] = ("integrity", "provenance", "environment", "re-execution")


DAMAGE: Final = frozenset(
    {
        "index-damaged",
        "object-damaged",
        "object-malformed",
        "object-missing",
        "object-of-another-kind",
        "ref-damaged",
        "tree-malformed",
    }
)
"""The codes that say that what was stored is not there, or is not what was stored."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it should be, or that a reader should know.

    `way` leads from the run to the place, step by step. `oid` is the object in hex, if it is about one. An error
    contradicts what the run claims, a warning leaves a claim without proof, a note is neither. `diff` has the fields in
    which two values differ, a line each; `figures` the numbers of a measurement by name.
    """

    code: str
    level: Level
    severity: Severity
    message: str
    way: list[str] = []
    oid: str | None = None
    diff: list[str] = []
    figures: dict[str, float] = {}


class Imported(msgspec.Struct, frozen=True):
    """Code that an audit imported: the name of a component, "module:Name", and the file of its module."""

    target: str
    file: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a level comes to, and why.

    `checked` counts reads by kind, an object once for every time that it was looked at; `findings` what was found by
    severity; `damaged` says that stored bytes are missing or are not what was stored.
    """

    level: Level
    outcome: Outcome
    why: str
    checked: dict[str, int]
    findings: dict[str, int]
    damaged: bool = False
