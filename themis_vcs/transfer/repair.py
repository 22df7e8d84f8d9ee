"""Repairing a store: what is sound becomes a new database, and what is lost comes from elsewhere, if it is there.

What comes is checked by its hash and its form, as anything from elsewhere. Nothing is deleted: the damaged database
goes to quarantine as it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from themis_vcs.errors import Corrupt, NotFound, RemoteError
from themis_vcs.model.objects import Dictionary, load, references_in
from themis_vcs.model.oid import Oid, oid_of
from themis_vcs.store import expiry
from themis_vcs.store.backend import Record, Stored
from themis_vcs.store.findings import Finding, Report
from themis_vcs.store.fsck import fsck
from themis_vcs.store.gc import alone
from themis_vcs.store.layout import Layout
from themis_vcs.store.lease import Lease
from themis_vcs.store.marks import Marks
from themis_vcs.store.objects import steps
from themis_vcs.store.repository import label_of
from themis_vcs.store.salvage import Salvage, put_in_place, repaired, require_unused
from themis_vcs.store.tombstones import forgotten
from themis_vcs.store.wreckage import Wreckage
from themis_vcs.store.writelock import WriteLock

_AT_ONCE: Final = 500
_PLACE: Final = "repair"

Progress = Callable[[str, int], None]
"""Is told what is being done, and how many objects of that are done."""


class Spare(Protocol):
    """Where lost objects may be."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def missing(self, oids: Sequence[Oid]) -> list[Oid]:
        """Return those that are not there."""

    def objects(self, oids: Sequence[Oid]) -> Iterator[Stored]:
        """Yield these objects. Corrupt, RemoteError if it cannot give one of them."""


class Repaired(msgspec.Struct, kw_only=True):
    """What a repair did. `before` and `after` are what `fsck` found; `fetched` objects came from elsewhere.

    `reindexed` objects were there and no table led to them, `derived` are rows that were made from objects
    again, `refs` were put to where their reflogs end, `lost_refs` are gone because no reflog proves where they were,
    `moves` of each ref went from its reflog because what it was at is gone,
    `dropped` objects needed something lost and nothing needed them. `quarantine` is where the damaged database is now,
    None if nothing was wrong.
    """

    before: Report
    after: Report
    fetched: int = 0
    reindexed: int = 0
    derived: int = 0
    dropped: int = 0
    refs: list[str] = msgspec.field(default_factory=list)
    lost_refs: list[str] = msgspec.field(default_factory=list)
    moves: dict[str, int] = msgspec.field(default_factory=dict)
    quarantine: Path | None = None


def repair(path: Path, source: Spare | None, *, wait: float = 30.0, progress: Progress | None = None) -> Repaired:
    """Repair the store directory `path` with what `source` has.

    StoreBusy if somebody has the store open or goes on writing. StorageError, FormatError, NoStore as `fsck` does.
    """
    tell = progress or (lambda what, objects: None)
    store = Layout(path)
    with alone(path, wait):
        # What a repair has left that was killed, perhaps after it had put the new database in place.
        shutil.rmtree(path / _PLACE, ignore_errors=True)
        before = fsck(path, lambda objects: tell("checking", objects), wait=wait)
        if not any(finding.severity != "note" for finding in before.findings):
            return Repaired(before=before, after=before)
        require_unused(store)
        lock = WriteLock(store.write_lock)
        try:
            with Lease(store).alone(wait), lock.held(wait):
                return _replaced(store, before, source, tell)
        finally:
            lock.close()


def _replaced(store: Layout, before: Report, source: Spare | None, tell: Progress) -> Repaired:
    made = Layout(store.path / _PLACE)
    try:
        work = _Repair(made.path, source, tell)
        try:
            found = work.run(store.path, before)
        finally:
            work.salvage.backend.close()
        tell("checking", 0)
        after = fsck(made.path)
        note = msgspec.json.encode([_plain(finding) for finding in before.findings])
        quarantine = put_in_place(store, made, note)
    finally:
        shutil.rmtree(made.path, ignore_errors=True)
    found.after, found.quarantine = after, quarantine
    after.path = store.path
    return found


class _Repair:
    """One repair, into a new store."""

    def __init__(self, directory: Path, source: Spare | None, tell: Progress) -> None:
        self.salvage = Salvage(directory)
        self._source, self._tell = source, tell

    def run(self, damaged: Path, before: Report) -> Repaired:
        found = Repaired(before=before, after=before)
        report = fsck(damaged, lambda objects: self._tell("salvaging", objects), wait=0, contents=self.salvage)
        if any(finding.code == "store" for finding in report.findings):
            problem = next(finding for finding in report.findings if finding.code == "store")
            raise Corrupt(
                f"the store cannot be opened, so nothing can be taken out of it: {problem.message}",
                hint="make a new one with `themis clone`, and keep this one for what the other does not have",
            )
        self.salvage.flush()
        found.refs, found.lost_refs = self.salvage.settle_refs(_damaged_logs(report))
        absent = self._absent(finding.oid for finding in before.findings)
        wreckage = Wreckage(Layout(damaged).data)
        self._found_in(wreckage, self.salvage.lost_dictionaries())
        while absent:
            reindexed = [*self.salvage.reindex(absent), *self._found_in(wreckage, absent)]
            fetched = self._fetch([oid for oid in absent if oid not in set(reindexed)])
            found.reindexed, found.fetched = found.reindexed + len(reindexed), found.fetched + len(fetched)
            absent = self._lacking_below([*reindexed, *fetched])
        found.moves = self._drop_moves()
        found.dropped = self._drop_broken()
        self.salvage.settle_dictionaries()
        found.derived = self.salvage.settle_rows()
        return found

    def _absent(self, lost: Iterable[Oid | None]) -> list[Oid]:
        """Return what something needs, or what was lost, and is not here."""
        backend = self.salvage.backend
        marks = Marks(backend)
        marks.mark_all(marks.by_location(marked=False))
        needed = [*self._roots(), *(step for _, step in backend.derivations()), *marks.absent]
        return self._not_here([*needed, *(oid for oid in lost if oid is not None)])

    def _roots(self) -> list[Oid]:
        """Return what refs and their reflogs name."""
        backend = self.salvage.backend
        return [*(oid for _, oid in backend.refs()), *expiry.needed(backend, 0)]

    def _lacking_below(self, oids: Sequence[Oid]) -> list[Oid]:
        """Return what these objects refer to and is not here."""
        found = self.salvage.backend.get_many(oids)
        return self._not_here([oid for _, payload in found for oid in references_in(payload)])

    def _found_in(self, wreckage: Wreckage, oids: Sequence[Oid]) -> list[Oid]:
        """Take those of these objects that no table led to and that lie in the damaged file, and return them."""
        compressor = self.salvage.backend.compressor
        frames = [wreckage.frame(oid, compressor) for oid in self._not_here(oids)]
        for frame in frames:
            if frame is not None:
                self.salvage.frame(frame.pack(), indexed=True)
        self.salvage.flush()
        return [frame.oid for frame in frames if frame is not None]

    def _not_here(self, oids: Sequence[Oid]) -> list[Oid]:
        gone = forgotten(self.salvage.backend)
        return [oid for oid in self.salvage.backend.missing(oids) if oid not in gone]

    def _fetch(self, oids: Sequence[Oid]) -> list[Oid]:
        """Bring those of these objects that the other has, and return them."""
        fetched: list[Oid] = []
        if self._source is None:
            return fetched
        for some in steps(oids, _AT_ONCE):
            absent = set(self._source.missing(some))
            records = [_record(item) for item in _given(self._source, [oid for oid in some if oid not in absent])]
            self.salvage.add(records)
            fetched += [record[0] for record in records]
            self._tell("fetching", len(fetched))
        return fetched

    def _drop_moves(self) -> dict[str, int]:
        """Take moves out of reflogs that led to what is lost, or to what needs that; return how many of which refs.

        What a ref reaches is left there: it is named as long as it is lost.
        """
        backend = self.salvage.backend
        marks = Marks(backend)
        lost = set(self._absent(()))
        if not lost:
            return {}
        marks.mark(oid for _, oid in backend.refs())
        lost -= marks.absent
        broken = marks.leading_to(bytearray(len(marks)), lost)
        gone = {oid for oid in expiry.needed(backend, 0) if oid in lost or _only(marks, broken, oid)}
        return expiry.without(backend, gone, repaired()) if gone else {}

    def _drop_broken(self) -> int:
        """Take away what nothing needs and what needs something that is lost; return how much."""
        backend = self.salvage.backend
        marks = Marks(backend)
        lost = self._absent(())
        if not lost:
            return 0
        marks.mark(self._roots())
        broken = marks.leading_to(bytearray(len(marks)), set(lost))
        places = [at for at in range(len(marks)) if broken[at] and not marks.marked[at]]
        oids = [found.oid for found in marks.read(places)]
        self.salvage.drop(oids)
        return len(oids)


def _only(marks: Marks, broken: bytearray, oid: Oid) -> bool:
    """Say whether an object is broken, and no ref reaches it."""
    return any(broken[at] and not marks.marked[at] for at in marks.places(oid))


def _given(source: Spare, oids: Sequence[Oid]) -> list[Stored]:
    """Return those of these objects that the other can give."""
    try:
        return list(source.objects(oids)) if oids else []
    except (Corrupt, NotFound, RemoteError):
        if len(oids) == 1:
            return []
    middle = len(oids) // 2
    return _given(source, oids[:middle]) + _given(source, oids[middle:])


def _record(item: Stored) -> Record:
    """Return an object to be stored. Corrupt if it is not what its name says, or not canonical."""
    oid = item.frame.oid
    if oid_of(item.payload) != oid:
        raise Corrupt(f"object {oid.hex()} does not hash to its name", oid=oid)
    obj = load(item.payload)
    return oid, item.payload, "" if isinstance(obj, Dictionary) else label_of(obj)


def _damaged_logs(report: Report) -> list[str] | None:
    """Return the refs whose logs may have lost their last entries; None if it cannot be told which."""
    found = [finding for finding in report.findings if finding.code in ("row", "unreadable")]
    logs = [finding for finding in found if "table reflog" in finding.message]
    return None if any(each.ref is None for each in logs) else [each.ref for each in logs if each.ref is not None]


def _plain(finding: Finding) -> dict[str, object]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        "oid": finding.oid.hex() if finding.oid else None,
        "ref": finding.ref,
        "users": finding.users,
    }
