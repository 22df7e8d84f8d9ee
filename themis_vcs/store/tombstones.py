"""Which runs were forgotten here: refs `tombstones/OID` say so (REF-14), whether or not the run is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from themis_vcs.model.oid import Oid

TOMBSTONES: Final = "tombstones/"


class Refs(Protocol):
    """Has refs."""

    def refs(self, prefix: str = "") -> Iterator[tuple[str, Oid]]:
        """Yield (name, oid) of the refs whose name begins with `prefix`."""


def forgotten(store: Refs) -> set[Oid]:
    """Return the runs that were forgotten in a store."""
    return named(name for name, _ in store.refs(TOMBSTONES))


def named(refs: Iterable[str]) -> set[Oid]:
    """Return the runs that some refs say were forgotten."""
    found = (name.removeprefix(TOMBSTONES) for name in refs if name.startswith(TOMBSTONES))
    return {bytes.fromhex(text) for text in found if len(text) == 64 and not set(text) - set("0123456789abcdef")}
