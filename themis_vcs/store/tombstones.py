"""Which runs were forgotten: refs `tombstones/OID` say so, and values of type `tombstone` say why (STORE-41).

Not responsible for taking runs away (`forgetting`).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, Protocol

import msgspec

from themis_vcs.model.objects import Value
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import ANY, RefUpdate

TOMBSTONES: Final = "tombstones/"
TYPE: Final = "tombstone"
_OID = re.compile(r"[0-9a-f]{64}")
_REASON: Final = 200
_YEAR_9999: Final = 253_370_764_800 * 10**9


class Tombstone(msgspec.Struct, frozen=True, kw_only=True):
    """What stays of forgotten states of a run: their oids in hex, its id, and who had them forgotten, when and why."""

    runs: list[str]
    run_id: str
    name: str
    reason: str
    time: int
    who: str

    def value(self) -> Value:
        """The object that says it."""
        return Value(TYPE, msgspec.to_builtins(self))


class Refs(Protocol):
    """Has refs."""

    def refs(self, prefix: str = "") -> Iterator[tuple[str, Oid]]:
        """Yield (name, oid) of the refs whose name begins with `prefix`."""


class Stones(Refs, Protocol):
    """Has refs, and the tombstones that some of them point to."""

    def ref(self, name: str) -> Oid | None:
        """Return where a ref points, None if it does not exist."""

    def load(self, oid: Oid, kind: type[Value]) -> Value:
        """Return an object."""


class Absences:
    """What a store lacks, and what it knows to be gone for good."""

    takes_forgotten = False
    """Whether runs that were forgotten may come back."""

    def refs(self, prefix: str = "") -> Iterator[tuple[str, Oid]]:
        """Yield (name, oid) of the refs whose name begins with `prefix`, by name."""
        raise NotImplementedError

    def missing(self, oids: Iterable[Oid]) -> list[Oid]:
        """Return those that are not here, in order, each once."""
        raise NotImplementedError

    def lacking(self, oids: Iterable[Oid]) -> list[Oid]:
        """Return those that are not here and were not forgotten either, in order, each once."""
        absent = self.missing(oids)
        gone = forgotten(self) if absent and not self.takes_forgotten else ()
        return [oid for oid in absent if oid not in gone] if gone else absent

    def forgotten(self) -> set[Oid]:
        """Return the runs that were forgotten and are not here."""
        return set(self.missing(forgotten(self)))


def ref_of(run: Oid) -> str:
    """Return the ref that says that a run was forgotten."""
    return TOMBSTONES + run.hex()


def raising(runs: Iterable[Oid], tombstone: Oid) -> list[RefUpdate]:
    """Return the moves that put up a tombstone for runs. Nothing else makes such refs."""
    return [RefUpdate(ref_of(run), tombstone, ANY) for run in runs]


def forgotten(store: Refs) -> set[Oid]:
    """Return the runs that were forgotten in a store, also those that came back."""
    return named(name for name, _ in store.refs(TOMBSTONES))


def named(refs: Iterable[str]) -> set[Oid]:
    """Return the runs that some refs say were forgotten."""
    found = (name.removeprefix(TOMBSTONES) for name in refs if name.startswith(TOMBSTONES))
    return {bytes.fromhex(text) for text in found if _OID.fullmatch(text)}


def story(store: Stones, run: Oid) -> str | None:
    """Return when and why a run was forgotten, as in "on 2026-11-23: it has a secret"; None without a tombstone."""
    stone = store.ref(ref_of(run))
    return None if stone is None else told(store.load(stone, Value))


def told(stone: Value) -> str:
    """Return in a line when and why a run was forgotten, as its tombstone says; that may have come from anywhere."""
    found = said(stone)
    time, reason = found.get("time"), " ".join(str(found.get("reason") or "no reason is given").split())
    day = "a day unknown"
    if type(time) is int and 0 < time < _YEAR_9999:
        day = datetime.datetime.fromtimestamp(time // 10**9, datetime.UTC).date().isoformat()
    return f"on {day}: {reason if len(reason) <= _REASON else reason[:_REASON] + '…'}"


def called(store: Stones, beginning: str) -> dict[Oid, Oid]:
    """Return the forgotten runs whose oid, or whose run id, has this beginning, and their tombstones."""
    stones = {name: oid for name, oid in store.refs(TOMBSTONES) if named([name])}
    found = {name: oid for name, oid in stones.items() if name.startswith(TOMBSTONES + beginning)} or {
        name: oid
        for name, oid in stones.items()
        if str(said(store.load(oid, Value)).get("run_id")).startswith(beginning)
    }
    return {bytes.fromhex(name.removeprefix(TOMBSTONES)): oid for name, oid in found.items()}


def said(value: Value) -> dict[str, Any]:
    """Return what a tombstone says, as far as it is one."""
    return value.data if value.type == TYPE and isinstance(value.data, dict) else {}
