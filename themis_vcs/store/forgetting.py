"""Forgetting runs: what only they hold goes at once, and a tombstone stays (STORE-41 to STORE-45).

Not responsible for what travels of it (`transfer`), nor for signing tombstones (`signing`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from themis_vcs.errors import NotFound
from themis_vcs.model.objects import Run, Tag, Value, dump, kind_of, load, references_in
from themis_vcs.model.oid import Oid, oid_of, split_oids
from themis_vcs.store import compaction, erasing, expiry
from themis_vcs.store.backend import ANY, Batch, Record, ReflogEntry, RefUpdate
from themis_vcs.store.gc import Policy, Progress, Sweep, alone, opened
from themis_vcs.store.lease import WAIT, Lease
from themis_vcs.store.lmdb import LOCAL, LmdbBackend
from themis_vcs.store.marks import Marks
from themis_vcs.store.tables import Writer
from themis_vcs.store.tombstones import Tombstone, raising

_RUNS: Final = "runs/"
_SIGNATURES: Final = "signatures/"
_BEGUN: Final = "forgetting"
"""The fact that holds the runs that are being forgotten, from their tombstones until all of them is gone."""
_DOOMED: Final = "forgetting:objects"
"""The fact that holds what is being deleted with them."""
_ALWAYS: Final = 10**5
"""Days: as far back as a reflog goes."""


class State(msgspec.Struct, frozen=True):
    """A state of a run: its oid in hex, its id, the name that it was made under."""

    oid: str
    run_id: str
    name: str


class Forgot(msgspec.Struct, kw_only=True):
    """What was forgotten, or would be. `refs` went, `moved` are now at an earlier run. `objects` of `kinds` went.

    `shared` counts what the runs held and others hold too, `holders` are those others. `unreachable_bytes` of free
    pages could not be written over. `dictionaries` and `quarantine` are where pieces of it may still be.
    """

    dry_run: bool
    states: list[State]
    refs: list[str] = msgspec.field(default_factory=list)
    moved: list[str] = msgspec.field(default_factory=list)
    objects: int = 0
    bytes: int = 0
    kinds: dict[str, int] = msgspec.field(default_factory=dict)
    shared: dict[str, int] = msgspec.field(default_factory=dict)
    holders: list[State] = msgspec.field(default_factory=list)
    unreachable_bytes: int = 0
    dictionaries: int = 0
    quarantine: int = 0


def forget(
    path: Path,
    runs: Collection[Oid],
    *,
    reason: str,
    who: str,
    holding: Collection[Oid] = (),
    wait: float = WAIT,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Forgot:
    """Forget runs in the store directory `path`, with all other states of the same run ids, and with all runs that hold
    one of `holding`; with `dry_run` only say what that would be.

    NotFound if there is nothing to forget. StoreBusy behind somebody who writes; `finish` then does what is left.
    Corrupt if it cannot be told what is needed, because of damage.
    """
    with alone(path, wait), opened(path, wait, readonly=dry_run) as backend:
        known = dict(_runs(backend, [*_refs(backend), *expiry.needed(backend, 0)]))
        chosen = _chosen(backend, known, runs, holding)
        if not chosen:
            raise NotFound("no run holds that", hint="`themis gc --grace 0` deletes what no run holds")
        plan = _Plan(backend, chosen)
        work = _Work(backend, chosen, known, wait, progress)
        if not dry_run:
            with work.lease.alone(wait):
                _erect(backend, chosen, plan, reason, who)
        found = work.done(dry_run=dry_run, refs=plan.after)
        found.refs, found.moved = plan.gone, plan.moved
    if not dry_run:
        _erase(path, found, wait)
    return found


def finish(path: Path, *, wait: float = WAIT, progress: Progress | None = None) -> Forgot | None:
    """Finish what a call of `forget` has left that was killed; None if there is nothing."""
    with alone(path, wait), opened(path, wait) as backend:
        begun = set(split_oids(backend.local(_BEGUN) or b""))
        if not begun:
            return None
        refs = _refs(backend)
        known = dict(_runs(backend, [*begun, *refs, *expiry.needed(backend, 0)]))
        left = {oid: run for oid, run in known.items() if oid in begun}
        doomed = list(split_oids(backend.local(_DOOMED) or b""))
        found = _Work(backend, left, known, wait, progress).done(dry_run=False, refs=refs, doomed=doomed)
    _erase(path, found, wait)
    return found


def _erase(path: Path, found: Forgot, wait: float) -> None:
    """Write over what was freed, and note that nothing is left to do."""
    with alone(path, wait), opened(path, wait) as backend:
        found.unreachable_bytes = erasing.erase(backend, Lease(backend.layout), wait)
        backend.environment.write(_forget_that_it_was_begun, timeout=wait)


class _Work:
    """Taking away what runs hold, after their refs have gone."""

    def __init__(
        self,
        backend: LmdbBackend,
        chosen: Mapping[Oid, Run],
        known: Mapping[Oid, Run],
        wait: float,
        progress: Progress | None,
    ) -> None:
        self._backend, self._chosen, self._known, self._wait = backend, chosen, known, wait
        self._progress = progress
        self._ids = tuple(f"{_RUNS}{run.run_id.hex()}/" for run in chosen.values())
        self._tags: dict[Oid, bool] = {}
        self.lease = Lease(backend.layout)

    def done(self, *, dry_run: bool, refs: Collection[Oid], doomed: Collection[Oid] = ()) -> Forgot:
        """Do it, or with `dry_run` only say what goes and what stays. `refs` are where refs are when the runs' went.

        `doomed` is what a call was about to delete that was killed: runs go first, and with them what says what they
        held.
        """
        backend, lease, wait = self._backend, self.lease, self._wait
        found = Forgot(dry_run=dry_run, states=[_state(oid, run) for oid, run in self._chosen.items()])
        keys, logged = expiry.split(backend, self._names)
        if keys and not dry_run:
            with lease.alone(wait):
                keys, logged = expiry.split(backend, self._names)
                expiry.cut(backend, keys, ReflogEntry(None, None, time.time_ns(), "", "forget"))
        sweep = Sweep(backend, Policy(grace=0, reflog=_ALWAYS, wait=wait), self._progress)
        others = self._known.keys() - self._chosen
        held = sweep.mark_all_but(self._chosen.keys(), others, [*refs, *logged], doomed)
        collected = sweep.count(dry_run=dry_run)
        found.objects, found.bytes, found.kinds = collected.objects, collected.bytes, collected.kinds
        self._say_what_stays(found, sweep.marks, held)
        if not dry_run:
            goes = sweep.marks.read(sweep.marks.by_location(marked=False))
            backend.apply(Batch(local={_DOOMED: b"".join(each.oid for each in goes if each.payload is not None)}))
            sweep.sweep()
            compaction.compact(backend, lease, wait, chosen=lambda alive: alive < 1)
        return found

    def _names(self, ref: str, oid: Oid) -> bool:
        """Say whether an entry of a log that has this oid is about one of the runs."""
        return ref.startswith(self._ids) or oid in self._chosen or self._is_tag(oid)

    def _is_tag(self, oid: Oid) -> bool:
        if oid not in self._tags:
            payload = None if self._backend.missing([oid]) else self._backend.get(oid)
            is_tag = payload is not None and kind_of(payload) == "tag"
            self._tags[oid] = is_tag and load(payload or b"", Tag).target in self._chosen
        return self._tags[oid]

    def _say_what_stays(self, found: Forgot, marks: Marks, held: bytearray) -> None:
        """Say what of the runs others hold, and who; the values, which are what somebody wrote."""
        stays = [at for at in range(len(marks)) if held[at] and marks.marked[at]]
        kinds: Counter[str] = Counter()
        values = bytearray(len(marks))
        for each in marks.read(stays):
            if each.payload is not None and kind_of(each.payload) in ("value", "blob"):
                kinds[load(each.payload, Value).type if kind_of(each.payload) == "value" else "blob"] += 1
                values[each.at] = 1
        found.shared = dict(kinds.most_common())
        others = {oid: run for oid, run in self._known.items() if oid not in self._chosen}
        found.holders = [_state(oid, others[oid]) for oid in _holders(marks, others, values)] if kinds else []
        found.dictionaries = self._backend.statistics().dictionaries
        found.quarantine = len(list(self._backend.layout.quarantine.glob("*/data.mdb")))


def _forget_that_it_was_begun(writer: Writer) -> None:
    writer.delete(LOCAL, _BEGUN.encode())
    writer.delete(LOCAL, _DOOMED.encode())


def _chosen(
    backend: LmdbBackend, known: Mapping[Oid, Run], runs: Collection[Oid], holding: Collection[Oid]
) -> dict[Oid, Run]:
    """Return all states of these runs and of those that hold something."""
    ids = {known[oid].run_id for oid in runs if oid in known}
    if holding:
        marks = Marks(backend)
        ids |= {known[oid].run_id for oid in _holders(marks, known, marks.reach(holding))}
    return {oid: run for oid, run in known.items() if run.run_id in ids}


def _holders(marks: Marks, known: Mapping[Oid, Run], held: bytearray) -> list[Oid]:
    """Return the runs that hold any of these objects themselves, not through the runs before them."""
    leading = marks.leading_to(held, below=_own)
    return [oid for oid in known if any(leading[at] for at in marks.places(oid))]


def _own(payload: bytes) -> Iterable[Oid]:
    if kind_of(payload) == "run":
        run = load(payload, Run)
        return (run.snapshot, *run.stages)
    return references_in(payload)


def _refs(backend: LmdbBackend) -> list[Oid]:
    return [oid for _, oid in backend.refs()]


def _state(oid: Oid, run: Run) -> State:
    return State(oid.hex(), run.run_id.hex(), run.name)


def _runs(backend: LmdbBackend, roots: Iterable[Oid]) -> Iterator[tuple[Oid, Run]]:
    """Yield the runs that some objects are or lead to, newest first along each line."""
    wave = list(roots)
    seen: set[Oid] = set()
    while wave:
        fresh = [oid for oid in dict.fromkeys(wave) if oid not in seen]
        seen.update(fresh)
        absent = set(backend.missing(fresh))
        wave = []
        for oid, payload in backend.get_many(oid for oid in fresh if oid not in absent):
            match kind_of(payload):
                case "run":
                    run = load(payload, Run)
                    yield oid, run
                    wave += run.parents
                case "tag":
                    wave.append(load(payload, Tag).target)


class _Plan:
    """Which refs go with runs, and which go back to an earlier run."""

    def __init__(self, backend: LmdbBackend, chosen: Mapping[Oid, Run]) -> None:
        self._backend, self._chosen = backend, chosen
        self.updates = [update for name, oid in backend.refs() if (update := self._update(name, oid)) is not None]
        gone = {update.name for update in self.updates if update.new is None}
        signatures = [name for name, _ in backend.refs(_SIGNATURES) if name.split("/", 2)[-1] in gone]
        self.updates += [RefUpdate(name, None, ANY) for name in signatures]
        self.gone = [update.name for update in self.updates if update.new is None]
        self.moved = [update.name for update in self.updates if update.new is not None]
        after = dict(backend.refs()) | {update.name: update.new for update in self.updates}
        self.after = [oid for oid in after.values() if oid is not None]

    def _update(self, name: str, oid: Oid) -> RefUpdate | None:
        ids = {run.run_id.hex() for run in self._chosen.values()}
        if name.startswith(_RUNS):
            return RefUpdate(name, None, ANY) if name.split("/")[1] in ids else None
        payload = self._backend.get(oid)
        if kind_of(payload) == "tag":
            return RefUpdate(name, None, ANY) if load(payload, Tag).target in self._chosen else None
        return RefUpdate(name, self._before(oid), ANY) if oid in self._chosen else None

    def _before(self, oid: Oid) -> Oid | None:
        """Return the newest run before one that is not forgotten and is here."""
        wave = [oid]
        while wave:
            parents = [parent for each in wave if each in self._chosen for parent in self._chosen[each].parents]
            for parent in parents:
                if parent not in self._chosen and not self._backend.missing([parent]):
                    return parent
            wave = parents
        return None


def _erect(backend: LmdbBackend, chosen: Mapping[Oid, Run], plan: _Plan, reason: str, who: str) -> None:
    """Put up a tombstone for each run id, and take the refs away; in one transaction."""
    now = time.time_ns()
    by_id: dict[bytes, list[Oid]] = {}
    for oid, run in chosen.items():
        by_id.setdefault(run.run_id, []).append(oid)
    records: list[Record] = []
    raised: list[RefUpdate] = []
    for run_id, oids in by_id.items():
        stone = Tombstone(
            runs=[oid.hex() for oid in oids],
            run_id=run_id.hex(),
            name=chosen[oids[0]].name,
            reason=reason,
            time=now,
            who=who,
        )
        payload = dump(stone.value())
        records.append((oid_of(payload), payload, ""))
        raised += raising(oids, oid_of(payload))
    updates = [*plan.updates, *raised]
    begun = {_BEGUN: b"".join(chosen)}
    backend.apply(Batch(objects=records, refs=updates, message="forget", who=who, time=now, local=begun))
