"""The lock that every writer takes before LMDB's own, because LMDB's waits for ever and names nobody (STORE-9)."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from themis_vcs.errors import StorageError, StoreBusy

_HINT: Final = "the store can be read as it is; to write it, see to its owner, its mode and the mount options"
_FIRST_PAUSE: Final = 0.0005
_LONGEST_PAUSE: Final = 0.02


class WriteLock:
    """A lock between threads and processes on one file, which holds the process id of whoever has it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = threading.Lock()
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StorageError(f"cannot open {path} for writing: {error.strerror}", hint=_HINT) from error

    @contextmanager
    def held(self, timeout: float) -> Iterator[None]:
        """Hold the lock; StoreBusy with the holder's process id after `timeout` seconds of waiting."""
        deadline = time.monotonic() + timeout
        if not self._thread.acquire(timeout=max(timeout, 0)):
            raise self._busy(timeout)
        try:
            self._wait(deadline, timeout)
            try:
                # the number only serves the message of those who wait
                with suppress(OSError):
                    os.pwrite(self._fd, b"%-12d\n" % os.getpid(), 0)
                yield
            finally:
                # An explicit unlock: a forked child may still hold a copy of the descriptor.
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        finally:
            self._thread.release()

    def close(self) -> None:
        """Close the file. In a forked child this leaves the parent's lock alone."""
        os.close(self._fd)

    def _wait(self, deadline: float, timeout: float) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise self._busy(timeout) from None
            except OSError as error:
                raise StorageError(f"cannot lock {self.path}: {error.strerror}") from error
            time.sleep(min(pause * (0.5 + os.urandom(1)[0] / 512), remaining))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _busy(self, timeout: float) -> StoreBusy:
        holder = os.pread(self._fd, 16, 0).decode("ascii", "replace").strip() or "unknown"
        who = "another thread of this process" if holder == str(os.getpid()) else f"process {holder}"
        return StoreBusy(
            f"{self.path.parent}: {who} is writing; waited {timeout:g} s",
            hint="repeat the command when it has finished; `ps -p PID` shows what it is",
        )
