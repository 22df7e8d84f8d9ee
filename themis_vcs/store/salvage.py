"""A new store of what is sound in a damaged one (STORE-36 to STORE-40), made beside it and then put in its place.

The damaged database is only read, by the processes of `fsck`, and kept as a whole in quarantine. Not responsible for
where objects come from that are lost (`transfer.repair`).
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from themis_vcs.errors import StoreBusy
from themis_vcs.model.derivation import key_of
from themis_vcs.model.objects import Step, is_step, load
from themis_vcs.model.oid import OID_BYTES, Oid
from themis_vcs.store import ages, compressor, frames, layout, lmdb, reflog, segments
from themis_vcs.store.backend import Batch, Record, ReflogEntry
from themis_vcs.store.frames import Frame
from themis_vcs.store.layout import Layout
from themis_vcs.store.lease import holders
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.marks import Marks
from themis_vcs.store.seal import unsealed
from themis_vcs.store.tables import Writer
from themis_vcs.store.view import ARRIVED, VOUCHED

_ROWS: Final = 2_000
_BYTES: Final = 8 << 20
_UNTRUE: Final = (ages.MARK, VOUCHED.encode())


class Salvage:
    """The new store while it is made. Takes rows and frames from `fsck`, which may say something twice."""

    def __init__(self, directory: Path) -> None:
        self.backend = LmdbBackend(directory, create=True)
        self._rows: list[tuple[str, bytes, bytes]] = []
        self._frames: list[tuple[Frame, bool]] = []
        self._size = 0
        self._lost_rows: dict[Oid, bytes] = {}

    def row(self, table: str, key: bytes, row: bytes) -> None:
        """Take a sound row, but for what may not be true of the new store.

        That is what tells the age of segments by their numbers, and that steps are noted as vouched for.
        """
        if table == lmdb.META or (table == lmdb.LOCAL and key.startswith(_UNTRUE)):
            return
        self._rows.append((table, key, row))
        if len(self._rows) >= _ROWS:
            self.flush()

    def frame(self, packed: bytes, indexed: bool) -> None:
        """Take a sound frame. One that the index did not lead to is kept aside: it may have been deleted."""
        self._frames.append((frames.unpack(packed, 0), indexed))
        self._size += len(packed)
        if len(self._frames) >= _ROWS or self._size >= _BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        rows, taken, size = self._rows, self._frames, self._size
        self._rows, self._frames, self._size = [], [], 0

        def body(writer: Writer) -> dict[Oid, bytes]:
            for table, key, row in rows:
                writer.put(table, key, row)
            finder = segments.Finder(writer)
            new = {frame.oid: (frame, known) for frame, known in taken if finder.find(frame.oid) is None}
            if not new:
                return {}
            segments.append(writer, [frame for frame, _ in new.values()])
            aside = {oid: _row(writer, oid) for oid, (_, known) in new.items() if not known}
            segments.forget(writer, aside.values())
            return aside

        self._lost_rows |= self.backend.environment.write(body, room=2 * size + _ROWS * len(rows) // 8)

    def reindex(self, oids: Iterable[Oid]) -> list[Oid]:
        """Enter those of these objects in the index that were kept aside, and return them."""
        found = [oid for oid in oids if oid in self._lost_rows]

        def body(writer: Writer) -> None:
            writer.cursor(segments.INDEX).putmulti(sorted((segments.INDEX_KEY, self._lost_rows[oid]) for oid in found))

        if found:
            self.backend.environment.write(body)
        return found

    def add(self, objects: Sequence[Record]) -> None:
        """Store objects that came from elsewhere."""
        self.backend.apply(Batch(objects=objects))

    def settle_refs(self, damaged: Sequence[str] | None) -> tuple[list[str], list[str]]:
        """Put refs that are lost to where their reflogs end; return their names, and those that are lost for good.

        `damaged` are refs whose logs may have lost their last entries, None if any may. Of a log with a gap what is
        behind the gap stays, and one that does not end at its ref gets an entry.
        """
        with self.backend.environment.reading() as reader:
            refs = dict(reflog.every(reader))
            logged: dict[str, list[tuple[int, ReflogEntry]]] = defaultdict(list)
            for key, row in reader.cursor(reflog.REFLOG):
                logged[reflog.name_of(bytes(key))].append(reflog.logged(bytes(key), row))
        # A name that no entry has any more may be that of any ref, with a letter changed.
        doubtful = None if damaged is None or set(damaged) - logged.keys() else set(damaged)
        restored: set[str] = set()
        lost: set[str] = set()

        def body(writer: Writer) -> None:
            for name in logged.keys() | refs.keys():
                entries = logged.get(name, [])
                for number in _before_gap([number for number, _ in entries]):
                    writer.delete(reflog.REFLOG, reflog.key_of(name, number))
                last = entries[-1][1].new if entries else None
                if name not in refs and last is not None:
                    if doubtful is not None and name not in doubtful:
                        reflog.put(writer, name, last)
                        restored.add(name)
                        continue
                    lost.add(name)
                if last != refs.get(name):
                    reflog.log(writer, name, repaired()._replace(old=last, new=refs.get(name)))

        self.backend.environment.write(body)
        return sorted(restored), sorted(lost)

    def settle_rows(self) -> int:
        """Derive again what steps derive, and drop rows of objects that are not here; return how many were derived."""
        marks = Marks(self.backend)
        known = dict(self.backend.derivations())
        new: dict[bytes, Oid] = {}
        for found in marks.read(marks.by_location(marked=False)):
            if found.payload is not None and is_step(found.payload):
                step = load(found.payload, Step)
                key = key_of(step)
                if step.value is not None and key not in known and key + ARRIVED not in known:
                    new[key + ARRIVED] = found.oid
        gone = self._without_object(lmdb.DERIVATIONS, known)
        gone += self._without_object(lmdb.TRACKS, dict(self.backend.tracks()))

        def body(writer: Writer) -> None:
            for table, key in gone:
                writer.delete(table, key)

        self.backend.environment.write(body)
        self.backend.apply(Batch(derivations=new))
        return len(new)

    def drop(self, oids: Iterable[Oid]) -> None:
        """Take objects that nothing needs out of the index: what they refer to is lost."""
        rows = []
        with self.backend.environment.reading() as reader:
            finder = segments.Finder(reader)
            for oid in oids:
                place = finder.find(oid)
                rows += [] if place is None else [segments.row_of(oid, place)]
        self.backend.environment.write(lambda writer: segments.forget(writer, rows))

    def _without_object(self, table: str, rows: dict[bytes, bytes]) -> list[tuple[str, bytes]]:
        absent = set(self.backend.missing(value[:OID_BYTES] for value in rows.values()))
        return [(table, key) for key, value in rows.items() if value[:OID_BYTES] in absent]

    def lost_dictionaries(self) -> list[Oid]:
        """Return the oids of dictionaries that are not here."""
        return self.backend.missing(self._dictionaries().values())

    def _dictionaries(self) -> dict[bytes, Oid]:
        with self.backend.environment.reading() as reader:
            rows = [(bytes(key), bytes(row)) for key, row in reader.cursor(compressor.DICTIONARIES)]
        return {key: unsealed(compressor.DICTIONARIES, key, row)[:OID_BYTES] for key, row in rows}

    def settle_dictionaries(self) -> None:
        """Drop the rows of dictionaries that are not here: nothing that is here was compressed with them."""
        gone = self._without_object(compressor.DICTIONARIES, self._dictionaries())

        def body(writer: Writer) -> None:
            for table, key in gone:
                writer.delete(table, key)

        self.backend.environment.write(body)


def repaired() -> ReflogEntry:
    """Return the move by which a log says where its ref is that does not end there any more."""
    return ReflogEntry(None, None, time.time_ns(), "", "repair")


def require_unused(store: Layout) -> None:
    """StoreBusy if a process has the database open: it would go on with the old one."""
    found = holders(store.database / "lock.mdb", kind="POSIX")
    if found:
        who = "this process" if found == [os.getpid()] else f"process {', '.join(map(str, found))}"
        raise StoreBusy(
            f"{store.path}: {who} has the store open, and would go on with the damaged database",
            hint="end it, as `themis serve`, then repeat the command",
        )


def put_in_place(store: Layout, made: Layout, note: bytes) -> Path:
    """Put the new database in the place of the damaged one, which goes to quarantine; return where that is.

    `note` says what was wrong with it.
    """
    kept = store.quarantine / time.strftime("%Y-%m-%dT%H%M%SZ", time.gmtime())
    while kept.exists():
        kept = kept.with_name(kept.name + "-")
    kept.mkdir(mode=0o700, parents=True)
    layout.replace(kept / "findings.json", note)
    os.link(store.data, kept / "data.mdb")
    layout.sync(kept)
    layout.sync(store.quarantine)
    require_unused(store)
    layout.sync(made.data)
    made.data.rename(store.data)
    layout.sync(store.database)
    return kept


def _row(writer: Writer, oid: Oid) -> bytes:
    place = segments.Finder(writer).find(oid)
    assert place is not None
    return segments.row_of(oid, place)


def _before_gap(numbers: Sequence[int]) -> list[int]:
    """Return the numbers before the last place where one is lacking."""
    gaps = [place for place in range(1, len(numbers)) if numbers[place] != numbers[place - 1] + 1]
    return list(numbers[: gaps[-1]]) if gaps else []
