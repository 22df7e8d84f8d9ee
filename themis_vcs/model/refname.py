"""Names of refs: which are allowed (REF-1 …). Not responsible for where refs point (the store)."""

from __future__ import annotations

import re
from typing import Final

from themis_vcs.errors import UsageError

MAX_NAME: Final = 200

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


def check(name: str) -> str:
    """Return `name` if it can name a ref; UsageError, with the reason, if it cannot."""
    problem = _problem(name)
    if problem:
        raise UsageError(
            f"{name[:MAX_NAME]!r} cannot name a ref: {problem}",
            hint="use ASCII letters, digits, '.', '_' and '-' in parts joined by '/', as in names/baseline-2",
        )
    return name


def _problem(name: str) -> str:
    parts = name.split("/")
    if len(name) > MAX_NAME:
        return f"it is over {MAX_NAME} bytes long"
    if len(parts) < 2:
        return "it needs at least two parts, as in names/baseline"
    return next((problem for part in parts if (problem := _part_problem(part))), "")


def _part_problem(part: str) -> str:
    if not part:
        return "a part is empty"
    if not _PART.fullmatch(part):
        return f"{part!r} has a character outside A-Z a-z 0-9 . _ -, or begins with '.' or '-'"
    if ".." in part or part.endswith((".", ".lock")):
        return f"{part!r} has '..', or ends in '.' or '.lock'"
    if part.split(".")[0].lower() in _DEVICES:
        return f"{part!r} is the name of a device on some systems"
    return ""
