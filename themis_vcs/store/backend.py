"""The storage protocol: what every backend promises. Memory is the reference, LMDB the one that lasts.

A backend keeps payloads under their oid, moves refs, and remembers indexes. It does not know what an object means,
does not encode, and does not check references: that is the repository's part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from themis_vcs.model.objects import Object
from themis_vcs.model.oid import Oid
from themis_vcs.store.frames import Frame


class Anything:
    """The type of ANY: the value of a ref is not compared."""

    def __repr__(self) -> str:
        return "ANY"


ANY: Final = Anything()


class RefUpdate(NamedTuple):
    """Move `name` from `expected` to `new`; None means absent, ANY that the old value does not matter."""

    name: str
    new: Oid | None
    expected: Oid | Anything | None = ANY


class Entry(NamedTuple):
    """An object to store. `label` says which payloads resemble it, so that they can share a dictionary; "" for none."""

    oid: Oid
    payload: bytes
    label: str = ""


Record: TypeAlias = tuple[Oid, bytes, str]
"""An Entry, or a plain tuple of the same: to make a NamedTuple takes as long as to look its oid up."""


class Stored(Struct, frozen=True, gc=False):
    """An object as it lies in a store: its frame, and the oid of the dictionary that the frame needs.

    The payload hashes to the oid. `object` is there if the payload has been decoded and found canonical already.
    """

    frame: Frame
    dictionary: Oid | None
    payload: bytes
    object: Object | None = None


class Foreign(Struct, frozen=True, gc=False):
    """An object as it lay in another store, checked. `dictionary` is the dictionary object that the frame needs."""

    frame: Frame
    dictionary: bytes | None = None


class ReflogEntry(NamedTuple):
    """One move of a ref. `time` in ns since the epoch."""

    old: Oid | None
    new: Oid | None
    time: int
    who: str
    message: str


@dataclass
class Batch:
    """What enters a store in one step. `foreign` objects are kept as they are, with their dictionaries.

    `derivations` map a derivation key to the oid of a step, `tracks` a track key to any bytes, `local` a name to a
    fact about this store that never travels. `message`, `who` and `time` (ns since the epoch) go to the reflog.
    """

    objects: Sequence[Record] = ()
    foreign: Sequence[Foreign] = ()
    derivations: dict[bytes, Oid] = field(default_factory=dict)
    tracks: dict[bytes, bytes] = field(default_factory=dict)
    refs: Sequence[RefUpdate] = ()
    message: str = ""
    who: str = ""
    time: int = 0
    local: dict[str, bytes] = field(default_factory=dict)


class Statistics(NamedTuple):
    """What a store holds. Bytes are bytes on disk; 0 where nothing is on disk."""

    objects: int
    refs: int
    derivations: int
    tracks: int
    dictionaries: int
    segments: int
    file_bytes: int
    free_bytes: int


class Objects(Protocol):
    """The objects of a backend, to read."""

    def get(self, oid: Oid) -> bytes:
        """Return the payload, verified against the oid. ObjectNotFound; Corrupt with the oid."""

    def get_many(self, oids: Iterable[Oid]) -> Iterator[tuple[Oid, bytes]]:
        """Yield (oid, payload) in the order asked for, verified; raises as `get` does, at the first that fails."""

    def everything(self) -> Iterator[tuple[Oid, bytes]]:
        """Yield every object with its payload, verified, in the order in which they lie in the store."""

    def stored(self, oids: Iterable[Oid]) -> Iterator[Stored]:
        """Yield objects as they lie, in the order asked for, verified; raises as `get_many` does."""

    def has(self, oid: Oid) -> bool:
        """Say whether the object is here. An object that was found damaged is not."""

    def missing(self, oids: Iterable[Oid]) -> list[Oid]:
        """Return those that are not here, in order, each once."""

    def oids(self, prefix: bytes = b"") -> Iterator[Oid]:
        """Yield the oids that begin with `prefix`, ascending, as they are written; only reading verifies them."""


class Backend(Objects, Protocol):
    """A place for objects, refs and indexes.

    Safe to use from several threads and, if it is on disk, from several processes. Iterators take their rows in
    steps, so a store may change underneath: what was there throughout is yielded once, the rest may or may not be.
    Every call raises StorageError when the medium fails, Corrupt when stored bytes are not what they must be.
    """

    def apply(self, batch: Batch) -> int:
        """Store a batch, atomically and durably; return how many of its objects were new.

        All expected refs are compared first: RefConflict means that nothing was applied. A ref that already has its
        new value counts as moved and gets no reflog entry. The caller vouches for the oids and for the invariant that
        everything an object refers to is in the store or in the batch. StoreBusy if another writer does not finish.
        """

    def derivation(self, key: bytes) -> Oid | None:
        """Return the step recorded for a derivation key."""

    def derivations_for(self, keys: Sequence[bytes]) -> list[Oid | None]:
        """Return the steps recorded for several keys, in order."""

    def derivations(self) -> Iterator[tuple[bytes, Oid]]:
        """Yield all (key, step), by key."""

    def track(self, key: bytes) -> bytes | None:
        """Return what was recorded for a track key."""

    def tracks(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield all (key, value), by key."""

    def local(self, key: str) -> bytes | None:
        """Return a fact about this store."""

    def facts(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """Yield (name, fact) of the facts about this store whose name begins with `prefix`, by name."""

    def ref(self, name: str) -> Oid | None:
        """Return where a ref points, None if there is none of that name."""

    def refs(self, prefix: str = "") -> Iterator[tuple[str, Oid]]:
        """Yield (name, oid) of the refs whose name begins with `prefix`, by name."""

    def reflog(self, name: str) -> list[ReflogEntry]:
        """Return the moves of a ref, newest first; empty if it never moved."""

    def snapshot(self, path: Path) -> None:
        """Write a consistent compact copy of the store as a new store at `path`, which must not exist."""

    def statistics(self) -> Statistics:
        """Count what is here."""

    def close(self) -> None:
        """Give the store back; further calls raise StorageError. Closing twice is allowed."""
