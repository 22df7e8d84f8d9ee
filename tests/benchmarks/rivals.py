"""The same records in other tools: git, restic, and a table of sqlite3 with zstd."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import zstandard

from themis_vcs.model.objects import Value, dump
from themis_vcs.model.oid import oid_of
from themis_vcs.store.group import MAX_OBJECTS

_PASSWORD = {"RESTIC_PASSWORD": "benchmark", "RESTIC_FROM_PASSWORD": "benchmark"}


def write_files(payloads: Sequence[bytes], directory: Path) -> None:
    """Write one file per record, 256 to a folder."""
    for number, payload in enumerate(payloads):
        if number % 256 == 0:
            folder = directory / f"{number // 256:04d}"
            folder.mkdir(parents=True)
        (folder / f"{number:06d}").write_bytes(payload)


def installed(tool: str) -> bool:
    """Say whether the command is here."""
    return shutil.which(tool) is not None


class Git:
    """A git repository around a folder of files."""

    def __init__(self, files: Path, metadata: Path) -> None:
        self._options = [f"--git-dir={metadata}", f"--work-tree={files}"]
        self._metadata = metadata
        self._git("init", "--quiet")
        self._git("config", "gc.auto", "0")

    def commit(self) -> None:
        self._git("add", "--all")
        self._git("-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "--quiet", "--message=records")

    def size(self) -> int:
        return size_of(self._metadata)

    def pusher(self) -> Callable[[], None]:
        """Commit, and return what pushes to another bare repository with every call."""
        self.commit()
        numbers = count()

        def push() -> None:
            target = self._metadata.with_name(f"{self._metadata.name}-bare-{next(numbers)}")
            subprocess.run(["git", "init", "--quiet", "--bare", str(target)], check=True)
            self._git("push", "--quiet", str(target), "HEAD:refs/heads/main")

        return push

    def collect(self) -> None:
        self._git("gc", "--quiet")

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", *self._options, *arguments], check=True)


class Restic:
    """A restic repository for a folder of files."""

    def __init__(self, files: Path, repository: Path) -> None:
        self._files, self._repository = files, repository
        self._restic("init")

    def backup(self) -> None:
        self._restic("backup", str(self._files))

    def size(self) -> int:
        return size_of(self._repository)

    def copier(self) -> Callable[[], None]:
        """Back up, and return what copies that to another repository with every call."""
        self.backup()
        numbers = count()

        def copy() -> None:
            target = Restic(self._files, self._repository.with_name(f"{self._repository.name}-{next(numbers)}"))
            target._restic("copy", "--from-repo", str(self._repository))

        return copy

    def _restic(self, *arguments: str) -> None:
        command = ["restic", "--quiet", "--no-cache", "--repo", str(self._repository), *arguments]
        subprocess.run(command, check=True, env={**os.environ, **_PASSWORD}, stdout=subprocess.DEVNULL)


class Dvc:
    """A DVC repository with a copy of a folder of files."""

    def __init__(self, files: Path, repository: Path) -> None:
        self._repository = repository
        shutil.copytree(files, repository / "files")
        self._dvc("init", "--no-scm")
        self._dvc("config", "core.analytics", "false")
        self._dvc("add", "files")

    def pusher(self) -> Callable[[], None]:
        """Return what pushes to another folder with every call."""
        numbers = count()

        def push() -> None:
            self._dvc("remote", "add", "--force", "--default", "there", str(self._repository) + f"-{next(numbers)}")
            self._dvc("push")

        return push

    def _dvc(self, *arguments: str) -> None:
        subprocess.run(["dvc", *arguments, "--quiet"], check=True, cwd=self._repository, stdout=subprocess.DEVNULL)


class Sqlite:
    """Records by their hash in a table of sqlite3, each compressed by itself; durable after every group."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = sqlite3.connect(path)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute("CREATE TABLE records (oid BLOB PRIMARY KEY, data BLOB) WITHOUT ROWID")

    def put(self, records: Sequence[Value]) -> None:
        compress = zstandard.ZstdCompressor(level=3).compress
        for start in range(0, len(records), MAX_OBJECTS):
            payloads = [dump(record) for record in records[start : start + MAX_OBJECTS]]
            rows = [(oid_of(payload), compress(payload)) for payload in payloads]
            with self._database:
                self._database.executemany("INSERT OR IGNORE INTO records VALUES (?, ?)", rows)

    def size(self) -> int:
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return self._path.stat().st_size

    def close(self) -> None:
        self._database.close()


def size_of(directory: Path) -> int:
    """Return the bytes that the files below a folder take on disk, in whole blocks."""
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())
