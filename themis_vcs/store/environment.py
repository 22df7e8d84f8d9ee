"""One LMDB environment per file and process: opening, sharing, transactions, growth, failure, fork.

Knows nothing of objects. Everything here follows `docs/reference/format/store.md`, section 2: the numbers STORE-5 to
STORE-11 say what LMDB needs so that it neither loses data nor takes the process with it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import lmdb

from themis_vcs.errors import StorageError, ThemisError
from themis_vcs.store import filesystem, opening
from themis_vcs.store.failure import poisons, translate
from themis_vcs.store.gate import Gate
from themis_vcs.store.tables import Reader, Table, Writer
from themis_vcs.store.writelock import WriteLock

T = TypeVar("T")

MAP_SIZE: Final = 1 << 30
WRITE_TIMEOUT: Final = 30.0
_SPARE: Final = 1 << 20
_READER_WAIT: Final = 5.0
_PAUSE: Final = 0.01
_READER_FIELDS: Final = 3


@dataclass
class _Shared:
    """An open environment and what its users in this process share. Guarded by the registry's lock or its gate."""

    directory: Path
    env: lmdb.Environment
    tables: dict[str, lmdb._Database]
    readonly: bool
    map_size: int
    writer: WriteLock | None
    gate: Gate
    pid: int
    users: int = 1
    poison: str = ""


_registry: dict[tuple[int, int], _Shared] = {}
_registry_lock = threading.Lock()


class Environment:
    """A use of an environment. Opening the same file again in this process shares what is open."""

    def __init__(
        self,
        directory: Path,
        tables: tuple[Table, ...],
        *,
        lock_file: Path,
        readonly: bool = False,
        create: bool = False,
        map_size: int = MAP_SIZE,
        force_filesystem: bool = False,
        timeout: float = WRITE_TIMEOUT,
    ) -> None:
        """Open `directory`/data.mdb; with `create`, make it and its tables if they are not there.

        Raises Corrupt if LMDB cannot be given the file, StorageError if the medium or the file system does not do,
        StoreBusy after `timeout` seconds behind other writers, unless `readonly`.
        """
        filesystem.check(directory, force=force_filesystem)
        self.directory = directory
        self._tables = tables
        self._lock_file = lock_file
        self._timeout = timeout
        self._closed = False
        with _registry_lock:
            self._shared = self._acquire(readonly, create, map_size)

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """A read transaction whose values are memoryviews: copy what shall outlive it, and keep it short."""
        shared = self._usable()
        reader = Reader(self._begin(shared), shared.tables)
        try:
            yield reader
        except lmdb.Error as error:
            raise translate(error, self.directory) from error
        finally:
            reader.end()
            shared.gate.leave()

    def write(self, body: Callable[[Writer], T], *, room: int = 0, timeout: float = WRITE_TIMEOUT) -> T:
        """Run `body` in one durable transaction and return its result.

        `body` may run several times, since the transaction is repeated when the map must grow. `room` is about how
        many bytes it will write. What it raises aborts. StoreBusy after `timeout` seconds behind other writers.
        """
        shared = self._writable()
        assert shared.writer is not None
        with shared.writer.held(timeout):
            self._check_space(room)
            while True:
                try:
                    return self._attempt(shared, body, room)
                except lmdb.MapFullError:
                    self._resize(shared, max(2 * shared.env.info()["map_size"], 2 * room))
                except lmdb.MapResizedError:
                    self._resize(shared, 0)

    def info(self) -> dict[str, int]:
        """Return page size, last page and map size."""
        shared = self._usable()
        info, stat = shared.env.info(), shared.env.stat()
        return {"page_size": stat["psize"], "last_page": info["last_pgno"], "map_size": info["map_size"]}

    def transaction(self) -> int:
        """Return the number of the last transaction that wrote."""
        return int(self._usable().env.info()["last_txnid"])

    def oldest_reader(self) -> int | None:
        """Return the number of the oldest transaction that anybody reads, None if nobody does."""
        shared = self._usable()
        shared.env.reader_check()
        rows = [line.split() for line in shared.env.readers().splitlines()]
        return min((int(row[2]) for row in rows if len(row) == _READER_FIELDS and row[2].isdigit()), default=None)

    def close(self) -> None:
        """Give up this use; the last one closes the environment."""
        if self._closed:
            return
        self._closed = True
        with _registry_lock:
            self._shared.users -= 1
            if self._shared.users or self._shared.pid != os.getpid():
                return
            for key in [key for key, shared in _registry.items() if shared is self._shared]:
                del _registry[key]
            with self._shared.gate.alone():
                self._shared.env.close()
            if self._shared.writer is not None:
                self._shared.writer.close()

    def _acquire(self, readonly: bool, create: bool, map_size: int) -> _Shared:
        shared = _registry.get(self._identity()) if self._data.exists() else None
        if shared is None:
            shared = self._open(readonly, create, map_size)
            _registry[self._identity()] = shared
            return shared
        shared.users += 1
        if shared.readonly and not readonly:
            try:
                self._make_writable(shared)
            except BaseException:
                shared.users -= 1
                raise
        return shared

    @property
    def _data(self) -> Path:
        return self.directory / "data.mdb"

    def _identity(self) -> tuple[int, int]:
        status = self._data.stat()
        return status.st_dev, status.st_ino

    def _open(self, readonly: bool, create: bool, map_size: int) -> _Shared:
        writer = None if readonly else WriteLock(self._lock_file)
        try:
            env = opening.open_file(self.directory, len(self._tables), readonly, create, map_size)
            tables = opening.open_tables(env, self._tables, create, writer, self._timeout)
        except BaseException:
            if writer is not None:
                writer.close()
            raise
        return _Shared(self.directory, env, tables, readonly, map_size, writer, Gate(), os.getpid())

    def _make_writable(self, shared: _Shared) -> None:
        writer = WriteLock(self._lock_file)
        with shared.gate.alone():
            shared.env.close()
            try:
                shared.env = opening.open_file(self.directory, len(self._tables), False, False, shared.map_size)
                shared.tables = opening.open_tables(shared.env, self._tables, False, writer, self._timeout)
            except ThemisError:
                writer.close()
                shared.env = opening.open_file(self.directory, len(self._tables), True, False, shared.map_size)
                shared.tables = opening.open_tables(shared.env, self._tables, False, None, self._timeout)
                raise
            shared.readonly, shared.writer = False, writer

    def _usable(self) -> _Shared:
        if self._closed:
            raise StorageError(f"{self.directory}: this store is closed")
        if self._shared.pid != os.getpid():
            raise StorageError(
                f"{self.directory} was opened by process {self._shared.pid}, before a fork",
                hint="open the store again in the child process",
            )
        return self._shared

    def _writable(self) -> _Shared:
        shared = self._usable()
        if shared.readonly:
            raise StorageError(f"{self.directory} is open for reading only", hint="open it without readonly=True")
        if shared.poison:
            raise StorageError(
                f"{self.directory} takes no more writes: an earlier one failed ({shared.poison})",
                hint="run `themis fsck`, then open the store again",
            )
        return shared

    def _begin(self, shared: _Shared) -> lmdb.Transaction[memoryview]:
        """Enter the gate and begin to read. The caller leaves the gate."""
        give_up = time.monotonic() + _READER_WAIT
        while True:
            shared.gate.enter()
            try:
                return shared.env.begin(buffers=True)
            except BaseException as error:
                shared.gate.leave()
                if isinstance(error, lmdb.MapResizedError):
                    self._resize(shared, 0)
                elif isinstance(error, lmdb.ReadersFullError) and time.monotonic() < give_up:
                    if not shared.env.reader_check():
                        time.sleep(_PAUSE)
                elif isinstance(error, lmdb.Error):
                    raise translate(error, self.directory) from error
                else:
                    raise

    def _attempt(self, shared: _Shared, body: Callable[[Writer], T], room: int) -> T:
        shared.gate.enter()
        try:
            txn = shared.env.begin(write=True, buffers=True)
            try:
                result = body(Writer(txn, shared.tables))
                txn.commit()
            except BaseException:
                with suppress(lmdb.Error):
                    txn.abort()
                raise
            return result
        except (lmdb.MapFullError, lmdb.MapResizedError):
            raise
        except lmdb.Error as error:
            full = _free(self.directory) < room + _SPARE
            if poisons(error, full=full):
                shared.poison = str(error)
            raise translate(error, self.directory, full=full) from error
        finally:
            shared.gate.leave()

    def _resize(self, shared: _Shared, size: int) -> None:
        with shared.gate.alone():
            try:
                shared.env.set_mapsize(size)
            except lmdb.Error as error:
                raise translate(error, self.directory) from error

    def _check_space(self, room: int) -> None:
        free = _free(self.directory)
        if free < room + _SPARE:
            raise StorageError(
                f"{self.directory}: no space left: {free:,} bytes free, about {room + _SPARE:,} needed",
                hint="make space, then repeat the command; nothing of it was half-written",
            )


def _before_fork() -> None:
    _registry_lock.acquire()
    for shared in _registry.values():
        shared.gate.shut()


def _after_fork_in_parent() -> None:
    for shared in _registry.values():
        shared.gate.reopen()
    _registry_lock.release()


def _after_fork_in_child() -> None:
    for shared in _registry.values():
        shared.env.close()
        if shared.writer is not None:
            shared.writer.close()
        shared.gate.reopen()
    _registry.clear()
    _registry_lock.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


def _free(directory: Path) -> int:
    """Return how many bytes of the file system are left for us."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize
