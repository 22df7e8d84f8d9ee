"""The stores of the Python interface: where an experiment keeps its runs, and how a run is looked up there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from themis_vcs.errors import NoStore, RevisionNotFound
from themis_vcs.model.objects import Run, Snapshot
from themis_vcs.pipeline.config import StorageConfig
from themis_vcs.pipeline.events import RunEvent
from themis_vcs.pipeline.history import ExecutionState, execution_state, history
from themis_vcs.pipeline.snapshot import RunSnapshot
from themis_vcs.store.discovery import find
from themis_vcs.store.layout import NAME
from themis_vcs.store.repository import Repository
from themis_vcs.store.resolve import resolve_run


class StoredRun(msgspec.Struct, frozen=True):
    """A run as a store knows it. The events are computed from its objects."""

    snapshot: RunSnapshot
    events: list[RunEvent]
    execution_state: ExecutionState


class RunStore:
    """A repository with the runs in it. Use one of the subclasses; close it, or use it in a `with`."""

    def __init__(self) -> None:
        self._repository: Repository | None = None

    def _open(self) -> Repository:
        raise NotImplementedError

    @property
    def repository(self) -> Repository:
        """The repository behind the store, opened when it is first needed."""
        if self._repository is None:
            self._repository = self._open()
        return self._repository

    def initialize(self) -> None:
        """Make the store if it is not there yet. Harmless to repeat."""
        _ = self.repository

    def resume(self, run_id: str) -> StoredRun | None:
        """The run with this id in hex, None if the store does not know it."""
        oid = self.repository.ref(f"runs/{run_id}/head") if _is_hex(run_id) else None
        if oid is None:
            return None
        run = self.repository.load(oid, Run)
        snapshot = self.repository.load(run.snapshot, Snapshot)
        return StoredRun(
            RunSnapshot(run.run_id.hex(), snapshot.identity, snapshot.provenance),
            list(history(self.repository, run)),
            execution_state(self.repository, run),
        )

    def close(self) -> None:
        """Let go of the files. The store may be used again."""
        if self._repository is not None:
            self._repository.close()
            self._repository = None

    def __enter__(self) -> RunStore:
        self.initialize()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class InMemoryRunStore(RunStore):
    """A store that lasts as long as the object."""

    def _open(self) -> Repository:
        return Repository.memory()

    def close(self) -> None:
        """Nothing to let go of: what was stored stays."""


class LmdbRunStore(RunStore):
    """A store in a directory, made when it is not there; the default is `.themis` in the working directory."""

    def __init__(self, path: str | Path = ".themis") -> None:
        super().__init__()
        self.path = Path(path)

    def _open(self) -> Repository:
        return Repository.open(self.path) if (self.path / "format").exists() else Repository.init(self.path)


@contextmanager
def opened(store: RunStore | Repository | str | Path | None, storage: StorageConfig) -> Iterator[Repository]:
    """The repository to work in: the one that is given, or else the one that the configuration names.

    Nothing is deleted in it meanwhile.
    """
    with ExitStack() as stack:
        if isinstance(store, Repository):
            repository = store
        else:
            made = store if isinstance(store, RunStore) else stack.enter_context(_configured(store, storage))
            repository = made.repository
        with repository.working():
            yield repository


@contextmanager
def opened_to_read(store: RunStore | Repository | str | Path) -> Iterator[Repository]:
    """As `opened`, for what only reads: NoStore where a path has no store, and none is made there."""
    if not isinstance(store, str | Path):
        with opened(store, StorageConfig()) as repository:
            yield repository
        return
    path = Path(store)
    inside = path / NAME
    with Repository.open(inside if (inside / "format").exists() else path, readonly=True) as repository:
        yield repository


def _configured(path: str | Path | None, storage: StorageConfig) -> RunStore:
    if path is None and storage.store == "memory":
        return InMemoryRunStore()
    named: Any = path if path is not None else storage.parameters.get("path")
    if named is not None:
        return LmdbRunStore(named)
    try:
        return LmdbRunStore(find(Path.cwd()))
    except NoStore:
        return LmdbRunStore()


def load_run(repository: Repository, revision: str) -> tuple[Run, Snapshot]:
    """The run that a revision names, and its snapshot. NotFound if it names something else."""
    _, run = resolve_run(repository, revision)
    return run, repository.load(run.snapshot, Snapshot)


def load_base(repository: Repository, name: str, base: str | None = None) -> tuple[Run, Snapshot]:
    """The run that a replay starts from: `base`, or else the last one of the line `name`. NotFound if there is none."""
    if base is None and repository.ref(f"names/{name}") is None:
        hint = "`themis run FILE` makes the first; --base takes one of another line"
        raise RevisionNotFound(f"{name} has no run yet that could be replayed", hint=hint)
    return load_run(repository, base or name)


def _is_hex(text: str) -> bool:
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text)
