"""A store that a command makes and fills from elsewhere: what is left of it where that fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from themis_vcs.cli.output import Output


@contextmanager
def kept_if_filled(output: Output, directory: Path, again: str, *, despite_damage: bool = True) -> Iterator[None]:
    """Where making and filling the store in a directory fails, leave nothing behind if nothing arrived; else say that
    `again` goes on. A store that was there before stays as it is.

    Without `despite_damage` nothing is left either where what was to arrive is damaged, for then nothing goes on.
    """
    from themis_vcs.errors import Corrupt
    from themis_vcs.store.layout import NAME
    from themis_vcs.store.repository import Repository

    made, found = not directory.exists(), (directory / NAME).exists()
    try:
        yield
    except BaseException as error:
        if not found and (directory / NAME).exists():
            with Repository.open(directory / NAME, readonly=True) as repository:
                arrived = repository.statistics().objects
            if arrived and (despite_damage or not isinstance(error, Corrupt)):
                output.note(f"what arrived is in {directory}; {again} goes on")
            else:
                rmtree(directory if made else directory / NAME)
        raise
