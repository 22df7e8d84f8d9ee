"""Where the store is: THEMIS_DIR, or `.themis` in a directory or one above it, as git finds `.git`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from themis_vcs.errors import NoStore
from themis_vcs.store.layout import NAME

VARIABLE: Final = "THEMIS_DIR"


def find(start: str | Path = ".") -> Path:
    """Return the store directory that a command run in `start` means; NoStore if there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    here = Path(start).absolute()
    for directory in (here, *here.parents):
        if (directory / NAME / "format").exists():
            return directory / NAME
    raise NoStore(
        f"no store in {here}, nor in any directory above it",
        hint="create one with `themis init`, or name one with --store or THEMIS_DIR",
    )
