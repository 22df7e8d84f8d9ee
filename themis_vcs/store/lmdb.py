"""The store on disk: the protocol on LMDB. Only this package's modules about LMDB import it.

The tables are in `docs/reference/format/store.md`, section 3. Reading and preparing objects is in `objects`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, Final

from themis_vcs.errors import Corrupt
from themis_vcs.model.oid import Oid
from themis_vcs.store import ages, compressor, copying, reflog, segments
from themis_vcs.store.backend import Batch, ReflogEntry, Statistics
from themis_vcs.store.environment import MAP_SIZE, WRITE_TIMEOUT, Environment
from themis_vcs.store.layout import Layout
from themis_vcs.store.objects import LmdbObjects, steps
from themis_vcs.store.seal import sealed, unsealed
from themis_vcs.store.tables import Reader, Table, Writer

META: Final = compressor.META
DERIVATIONS: Final = "derivations"
TRACKS: Final = "tracks"
LOCAL: Final = ages.LOCAL
TABLES: Final = (
    Table(META),
    Table(segments.INDEX, duplicates=True),
    Table(segments.SEGMENTS),
    Table(compressor.DICTIONARIES),
    Table(DERIVATIONS),
    Table(TRACKS),
    Table(reflog.REFS),
    Table(reflog.REFLOG),
    Table(LOCAL),
)
_STEP: Final = 512
_ROW_ROOM: Final = 256


class LmdbBackend(LmdbObjects):
    """A backend in a store directory."""

    def __init__(
        self,
        path: Path,
        *,
        readonly: bool = False,
        create: bool = False,
        map_size: int = MAP_SIZE,
        write_timeout: float = WRITE_TIMEOUT,
        force_filesystem: bool = False,
        lenient: bool = False,
    ) -> None:
        """Open the store directory `path`; with `create`, make it if it is not there; if `lenient`, without a look at
        any table: the format is not checked then, and no dictionary known.

        `write_timeout`: seconds to wait behind other writers. Raises NoStore, FormatError for a newer store, Corrupt,
        StorageError.
        """
        self.layout = Layout(path)

        def opened() -> Environment:
            return Environment(
                self.layout.database,
                TABLES,
                lock_file=self.layout.write_lock,
                readonly=readonly,
                create=create,
                map_size=map_size,
                force_filesystem=force_filesystem,
                timeout=write_timeout,
            )

        if create:
            self.layout.create(lambda: _created(opened()))
        self.layout.check()
        self._timeout = write_timeout
        environment = opened()
        try:
            super().__init__(environment)
            if not lenient:
                self.check_format()
                self.compressor.learn()
        except BaseException:
            environment.close()
            raise

    def apply(self, batch: Batch) -> int:
        prepared = self._prepared(batch.objects, batch.foreign)
        rows = [
            *_rows(DERIVATIONS, batch.derivations.items()),
            *_rows(TRACKS, batch.tracks.items()),
            *_rows(LOCAL, ((key.encode(), value) for key, value in batch.local.items())),
            *((META, key, row) for key, row in self.compressor.rows().items()),
        ]
        if not (prepared.frames or rows or batch.refs):
            return 0

        def body(writer: Writer) -> tuple[int, list[int]]:
            reflog.move(writer, batch)
            numbers = compressor.enter(writer, prepared.trained)
            added = self._append(writer, prepared, numbers)
            if added:
                ages.note(writer, time.time_ns())
            for table, key, row in rows:
                writer.put(table, key, row)
            return added, numbers

        room = sum(len(frame.data) for frame in prepared.frames) + _ROW_ROOM * (len(rows) + len(prepared.frames))
        added, numbers = self.environment.write(body, room=room, timeout=self._timeout)
        self.compressor.adopt(numbers, prepared.trained)
        if self._damaged:
            self._damaged.difference_update(frame.oid for frame in prepared.frames)
        return added

    def derivation(self, key: bytes) -> Oid | None:
        return self._value(DERIVATIONS, key)

    def derivations_for(self, keys: Sequence[bytes]) -> list[Oid | None]:
        result: list[Oid | None] = []
        for wanted in steps(keys):
            with self.environment.reading() as reader:
                result += [_unsealed(reader, DERIVATIONS, key) for key in wanted]
        return result

    def derivations(self) -> Iterator[tuple[bytes, Oid]]:
        return self._all(DERIVATIONS)

    def track(self, key: bytes) -> bytes | None:
        return self._value(TRACKS, key)

    def tracks(self) -> Iterator[tuple[bytes, bytes]]:
        return self._all(TRACKS)

    def local(self, key: str) -> bytes | None:
        return self._value(LOCAL, key.encode())

    def facts(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        return ((key.decode(), fact) for key, fact in self._all(LOCAL, prefix.encode()))

    def ref(self, name: str) -> Oid | None:
        with self.environment.reading() as reader:
            return reflog.read(reader, name)

    def refs(self, prefix: str = "") -> Iterator[tuple[str, Oid]]:
        with self.environment.reading() as reader:
            found = list(reflog.every(reader))
        return ((name, oid) for name, oid in found if name.startswith(prefix))

    def reflog(self, name: str) -> list[ReflogEntry]:
        with self.environment.reading() as reader:
            return reflog.history(reader, name)

    def snapshot(self, path: Path) -> None:
        self.layout.copy(path, self._copy)

    def statistics(self) -> Statistics:
        with self.environment.reading() as reader:
            entries = {table.name: reader.entries(table.name) for table in TABLES}
            used = sum(_pages(reader.txn.stat(database)) for database in reader.tables.values())
        info = self.environment.info()
        pages = info["last_page"] + 1
        return Statistics(
            objects=entries[segments.INDEX],
            refs=entries[reflog.REFS],
            derivations=entries[DERIVATIONS],
            tracks=entries[TRACKS],
            dictionaries=entries[compressor.DICTIONARIES],
            segments=entries[segments.SEGMENTS],
            file_bytes=self.layout.data.stat().st_size,
            free_bytes=max(0, pages - used) * info["page_size"],
        )

    def check_format(self) -> None:
        """FormatError if a newer version wrote the store, Corrupt if that cannot be told."""
        with self.environment.reading() as reader:
            row = reader.get(META, b"format")
            if row is None:
                raise Corrupt(f"{self.layout.path}: the table `meta` does not state the format")
            self.layout.check_version(unsealed(META, b"format", row)[0])

    def close(self) -> None:
        self.environment.close()

    def _copy(self, target: Layout) -> None:
        copied = Environment(target.database, TABLES, lock_file=target.write_lock, create=True)
        try:
            copying.copy(self.environment, copied, TABLES)
        finally:
            copied.close()
        # LMDB's lock file of a database that is not open holds nothing.
        (target.database / "lock.mdb").unlink()

    def _value(self, table: str, key: bytes) -> bytes | None:
        with self.environment.reading() as reader:
            return _unsealed(reader, table, key)

    def _all(self, table: str, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield the rows whose keys begin with `prefix`, by key."""
        low: bytes | None = prefix
        count, seen = 0, set()
        while low is not None:
            with self.environment.reading() as reader:
                cursor = reader.cursor(table)
                found = cursor.set_range(low) if low else cursor.first()
                here = takewhile(lambda each: bytes(each[0]).startswith(prefix), cursor if found else ())
                rows = [(bytes(key), bytes(row)) for key, row in islice(here, _STEP + 1)]
                seen.add(reader.txn.id())
                expected = reader.entries(table)
            low = rows.pop()[0] if len(rows) > _STEP else None
            count += len(rows)
            for key, row in rows:
                yield key, unsealed(table, key, row)
        if not prefix and len(seen) == 1 and count != expected:
            raise Corrupt(f"table {table} holds {expected:,} rows, and {count:,} were found")


def _created(environment: Environment) -> None:
    row = sealed(META, b"format", b"\x01")
    try:
        environment.write(lambda writer: writer.put(META, b"format", row))
    finally:
        environment.close()


def _unsealed(reader: Reader, table: str, key: bytes) -> bytes | None:
    row = reader.get(table, key)
    return None if row is None else unsealed(table, key, row)


def _rows(table: str, items: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, bytes, bytes]]:
    return ((table, key, sealed(table, key, value)) for key, value in sorted(items))


def _pages(stat: Mapping[str, Any]) -> int:
    return int(stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"])
