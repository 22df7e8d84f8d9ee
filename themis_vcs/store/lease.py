"""The lease of a store, which keeps what no ref reaches yet from being deleted (STORE-25 to STORE-28).

Who writes holds it together with others, who deletes holds it alone. The kernel gives it back when a process dies, so
nothing of it can be stale and no clock is asked. Not responsible for transactions: those have a lock of their own.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from themis_vcs.errors import StorageError, StoreBusy
from themis_vcs.store.layout import Layout

WAIT: Final = 30.0
_SHORTEST: Final = 0.25
_LONGEST: Final = 4.0
_FIRST_PAUSE: Final = 0.0005
_LONGEST_PAUSE: Final = 0.02


class Lease:
    """The lease of the store directory that a layout describes.

    Who wants it alone first closes `lease.queue`, through which everybody has to pass, so that those who come later
    cannot keep it from its turn for ever; and opens it again when those who have the lease take long.
    """

    def __init__(self, layout: Layout) -> None:
        self._file, self._queue = layout.lease, layout.lease_queue

    @contextmanager
    def shared(self, wait: float = WAIT) -> Iterator[None]:
        """Hold the lease together with others who write. StoreBusy after `wait` seconds."""
        deadline = time.monotonic() + wait
        with _opened(self._file) as held:
            with _opened(self._queue) as queue:
                if not _locked(queue, fcntl.LOCK_SH, deadline) or not _locked(held, fcntl.LOCK_SH, deadline):
                    raise self._busy("is deleting objects, or waits for its turn to", wait)
            yield

    @contextmanager
    def alone(self, wait: float = WAIT) -> Iterator[None]:
        """Hold the lease while nobody writes. StoreBusy after `wait` seconds, with who writes where that is known."""
        deadline = time.monotonic() + wait
        patience = _SHORTEST
        with _opened(self._file) as held:
            while not self._got_alone(held, deadline, patience):
                if time.monotonic() >= deadline:
                    raise self._busy("is writing", wait)
                time.sleep(max(0.0, min(patience, deadline - time.monotonic())))
                patience = min(2 * patience, _LONGEST)
            yield

    def _got_alone(self, held: int, deadline: float, patience: float) -> bool:
        with _opened(self._queue) as queue:
            if not _locked(queue, fcntl.LOCK_EX, deadline):
                return False
            return _locked(held, fcntl.LOCK_EX, min(deadline, time.monotonic() + patience))

    def _busy(self, what: str, wait: float) -> StoreBusy:
        found = holders(self._file)
        who = f"process {', '.join(map(str, found))}" if found else "another process"
        if found == [os.getpid()]:
            who = "another part of this process"
        return StoreBusy(
            f"{self._file.parent}: {who} {what}; waited {wait:g} s",
            hint="repeat the command when it has finished; `ps -p PID` shows what it is",
        )


def holders(path: Path, kind: str = "FLOCK") -> list[int]:
    """Return the processes that hold a lock on a file, as far as the kernel shows them."""
    try:
        inode, lines = str(path.stat().st_ino), Path("/proc/locks").read_text().splitlines()
    except OSError:
        return []
    rows = [line.split() for line in lines if "->" not in line]
    found = {int(row[4]) for row in rows if row[1] == kind and row[5].rpartition(":")[2] == inode}
    return sorted(pid for pid in found if pid > 0)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        hint = "see to the owner and the mode of the store and to the mount options"
        raise StorageError(f"cannot open {path} for writing: {error.strerror}", hint=hint) from error
    try:
        yield handle
    finally:
        # An explicit unlock: a forked child may still hold a copy of the descriptor.
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def _locked(handle: int, kind: int, deadline: float) -> bool:
    pause = _FIRST_PAUSE
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
        time.sleep(min(pause * (0.5 + os.urandom(1)[0] / 512), remaining))
        pause = min(pause * 2, _LONGEST_PAUSE)
