"""Opening a data file with LMDB, and its tables: the settings of STORE-5, and what may come in between."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Final

import lmdb

from themis_vcs.errors import StorageError, ThemisError
from themis_vcs.store import metapage
from themis_vcs.store.failure import translate
from themis_vcs.store.tables import Table
from themis_vcs.store.writelock import WriteLock

MAX_READERS: Final = 510
_ENGINE: Final = 0
_PATIENCE: Final = 5.0
_PAUSE: Final = 0.01


def open_file(directory: Path, tables: int, readonly: bool, create: bool, map_size: int) -> lmdb.Environment:
    """Open `directory`/data.mdb for that many tables, after a look at its meta pages. Corrupt, StorageError."""
    data = directory / "data.mdb"
    if not create or data.exists():
        metapage.check(data)
    lock = not readonly or _can_lock(directory)
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            env = _mapped(directory, tables, readonly, create, map_size, lock)
            if lock:
                env.reader_check()
            return env
        except (lmdb.MapResizedError, lmdb.ReadersFullError) as error:
            # Another process grew the file while it was opened, or will soon take back the slots of dead readers.
            if time.monotonic() > give_up:
                raise translate(error, directory) from error
            time.sleep(_PAUSE)
        except lmdb.Error as error:
            raise translate(error, directory) from error
        except OSError as error:
            raise StorageError(f"cannot open {directory}: {error.strerror}") from error


def open_tables(
    env: lmdb.Environment, tables: tuple[Table, ...], create: bool, writer: WriteLock | None, timeout: float
) -> dict[str, lmdb._Database]:
    """Open the tables, and close the environment if that fails. `writer` is held meanwhile, if it is to be written."""
    # In an environment that may be written, py-lmdb opens a table by a transaction that writes.
    waiting = nullcontext() if writer is None else writer.held(timeout)
    try:
        with waiting:
            return {table.name: _opened(env, table, create) for table in tables}
    except lmdb.Error as error:
        directory = Path(env.path())
        env.close()
        raise translate(error, directory) from error
    except ThemisError:
        env.close()
        raise


def _mapped(directory: Path, tables: int, readonly: bool, create: bool, map_size: int, lock: bool) -> lmdb.Environment:
    return lmdb.open(
        str(directory),
        map_size=map_size,
        subdir=True,
        readonly=readonly,
        metasync=True,
        sync=True,
        writemap=False,
        mode=0o700,
        create=create,
        max_readers=MAX_READERS,
        max_dbs=tables,
        lock=lock,
        lib_version=_ENGINE,
    )


def _can_lock(directory: Path) -> bool:
    """Say whether a reader can have a slot; on read-only media there are no writers, and it needs none."""
    lock = directory / "lock.mdb"
    return os.access(lock if lock.exists() else directory, os.W_OK)


def _opened(env: lmdb.Environment, table: Table, create: bool) -> lmdb._Database:
    """Open a table, outside any transaction of ours: py-lmdb forgets what a reading one opened."""
    while True:
        try:
            return env.open_db(table.name.encode(), create=create, dupsort=table.duplicates, dupfixed=table.duplicates)
        except lmdb.MapResizedError:
            env.set_mapsize(0)
