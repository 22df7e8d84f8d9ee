"""The store in memory: the reference for what the protocol means, and a place for runs that need not last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from threading import RLock

import zstandard

from themis_vcs.errors import Corrupt, ObjectNotFound, StorageError, UsageError
from themis_vcs.model.oid import Oid, oid_of
from themis_vcs.store.backend import Batch, ReflogEntry, Statistics, Stored
from themis_vcs.store.dictionaries import loaded
from themis_vcs.store.frames import compress, payload_of
from themis_vcs.store.refs import moves_of


def _dictionary(payload: bytes | None, number: int) -> zstandard.ZstdCompressionDict:
    if payload is None:
        raise Corrupt(f"dictionary {number}, which a frame needs, did not come with it")
    return loaded(payload)


class MemoryObjects:
    """Objects in a dictionary. One lock makes each call atomic."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._objects: dict[Oid, bytes] = {}
        self._closed = False

    def get(self, oid: Oid) -> bytes:
        with self._open():
            payload = self._objects.get(oid)
        if payload is None:
            raise ObjectNotFound(oid)
        if oid_of(payload) != oid:
            raise Corrupt(f"object {oid.hex()} does not hash to its name", oid=oid)
        return payload

    def get_many(self, oids: Iterable[Oid]) -> Iterator[tuple[Oid, bytes]]:
        return ((oid, self.get(oid)) for oid in oids)

    def everything(self) -> Iterator[tuple[Oid, bytes]]:
        with self._open():
            oids = list(self._objects)
        return self.get_many(oids)

    def stored(self, oids: Iterable[Oid]) -> Iterator[Stored]:
        return (Stored(compress([oid], [payload])[0], None, payload) for oid, payload in self.get_many(oids))

    def has(self, oid: Oid) -> bool:
        with self._open():
            return oid in self._objects

    def missing(self, oids: Iterable[Oid]) -> list[Oid]:
        with self._open():
            return [oid for oid in dict.fromkeys(oids) if oid not in self._objects]

    def oids(self, prefix: bytes = b"") -> Iterator[Oid]:
        with self._open():
            return iter(sorted(oid for oid in self._objects if oid.startswith(prefix)))

    def _open(self) -> RLock:
        if self._closed:
            raise StorageError("this store is closed")
        return self._lock


class MemoryBackend(MemoryObjects):
    """A backend in dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self._derivations: dict[bytes, Oid] = {}
        self._tracks: dict[bytes, bytes] = {}
        self._local: dict[str, bytes] = {}
        self._refs: dict[str, Oid] = {}
        self._reflog: dict[str, list[ReflogEntry]] = {}

    def apply(self, batch: Batch) -> int:
        with self._open():
            moves = moves_of(batch.refs, self._refs.get)
            before = len(self._objects)
            for oid, payload, _ in batch.objects:
                self._objects.setdefault(oid, bytes(payload))
            for each in batch.foreign:
                frame, dictionary = each.frame, each.dictionary
                if frame.oid not in self._objects:
                    self._objects[frame.oid] = payload_of(frame, partial(_dictionary, dictionary))
            self._derivations.update(batch.derivations)
            self._tracks.update(batch.tracks)
            self._local.update(batch.local)
            for update, old in moves:
                if update.new is None:
                    del self._refs[update.name]
                else:
                    self._refs[update.name] = update.new
                move = ReflogEntry(old, update.new, batch.time, batch.who, batch.message)
                self._reflog.setdefault(update.name, []).append(move)
            return len(self._objects) - before

    def derivation(self, key: bytes) -> Oid | None:
        with self._open():
            return self._derivations.get(key)

    def derivations_for(self, keys: Sequence[bytes]) -> list[Oid | None]:
        with self._open():
            return [self._derivations.get(key) for key in keys]

    def derivations(self) -> Iterator[tuple[bytes, Oid]]:
        with self._open():
            return iter(sorted(self._derivations.items()))

    def track(self, key: bytes) -> bytes | None:
        with self._open():
            return self._tracks.get(key)

    def tracks(self) -> Iterator[tuple[bytes, bytes]]:
        with self._open():
            return iter(sorted(self._tracks.items()))

    def local(self, key: str) -> bytes | None:
        with self._open():
            return self._local.get(key)

    def facts(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        with self._open():
            return iter(sorted((name, fact) for name, fact in self._local.items() if name.startswith(prefix)))

    def ref(self, name: str) -> Oid | None:
        with self._open():
            return self._refs.get(name)

    def refs(self, prefix: str = "") -> Iterator[tuple[str, Oid]]:
        with self._open():
            return iter(sorted((name, oid) for name, oid in self._refs.items() if name.startswith(prefix)))

    def reflog(self, name: str) -> list[ReflogEntry]:
        with self._open():
            return self._reflog.get(name, [])[::-1]

    def snapshot(self, path: Path) -> None:
        raise UsageError(f"a store in memory cannot be copied to {path}", hint="transfer its refs to a store on disk")

    def statistics(self) -> Statistics:
        with self._open():
            return Statistics(
                objects=len(self._objects),
                refs=len(self._refs),
                derivations=len(self._derivations),
                tracks=len(self._tracks),
                dictionaries=0,
                segments=0,
                file_bytes=0,
                free_bytes=0,
            )

    def close(self) -> None:
        self._closed = True
