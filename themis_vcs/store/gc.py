"""Deleting what nothing reaches and what is old enough (STORE-30 to STORE-34).

An object goes only after everything that refers to it, in short transactions, each while nobody else writes; so a store
is whole after a kill at any of them. Not responsible for the space that is then free within segments (`compaction`).
"""

from __future__ import annotations

import time
from array import array
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from themis_vcs.errors import Corrupt, StoreBusy
from themis_vcs.model.derivation import key_of
from themis_vcs.model.objects import Step, is_step, kind_of, load, references_in
from themis_vcs.model.oid import OID_BYTES, Oid
from themis_vcs.store import ages, compaction, compressor, expiry, layout, lmdb, segments
from themis_vcs.store.lease import WAIT, Lease
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.marks import Found, Marks
from themis_vcs.store.seal import unsealed
from themis_vcs.store.tables import Writer
from themis_vcs.store.tombstones import forgotten
from themis_vcs.store.view import ARRIVED

DAY: Final = 24 * 3600 * 10**9
GRACE: Final = 14
REFLOG: Final = 90
_AT_ONCE: Final = 1_000
_PAUSE: Final = 0.02
_FACTS: Final = ("scores:",)
_FROM: Final = b"from:"
_REPAIR: Final = "`themis fsck --repair` makes again what can be; `--repair-from` brings lost objects from elsewhere"

Progress = Callable[[str, int], object]
"""Is told what is being done, and how many objects of that are done."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept although no ref reaches it: what is younger than `grace` days, and what a move of a ref in the last
    `reflog` days, or the last one whenever that was, came from or led to. `wait`: seconds to wait for others who write.
    """

    grace: float = GRACE
    reflog: float = REFLOG
    wait: float = WAIT


class Collected(msgspec.Struct, kw_only=True):
    """What a collection did, or would do. `kinds` counts what goes, `kept` what stays by why; bytes are of frames.

    `moves` are entries of reflogs that expire. `file_bytes` is the size of the file, of which `free_bytes` are free.
    """

    dry_run: bool
    objects: int = 0
    bytes: int = 0
    kinds: dict[str, int] = msgspec.field(default_factory=dict)
    kept: dict[str, int] = msgspec.field(default_factory=dict)
    moves: int = 0
    segments: int = 0
    file_bytes: int = 0
    free_bytes: int = 0


def gc(path: Path, policy: Policy, *, dry_run: bool = False, progress: Progress | None = None) -> Collected:
    """Delete what nothing reaches in the store directory `path`; with `dry_run` only count it.

    StoreBusy behind somebody who writes and does not finish: then a part of it is done, and the next call goes on.
    Corrupt if something that is reached is damaged or missing, or a table that would change: then nothing is deleted.
    """
    with alone(path, policy.wait), opened(path, policy.wait, readonly=dry_run) as backend:
        sweep = Sweep(backend, policy, progress)
        sweep.mark()
        collected = sweep.count(dry_run=dry_run)
        if not dry_run:
            collected.moves = expiry.expire(backend, sweep.horizon, sweep.lease, policy.wait)
            sweep.sweep()
            collected.segments = compaction.compact(backend, sweep.lease, policy.wait)
        found = backend.statistics()
        collected.file_bytes, collected.free_bytes = found.file_bytes, found.free_bytes
        return collected


@contextmanager
def alone(path: Path, wait: float) -> Iterator[None]:
    """Be the only one who deletes or repairs in a store. StoreBusy if somebody does, for longer than `wait` seconds."""
    layout.Layout(path).check()
    with ExitStack() as stack:
        deadline = time.monotonic() + wait
        while True:
            try:
                stack.enter_context(layout.alone(path, wait=False))
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    hint = "repeat the command when it has finished, if it is still needed"
                    raise StoreBusy(f"{path}: another process collects, forgets or repairs there", hint=hint) from None
            time.sleep(_PAUSE)
        yield


@contextmanager
def opened(path: Path, wait: float, *, readonly: bool = False) -> Iterator[LmdbBackend]:
    """The backend of a store directory."""
    backend = LmdbBackend(path, readonly=readonly, write_timeout=max(wait, 1.0))
    try:
        yield backend
    finally:
        backend.close()


class Sweep:
    """One collection of one store: marks, then deletes step by step, catching up with what others wrote between."""

    def __init__(self, backend: LmdbBackend, policy: Policy, progress: Progress | None = None) -> None:
        self.backend, self.policy = backend, policy
        self.lease = Lease(backend.layout)
        now = time.time_ns()
        self.horizon = now - int(policy.reflog * DAY)
        self._before = now - int(policy.grace * DAY)
        self._tell = progress or (lambda what, objects: None)
        self.marks = Marks(backend)
        self._seen, self._last = self.marks.transaction, self.marks.last_segment
        self._kept: Counter[str] = Counter()
        self._users = array("I", bytes(array("I").itemsize * len(self.marks)))
        self._ready = array("I")
        self._rows: dict[Oid, list[tuple[str, bytes]]] = {}

    def mark(self) -> None:
        """Mark what is to be kept. Corrupt where that cannot be told."""
        counted = [0]

        def one_more() -> None:
            counted[0] += 1
            if counted[0] % 8 == 0:
                self._tell("marking", self.marks.marked.count(1))

        for why, roots in self._roots():
            self.marks.mark(roots, one_more)
            self._count_kept(why)
        self._require_all()
        self._require_tables()
        if self.policy.grace > 0:
            with self.backend.environment.reading() as reader:
                old = ages.last_before(reader, self._before)
            self.marks.mark_all(self.marks.newer(old))
        self._count_kept("young")

    def mark_all_but(
        self, runs: Collection[Oid], others: Collection[Oid], roots: Collection[Oid], doomed: Collection[Oid] = ()
    ) -> bytearray:
        """Mark what is to be kept when runs are forgotten: what `roots` reach, and all else but what only the runs hold
        and what cannot be without that. Return a byte for each object that the runs hold, without the `others` before
        them; what is `doomed` counts as held. Corrupt as `mark`.
        """
        self.marks.skip = set(runs)
        self.marks.mark(roots)
        self.marks.mark(oid for why, found in self._roots() if why == "dictionaries" for oid in found)
        self._require_all()
        self._require_tables()
        held = self.marks.reach([*runs, *doomed], set(others))
        only = bytearray(mine and not others for mine, others in zip(held, self.marks.marked, strict=True))
        broken = self.marks.leading_to(only)
        self.marks.mark_all([at for at in self.marks.by_location(marked=False) if not broken[at]])
        return held

    def count(self, *, dry_run: bool) -> Collected:
        """Count what is not marked, by kind, and by how many others of these each is referred to."""
        collected = Collected(dry_run=dry_run, kept={why: number for why, number in self._kept.items() if number})
        kinds: Counter[str] = Counter()
        doomed = self.marks.by_location(marked=False)
        for found in self.marks.read(doomed):
            kinds["damaged" if found.payload is None else _label(found.payload)] += 1
            collected.bytes += found.size
            for at in self._unmarked(_below(found)):
                self._users[at] += 1
        collected.kinds = dict(kinds.most_common())
        collected.objects = kinds.total()
        self._ready = array("I", (at for at in doomed if not self._users[at]))
        if dry_run:
            collected.moves = expiry.expired(self.backend, self.horizon)
        return collected

    def sweep(self) -> None:
        """Delete what was counted, parents before children."""
        self._rows = self._rows_of_doomed()
        done = 0
        while self._ready:
            chosen = [self._ready.pop() for _ in range(min(_AT_ONCE, len(self._ready)))]
            for going in self._deleted(chosen):
                done += 1
                for at in self._unmarked(going.below):
                    self._users[at] -= 1
                    if not self._users[at]:
                        self._ready.append(at)
            self._tell("deleting", done)

    def _unmarked(self, oids: Iterable[Oid]) -> list[int]:
        """Return the places of those of some objects that are not marked."""
        return [at for oid in oids for at in self.marks.places(oid) if not self.marks.marked[at]]

    def _rows_of_doomed(self) -> dict[Oid, list[tuple[str, bytes]]]:
        """Return the rows of tracks and facts that name objects that go, by these."""
        rows: dict[Oid, list[tuple[str, bytes]]] = defaultdict(list)
        for key, value in self.backend.tracks():
            rows[value[:OID_BYTES]].append((lmdb.TRACKS, key))
        for prefix in _FACTS:
            for name, value in self.backend.facts(prefix):
                rows[value[:OID_BYTES]].append((lmdb.LOCAL, name.encode()))
        kept = {oid for oid in rows if any(self.marks.marked[at] for at in self.marks.places(oid))}
        return {oid: found for oid, found in rows.items() if oid not in kept}

    def _deleted(self, chosen: list[int]) -> list[_Going]:
        """Delete objects and the rows that lead to them, in one transaction; return those that were."""
        with self.lease.alone(self.policy.wait):
            self._catch_up()
            chosen = sorted((at for at in chosen if not self.marks.marked[at]), key=self.marks.location)
            going = [_going(found) for found in self.marks.read(chosen)]

            def body(writer: Writer) -> int:
                segments.forget(writer, [self.marks.row(each.at) for each in going])
                for each in going:
                    self._delete_rows(writer, each)
                return int(writer.txn.id())

            if going:
                self._seen = self.backend.environment.write(body, timeout=self.policy.wait)
        return going

    def _delete_rows(self, writer: Writer, going: _Going) -> None:
        for table, key in [*self._rows.get(going.oid, ()), (lmdb.LOCAL, _FROM + going.oid.hex().encode())]:
            writer.delete(table, key)
        for key in going.keys:
            row = writer.get(lmdb.DERIVATIONS, key)
            if row is not None and unsealed(lmdb.DERIVATIONS, key, row) == going.oid:
                writer.delete(lmdb.DERIVATIONS, key)

    def _catch_up(self) -> None:
        """Mark what others have written or have come to need since the last look."""
        with self.backend.environment.reading() as reader:
            now, last = reader.txn.id(), segments.last_number(reader)
        if now == self._seen:
            return
        for _, roots in self._roots():
            self.marks.mark(roots)
        number = self._last + 1
        while number <= last:
            with self.backend.environment.reading() as reader:
                new = segments.stored(reader, number, 1)
            if not new:
                break
            number = new[0][0] + 1
            for payload in (self.backend.get(frame.oid) for frame in new[0][1]):
                self.marks.mark(references_in(payload))
        self._seen, self._last = now, last

    def _roots(self) -> Iterator[tuple[str, list[Oid]]]:
        """Yield why objects are kept, and which."""
        yield "refs", [oid for _, oid in self.backend.refs()]
        yield "reflog", expiry.needed(self.backend, self.horizon)
        with self.backend.environment.reading() as reader:
            rows = [(bytes(key), bytes(row)) for key, row in reader.cursor(compressor.DICTIONARIES)]
        yield "dictionaries", [unsealed(compressor.DICTIONARIES, key, row)[:OID_BYTES] for key, row in rows]

    def _count_kept(self, why: str) -> None:
        self._kept[why] = self.marks.marked.count(1) - self._kept.total()

    def _require_all(self) -> None:
        """Corrupt if something that is needed is not there, and was not forgotten."""
        gone = forgotten(self.backend)
        lost = [oid for oid in self.backend.missing(self.marks.absent) if oid not in gone]
        if lost:
            message = f"object {lost[0].hex()} is missing, and something refers to it; nothing was deleted"
            raise Corrupt(message, oid=lost[0], hint=_REPAIR)

    def _require_tables(self) -> None:
        """Corrupt if a table cannot be read from which rows will go with the objects, before any has gone."""
        for table, rows in (
            (lmdb.DERIVATIONS, self.backend.derivations()),
            (lmdb.TRACKS, self.backend.tracks()),
            (lmdb.LOCAL, self.backend.facts("")),
        ):
            try:
                deque(rows, maxlen=0)
            except Corrupt as error:
                message = f"table {table} is damaged, so nothing was deleted: {error.message}"
                raise Corrupt(message, hint=_REPAIR) from error


class _Going(NamedTuple):
    """What must be known of an object to delete it, without its payload, of which there may be a thousand large ones:
    its place, its oid, what it refers to, and the keys under which it may have been derived.
    """

    at: int
    oid: Oid
    below: set[Oid]
    keys: list[bytes]


def _going(found: Found) -> _Going:
    keys = []
    if found.payload is not None and is_step(found.payload):
        key = key_of(load(found.payload, Step))
        keys = [key, key + ARRIVED]
    return _Going(found.at, found.oid, _below(found), keys)


def _below(found: Found) -> set[Oid]:
    return set() if found.payload is None else set(references_in(found.payload))


def _label(payload: bytes) -> str:
    return f"step {load(payload, Step).stage}" if is_step(payload) else kind_of(payload)
