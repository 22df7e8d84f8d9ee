"""What can be asked of a store: typed objects, what they reach, refs, indexes. Nothing is written here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from themis_vcs.errors import Corrupt, ObjectNotFound, RevisionNotFound
from themis_vcs.model.objects import Object, load, references
from themis_vcs.model.oid import Oid, is_prefix
from themis_vcs.store.backend import Backend, ReflogEntry
from themis_vcs.store.tombstones import Absences
from themis_vcs.store.walk import Walk

T = TypeVar("T", bound=msgspec.Struct)
R = TypeVar("R")
ARRIVED: Final = b"\x01"
"""Follows the derivation key of a step that came from elsewhere."""
VOUCHED: Final = "vouched:"
"""Begins the local facts that say for the steps of which run it is noted that a key vouches."""
_CANDIDATES: Final = 8


class View(Absences):
    """Reads of a store, through what is not written yet.

    `trust` says whose results are reused: "all"; "local", what was computed here; "signed", also what one of
    `vouchers` vouches for, which are what follows the derivation keys of such steps. Without any it is as "local".
    """

    def __init__(self, backend: Backend, trust: str = "all") -> None:
        self.backend = backend
        self.trust = trust
        self.vouchers: tuple[bytes, ...] = ()

    def read(self, oid: Oid) -> bytes:
        """Return the payload of an object that something refers to; Corrupt if it is damaged or absent."""
        payload = self._unwritten(oid)
        if payload is not None:
            return payload
        try:
            return self.backend.get(oid)
        except ObjectNotFound as error:
            raise _lost(oid) from error

    def read_many(self, oids: Iterable[Oid]) -> Iterator[tuple[Oid, bytes]]:
        """Yield (oid, payload) in the order asked for; raises as `read` does, at the first that fails."""
        stored: list[Oid] = []
        ahead: dict[Oid, bytes] = {}
        wanted = list(oids)
        for oid in wanted:
            payload = self._unwritten(oid)
            if payload is None:
                stored.append(oid)
            else:
                ahead[oid] = payload
        found = self.backend.get_many(stored)
        for oid in wanted:
            if oid in ahead:
                yield oid, ahead[oid]
                continue
            try:
                yield next(found)
            except ObjectNotFound as error:
                raise _lost(oid) from error

    def load(self, oid: Oid, kind: type[T]) -> T:
        """Return the object that a ref or an object names, of the kind that is expected there.

        Corrupt (WrongKind, DecodingError) if it is damaged, absent or of another kind.
        """
        return _named(oid, lambda: load(self.read(oid), kind))  # type: ignore[type-var]

    def get(self, oid: Oid) -> Object:
        """Return the object that a person named; ObjectNotFound if it is not here."""
        payload = self._unwritten(oid)
        found = self.backend.get(oid) if payload is None else payload
        return _named(oid, lambda: load(found))

    def has(self, oid: Oid) -> bool:
        """Say whether the object is here."""
        return self._unwritten(oid) is not None or self.backend.has(oid)

    def missing(self, oids: Iterable[Oid]) -> list[Oid]:
        """Return those that are not here, in order, each once."""
        return self.backend.missing(oid for oid in oids if self._unwritten(oid) is None)

    def walk(self, roots: Iterable[Oid], skip: Callable[[Oid], bool] | None = None) -> Iterator[tuple[Oid, Object]]:
        """Yield what the roots reach, each object once and after all that it refers to.

        Objects for which `skip` says so are left out, with what only they reach. Corrupt where a reference leads to
        nothing. Takes memory for one oid per object, and for some thousand objects per level.
        """

        def fetch(oids: Sequence[Oid]) -> Iterator[tuple[Oid, list[Oid], tuple[Oid, Object]]]:
            for oid, payload in self.read_many(oids):
                obj = load(payload)
                yield oid, list(references(obj)), (oid, obj)

        gone = self.forgotten()

        def wanted(oids: Sequence[Oid]) -> list[Oid]:
            return [oid for oid in oids if oid not in gone and not (skip and skip(oid))]

        return Walk(fetch, wanted).reach(roots)

    def ref(self, name: str) -> Oid | None:
        """Return where a ref points, None if there is none of that name."""
        return self.backend.ref(name)

    def refs(self, prefix: str = "") -> Iterator[tuple[str, Oid]]:
        """Yield (name, oid) of the refs whose name begins with `prefix`, by name."""
        return self.backend.refs(prefix)

    def reflog(self, name: str) -> list[ReflogEntry]:
        """Return the moves of a ref, newest first."""
        return self.backend.reflog(name)

    def derivation(self, key: bytes) -> Oid | None:
        """Return the step recorded for a derivation key."""
        return self.derivations_for([key])[0]

    def derivations_for(self, keys: Sequence[bytes]) -> list[Oid | None]:
        """Return the steps recorded for several keys, in order; those from elsewhere only if they are trusted."""
        found = self.backend.derivations_for(keys)
        endings = {"all": (ARRIVED,), "signed": self.vouchers}.get(self.trust, ())
        for ending in endings:
            if None not in found:
                break
            absent = [key + ending for key, step in zip(keys, found, strict=True) if step is None]
            arrived = iter(self.backend.derivations_for(absent))
            found = [next(arrived) if step is None else step for step in found]
        return found

    def track(self, key: bytes) -> bytes | None:
        """Return what was recorded for a track key."""
        return self.backend.track(key)

    def local(self, key: str) -> bytes | None:
        """Return a fact about this store that never travels."""
        return self.backend.local(key)

    def resolve_prefix(self, text: str) -> Oid:
        """Return the one object whose oid begins with these 4 to 64 hexadecimal digits; RevisionNotFound."""
        found: list[Oid] = []
        if is_prefix(text):
            for oid in self.backend.oids(bytes.fromhex(text[: len(text) // 2 * 2])):
                if oid.hex().startswith(text):
                    found.append(oid)
                if len(found) > _CANDIDATES:
                    break
        if len(found) == 1:
            return found[0]
        if not found:
            raise RevisionNotFound(f"no object begins with {text[:64]!r}")
        lines = [f"{oid.hex()[: len(text) + 8]} {type(self.get(oid)).__name__.lower()}" for oid in found]
        more = "\n  …" if len(found) > _CANDIDATES else ""
        raise RevisionNotFound(
            f"{text} is ambiguous:\n  " + "\n  ".join(lines[:_CANDIDATES]) + more, hint="give more digits"
        )

    def _unwritten(self, oid: Oid) -> bytes | None:
        return None


def _lost(oid: Oid) -> Corrupt:
    return Corrupt(f"object {oid.hex()} is missing, and something refers to it", oid=oid)


def _named(oid: Oid, decode: Callable[[], R]) -> R:
    try:
        return decode()
    except Corrupt as error:
        error.oid = error.oid or oid
        raise
