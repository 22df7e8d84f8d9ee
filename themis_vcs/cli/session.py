"""What every command gets: the output, and the way to the store."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from themis_vcs.cli.output import Color, Output
from themis_vcs.errors import NotFound, UsageError

if TYPE_CHECKING:
    from themis_vcs.store.repository import Repository
    from themis_vcs.store.settings import Settings


@dataclass
class Session:
    """One call of the command. `store` is what `--store` named; `isolated` puts reading into a child process."""

    output: Output = field(default_factory=Output)
    store: Path | None = None
    isolated: bool = False

    @property
    def color(self) -> Color:
        """When colours are used, as `--color` sets it."""
        return self.output.color

    @color.setter
    def color(self, color: Color) -> None:
        self.output.color = color

    def directory(self, start: Path | None = None) -> Path:
        """The store's directory: `--store`, else THEMIS_DIR, else found from `start` upwards. NoStore if none."""
        from themis_vcs.store.discovery import find

        return self.store if self.store is not None else find(start or Path.cwd())

    @property
    def chosen_by(self) -> str:
        """Which setting said where the store is."""
        if self.store is not None:
            return "--store"
        return "THEMIS_DIR" if os.environ.get("THEMIS_DIR") else "found from the working directory upwards"

    def settings(self) -> Settings:
        """The settings of the store. NoStore if there is none."""
        from themis_vcs.store.layout import Layout
        from themis_vcs.store.settings import Settings

        Layout(self.directory()).check()
        return Settings(self.directory())

    @staticmethod
    def import_from_here() -> None:
        """Let the components of a stored run be modules of the working directory, as `python -m` does."""
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)

    def revision(self, repository: Repository, given: str | None) -> str:
        """The revision that was given, else the store's only name. UsageError if it has none or several."""
        if given is not None:
            return given
        names = [ref.removeprefix("names/") for ref, _ in repository.refs("names/")]
        if len(names) == 1:
            return names[0]
        if not names:
            raise NotFound("this store has no run yet", hint="`themis run FILE` makes the first")
        raise UsageError("say which run is meant", hint=f"the names are {', '.join(names[:10])}")

    @contextmanager
    def reading(self) -> Iterator[Repository]:
        """The store, open for reading only."""
        from themis_vcs.store.repository import Repository

        with Repository.open(self.directory(), readonly=True) as repository:
            yield repository

    @contextmanager
    def writing(self) -> Iterator[Repository]:
        """The store, open for reading and writing, and nothing deleted in it meanwhile."""
        with self.serving() as repository, repository.working():
            yield repository

    @contextmanager
    def serving(self) -> Iterator[Repository]:
        """The store, open for reading and writing, for long: others may delete what no ref reaches."""
        from themis_vcs.store.repository import Repository

        with Repository.open(self.directory()) as repository:
            yield repository
