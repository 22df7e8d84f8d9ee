"""Revisions as people type them, taken apart (REV-1 …). What they name is for the store to find out.

NAME            a ref, short or in full, a tag, a run id or the beginning of one, an object id
NAME@{2}        where it was two moves ago
NAME~3          its parent's parent's parent; NAME~ is NAME~1
REV:judge       what it holds for a stage
REV:judge/KEY   what that stage holds for a case, by its tree key
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from themis_vcs.errors import UsageError

_PATTERN = re.compile(
    r"(?P<base>[A-Za-z0-9_][A-Za-z0-9._/-]*)"
    r"(?:@\{(?P<reflog>[0-9]{1,6})\})?"
    r"(?P<ancestors>~[0-9]{0,6})?"
    r"(?::(?P<stage>[a-z][a-z0-9_-]*)(?:/(?P<case>.+))?)?",
    re.ASCII | re.DOTALL,
)


@dataclass(frozen=True)
class Revision:
    """`base`, `reflog` moves back, `ancestors` parents up, then one stage of it, then one case of that."""

    base: str
    reflog: int | None = None
    ancestors: int = 0
    stage: str | None = None
    case: str | None = None

    def __str__(self) -> str:
        text = self.base
        if self.reflog is not None:
            text += f"@{{{self.reflog}}}"
        if self.ancestors:
            text += f"~{self.ancestors}"
        if self.stage is not None:
            text += f":{self.stage}"
        if self.case is not None:
            text += f"/{self.case}"
        return text


def parse(text: str) -> Revision:
    """Take a revision apart; UsageError for a text that cannot be one."""
    found = _PATTERN.fullmatch(text)
    if found is None:
        raise UsageError(
            f"{text[:200]!r} is not a revision",
            hint="a revision is NAME, NAME@{1}, NAME~2, REV:STAGE or REV:STAGE/CASE",
        )
    reflog, ancestors = found["reflog"], found["ancestors"]
    return Revision(
        base=found["base"],
        reflog=None if reflog is None else int(reflog),
        ancestors=0 if ancestors is None else int(ancestors[1:] or 1),
        stage=found["stage"],
        case=found["case"],
    )
