"""What a check of a store found."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from themis_vcs.model.oid import Oid

Severity = Literal["damage", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """Something that is not as it must be.

    `severity`: damage (a read fails or would be wrong), warning (the structure is damaged, nothing is lost so far),
    note (harmless). `users` are refs, tables and objects that need what is damaged.
    """

    code: str
    severity: Severity
    message: str
    oid: Oid | None = None
    ref: str | None = None
    users: tuple[str, ...] = ()


@dataclass
class Report:
    """What was checked, and what was found."""

    path: Path
    objects: int = 0
    refs: int = 0
    segments: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def damaged(self) -> bool:
        """Whether anything that was stored cannot be read as it was stored."""
        return any(finding.severity == "damage" for finding in self.findings)
