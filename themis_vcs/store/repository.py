"""The Python interface of a store: objects in and out, under the invariant that children come first.

What is put is collected and written in groups; `flush` and `commit` return when it is durable. Not responsible for how
bytes lie on a medium (the backends) nor for what a run is (the pipeline).
"""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Final, TypeVar

from themis_vcs.errors import StorageError, ThemisError
from themis_vcs.model.objects import Object, Step, Value, dump, references, references_in
from themis_vcs.model.oid import Oid, oid_of
from themis_vcs.store.backend import Backend, Batch, Foreign, Record, RefUpdate, Statistics, Stored
from themis_vcs.store.environment import WRITE_TIMEOUT
from themis_vcs.store.group import Group
from themis_vcs.store.layout import Layout
from themis_vcs.store.lease import Lease
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.memory import MemoryBackend
from themis_vcs.store.settings import Settings
from themis_vcs.store.view import ARRIVED, View

MAX_REMEMBERED: Final = 50_000
_NOTHING: Final[tuple[Oid, ...]] = ()

R = TypeVar("R", bound="Repository")


class Repository(View):
    """A store. Safe between threads; `objects_added` counts what was new since it was opened."""

    def __init__(
        self, backend: Backend, path: Path | None = None, *, readonly: bool = False, trust: str = "all"
    ) -> None:
        super().__init__(backend, trust)
        self.path = path
        self.readonly = readonly
        self.objects_added = 0
        self._buffer = RLock()
        self._writer = RLock()
        self._group = Group()
        self._leaving: Group | None = None
        self._closed = False
        self._written: set[Oid] = set()
        self._works = 0
        self._lease = ExitStack()
        self._leasing = RLock()

    @classmethod
    def open(cls, path: str | Path, readonly: bool = False, *, write_timeout: float = WRITE_TIMEOUT) -> Repository:
        """Open the store directory `path`. NoStore, FormatError, Corrupt, StorageError; ConfigurationError."""
        path = Path(path)
        backend = LmdbBackend(path, readonly=readonly, write_timeout=write_timeout)
        try:
            return cls(backend, path, readonly=readonly, trust=Settings(path).trust)
        except BaseException:
            backend.close()
            raise

    @classmethod
    def init(cls, path: str | Path) -> Repository:
        """Make a store in the directory `path`, and open it; a store that is there already is opened."""
        path = Path(path)
        return cls(LmdbBackend(path, create=True), path)

    @classmethod
    def memory(cls) -> Repository:
        """Make a store in memory."""
        return cls(MemoryBackend())

    @contextmanager
    def working(self) -> Iterator[None]:
        """Hold the store's lease: what is put or found here in the block is not deleted before its end (STORE-25).

        For everything that writes objects some time before a ref reaches them. Nests, and may be held by several
        threads. StoreBusy behind somebody who deletes and does not finish.
        """
        with self._leasing:
            if not self._works and self.path is not None and not self.readonly:
                self._lease.enter_context(Lease(Layout(self.path)).shared())
                # What was known to be here may be gone since the last time.
                self._written.clear()
            self._works += 1
        try:
            yield
        finally:
            with self._leasing:
                self._works -= 1
                if not self._works:
                    self._lease.close()

    def put(self, obj: Object) -> Oid:
        """Keep an object and return its oid. EncodingError; MissingReference at the latest when it is written."""
        payload = dump(obj)
        oid = oid_of(payload)
        if type(obj) is Value:
            self._add(oid, payload, "value:" + obj.type, _NOTHING)
        else:
            self._add(oid, payload, label_of(obj), tuple(references(obj)))
        return oid

    def put_payload(self, oid: Oid, payload: bytes, label: str, references: Sequence[Oid] | None = None) -> None:
        """Keep canonical bytes under their oid; the caller vouches for both.

        `references` are the oids that the object refers to, except those that the caller knows to be here; if None,
        they are read from the payload.
        """
        self._add(oid, payload, label, references_in(payload) if references is None else references)

    def stored(self, oids: Iterable[Oid]) -> Iterator[Stored]:
        """Yield objects as they lie in the store, in the order asked for; raises as `read` does."""
        self.flush()
        return self.backend.stored(oids)

    def take_in(
        self, derivations: Mapping[bytes, Oid], *, foreign: Sequence[Foreign] = (), objects: Sequence[Record] = ()
    ) -> int:
        """Store objects of another store, as they lay there or as payloads, durably; return how many are new.

        The caller has checked them, and that all they refer to is here or precedes them. What they derive is noted as
        having come from elsewhere; a derivation that is known here stays as it is.
        """
        self._require_writable()
        with self.working():
            self.flush()
            arrived = [key + ARRIVED for key in derivations]
            known = self.backend.derivations_for(arrived)
            found = zip(arrived, derivations.values(), known, strict=True)
            new = {key: step for key, step, old in found if old is None}
            added = self.backend.apply(Batch(foreign=foreign, objects=objects, derivations=new))
        self.objects_added += added
        return added

    def record(self, key: bytes, step: Oid) -> None:
        """Remember a step under its derivation key; it is written with the group."""
        self._require_writable()
        with self._buffer:
            full = self._group.derive(key, step)
        if full:
            self.flush()

    def flush(self) -> None:
        """Write what was put so far; when this returns it is durable. What cannot be written is kept."""
        self._write((), Batch())

    def commit(
        self,
        refs: Sequence[RefUpdate],
        *,
        message: str,
        tracks: Mapping[bytes, bytes] | None = None,
        local: Mapping[str, bytes] | None = None,
        who: str | None = None,
    ) -> None:
        """Write what was put so far and move refs, in one transaction.

        RefConflict if a ref is not where the update expects it: then nothing was written, and what was put is kept.
        `who` is for the reflog, by default user@host.
        """
        self._require_writable()
        batch = Batch(
            refs=refs,
            message=message,
            who=user_at_host() if who is None else who,
            time=time.time_ns(),
            tracks=dict(tracks or {}),
            local=dict(local or {}),
        )
        self._write([update.new for update in refs if update.new is not None], batch)

    def derivations_for(self, keys: Sequence[bytes]) -> list[Oid | None]:
        with self._buffer:
            ahead = dict(self._leaving.derivations) if self._leaving is not None else {}
            ahead.update(self._group.derivations)
        if not ahead:
            return super().derivations_for(keys)
        found = super().derivations_for(keys)
        return [ahead.get(key, old) for key, old in zip(keys, found, strict=True)]

    def snapshot(self, path: str | Path) -> None:
        """Write a consistent compact copy as a new store at `path`."""
        if not self.readonly:
            self.flush()
        self.backend.snapshot(Path(path))

    def statistics(self) -> Statistics:
        """Count what is written."""
        return self.backend.statistics()

    def close(self) -> None:
        """Write what was put, and give the store back."""
        if self._closed:
            return
        try:
            self.flush()
        finally:
            self._closed = True
            self.backend.close()

    def __enter__(self: R) -> R:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            # The first failure is the one to report.
            with suppress(ThemisError):
                self.close()

    def _add(self, oid: Oid, payload: bytes, label: str, references: Sequence[Oid]) -> None:
        if self.readonly or self._closed:
            self._require_writable()
        with self._buffer:
            full = self._group.add(oid, payload, label, references)
        if full:
            self.flush()

    def _write(self, targets: Sequence[Oid], batch: Batch) -> None:
        with self._writer:
            with self._buffer:
                group, self._group, self._leaving = self._group, Group(), self._group
            try:
                if group or batch.refs or batch.tracks or batch.local:
                    with self.working():
                        group.check(self._missing, targets)
                        batch.objects = list(group.entries.values())
                        batch.derivations = group.derivations
                        self.objects_added += self.backend.apply(batch)
                        self._remember(group.entries)
            except BaseException:
                with self._buffer:
                    group.extend(self._group)
                    self._group = group
                raise
            finally:
                self._leaving = None

    def _missing(self, oids: Iterable[Oid]) -> list[Oid]:
        absent = self.backend.missing([oid for oid in oids if oid not in self._written])
        return self.lacking(absent) if absent else absent

    def _remember(self, oids: Collection[Oid]) -> None:
        """Spare the look-up of what was written a moment ago, which most new objects refer to."""
        if len(self._written) + len(oids) > MAX_REMEMBERED:
            self._written.clear()
        self._written.update(oids)

    def _unwritten(self, oid: Oid) -> bytes | None:
        entry = self._group.entries.get(oid)
        if entry is None:
            leaving = self._leaving
            entry = leaving.entries.get(oid) if leaving is not None else None
        return None if entry is None else entry[1]

    def _require_writable(self) -> None:
        if self._closed:
            raise StorageError("this store is closed")
        if self.readonly:
            raise StorageError(f"{self.path} is open for reading only", hint="open it without readonly=True")


def label_of(obj: Object) -> str:
    """Return the class of objects that resemble this one, which share a dictionary."""
    if isinstance(obj, Value):
        return f"value:{obj.type}"
    if isinstance(obj, Step):
        return f"step:{obj.stage}"
    return type(obj).__name__.lower()


def user_at_host() -> str:
    """Return who this process belongs to, as the reflog names them."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"uid-{os.getuid()}"
    return f"{user}@{os.uname().nodename}"
