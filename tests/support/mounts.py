"""Small and read-only file systems for tests; where mounting is not permitted, the test is skipped."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def tmpfs(path: Path, size: int) -> Iterator[Path]:
    """A file system in memory of `size` bytes at `path`, which is made."""
    path.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(path))
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """Let the directory be a mount that cannot be written."""
    _mount("--bind", str(path), str(path))
    try:
        _mount("-o", "remount,ro,bind", str(path))
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


class Ballast:
    """A file that takes space away."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "ballast"

    def leave(self, room: int) -> None:
        """Take all space but `room` bytes."""
        with self.path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, self._free() - room))

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)

    def _free(self) -> int:
        status = os.statvfs(self.path.parent)
        return status.f_bavail * status.f_frsize


def _mount(*arguments: str) -> None:
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount(8) here")
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
