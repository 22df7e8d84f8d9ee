"""The store directory: its files, its version, how it comes into being and how a copy is written (STORE-1 to 4)."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from themis_vcs.errors import Corrupt, FormatError, NoStore, StorageError

NAME: Final = ".themis"
VERSION: Final = 1
NEW_PAGES: Final = 9
"""How many pages the database of a new store has."""
_FORMAT = re.compile(rb"themis-store (0|[1-9][0-9]{0,8})\n")
_LONGEST_FORMAT: Final = 64


@dataclass(frozen=True)
class Layout:
    """The paths of a store directory."""

    path: Path

    @property
    def format(self) -> Path:
        return self.path / "format"

    @property
    def database(self) -> Path:
        return self.path / "db"

    @property
    def data(self) -> Path:
        return self.database / "data.mdb"

    @property
    def write_lock(self) -> Path:
        return self.path / "write.lock"

    @property
    def lease(self) -> Path:
        return self.path / "lease"

    @property
    def lease_queue(self) -> Path:
        return self.path / "lease.queue"

    @property
    def quarantine(self) -> Path:
        return self.path / "quarantine"

    @property
    def config(self) -> Path:
        return self.path / "config.toml"

    def check(self) -> None:
        """Raise NoStore, FormatError or Corrupt unless this is a store that this version can open."""
        try:
            with self.format.open("rb") as file:
                line = file.read(_LONGEST_FORMAT)
        except (FileNotFoundError, NotADirectoryError):
            inside = self.path / NAME
            hint = f"there is one at {inside}" if (inside / "format").exists() else "create one with `themis init`"
            raise NoStore(f"no store at {self.path}", hint=hint) from None
        except OSError as error:
            raise StorageError(f"cannot read {self.format}: {error.strerror}") from error
        match = _FORMAT.fullmatch(line)
        if match is None:
            hint = f"a store has the one line `themis-store {VERSION}` in it; if this is one, write that"
            raise Corrupt(f"{self.format} does not hold the format of a store", hint=hint)
        self.check_version(int(match[1]))
        if not self.data.exists():
            raise Corrupt(f"{self.data} is missing", hint="get the store back from a snapshot or from another store")

    def check_version(self, version: int) -> None:
        """Refuse a version that this code does not know."""
        if version > VERSION:
            raise FormatError(
                f"{self.path} is a store of format {version}; this version of themis knows format {VERSION}",
                hint="install a newer themis-vcs; nothing was read or changed",
            )
        if version != VERSION:
            raise Corrupt(f"{self.path} states format {version}, which never existed")

    def create(self, make_database: Callable[[], None]) -> None:
        """Make the directory and what is in it, unless it is a store already. Several processes may try at once."""
        try:
            self._create(make_database)
        except OSError as error:
            hint = "see to the owner and the mode of the directory and to the mount options, or name another place"
            raise StorageError(f"cannot create {self.path}: {error.strerror}", hint=hint) from error

    def _create(self, make_database: Callable[[], None]) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.format.exists():
            return
        with alone(self.path):
            if self.format.exists():
                return
            if self.database.exists():
                self._refuse_used()
                # Nothing was ever kept here: a creation was interrupted.
                _remove(self.database)
            self.database.mkdir(mode=0o700)
            make_database()
            sync(self.database)
            write_format(self.path)
            sync(self.path.parent)

    def _refuse_used(self) -> None:
        """Corrupt if the database holds more than a new one does, though no format file says what it is."""
        if self.data.exists() and self.data.stat().st_size > NEW_PAGES * os.sysconf("SC_PAGE_SIZE"):
            raise Corrupt(
                f"{self.path} holds a database, but its file `format` is missing",
                hint=f"if it was a store, write the line `themis-store {VERSION}` into {self.format}",
            )

    def copy(self, target: Path, copy_database: Callable[[Layout], None]) -> None:
        """Write a store at `target`, whose database `copy_database` puts into a layout it is given."""
        target = Path(os.path.abspath(target))
        if target.exists() or target.is_symlink():
            raise StorageError(f"{target} exists already", hint="name a path that does not exist yet")
        try:
            parts = target.with_name(f".{target.name}-{os.urandom(8).hex()}")
            parts.mkdir(mode=0o700)
        except OSError as error:
            raise StorageError(f"cannot write beside {target}: {error.strerror}") from error
        try:
            copied = Layout(parts)
            copied.database.mkdir(mode=0o700)
            copy_database(copied)
            sync(copied.data)
            sync(copied.database)
            if self.config.exists():
                _write(copied.config, self.config.read_bytes())
            write_format(parts)
            parts.rename(target)
            sync(target.parent)
        except OSError as error:
            raise StorageError(f"cannot write {target}: {error.strerror}") from error
        finally:
            _remove(parts)


@contextmanager
def alone(directory: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock on a directory; it ends with the process. Without `wait`, BlockingIOError if somebody has it."""
    handle = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def write_format(directory: Path) -> None:
    """Write the `format` file of a store, which makes it one."""
    replace(directory / "format", b"themis-store %d\n" % VERSION)


def replace(path: Path, content: bytes) -> None:
    """Write a file of a store for its owner alone, durably, in place of the one that is there; all of it or nothing."""
    parts = path.with_name(f".{path.name}-{os.urandom(8).hex()}")
    try:
        _write(parts, content)
        parts.rename(path)
    except OSError:
        parts.unlink(missing_ok=True)
        raise
    sync(path.parent)


# shutil and tempfile take a tenth of the time in which a command begins, and this is all that is needed of them.


def _write(path: Path, content: bytes) -> None:
    """Write a new file for its owner alone, durably."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _remove(directory: Path) -> None:
    """Remove a directory of ours with what is in it, if it is there."""
    with suppress(FileNotFoundError):
        for entry in os.scandir(directory):
            if entry.is_dir(follow_symlinks=False):
                _remove(Path(entry.path))
            else:
                os.unlink(entry.path)
        directory.rmdir()


def sync(path: Path) -> None:
    """Make a file, or the names in a directory, durable."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
