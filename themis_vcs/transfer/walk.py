"""What another store lacks: a walk from the roots that stops where the other has an object, with all below it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from themis_vcs.model.objects import references_in
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import Stored
from themis_vcs.store.repository import Repository
from themis_vcs.store.walk import children_first

Missing = Callable[[Iterable[Oid]], list[Oid]]
"""From oids to those of them that the other store does not have, in order."""


def lacking(source: Repository, roots: Iterable[Oid], missing: Missing) -> Iterator[Stored]:
    """Yield every object that the roots reach and the other store lacks, once, after all that it refers to.

    The children of an object are asked about together.
    """

    def fetch(oids: list[Oid]) -> Iterator[tuple[Oid, Stored]]:
        return ((found.frame.oid, found) for found in source.stored(missing(oids)))

    return (found for _, found in children_first(roots, fetch, lambda found: references_in(found.payload)))
