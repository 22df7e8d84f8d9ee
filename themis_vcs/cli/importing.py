"""What the commands of `themis import` have in common: the file that is read, and the report of what became of it."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, str]]:
    """A file to read, as often as it takes, and its name; "-" is stdin. NotFound, StorageError."""
    from themis_vcs.handoff.stages.bundle import open_lines

    if str(path) == "-":
        with tempfile.TemporaryFile() as spool:
            shutil.copyfileobj(sys.stdin.buffer, spool)
            yield spool, "stdin"
        return
    with open_lines(path) as file:
        yield file, str(path)
