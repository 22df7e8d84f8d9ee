"""What another store lacks: a walk from the roots that stops where the other has an object, with all below it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from themis_vcs.model.objects import references_in
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import Stored
from themis_vcs.store.repository import Repository

Missing = Callable[[Iterable[Oid]], list[Oid]]
"""From oids to those of them that the other store does not have, in order."""


def lacking(source: Repository, roots: Iterable[Oid], missing: Missing) -> Iterator[Stored]:
    """Yield every object that the roots reach and the other store lacks, once, after all that it refers to.

    The children of an object are asked about together. Takes memory for one oid per object and one object per level.
    """
    seen: set[Oid] = set()

    def wanted(oids: Iterable[Oid]) -> Iterator[Stored]:
        fresh = [oid for oid in dict.fromkeys(oids) if oid not in seen]
        return source.stored(missing(fresh)) if fresh else iter(())

    stack: list[tuple[Stored | None, Iterator[Stored]]] = [(None, wanted(roots))]
    while stack:
        parent, children = stack[-1]
        child = next(children, None)
        if child is None:
            stack.pop()
            if parent is not None:
                yield parent
        elif child.frame.oid not in seen:
            seen.add(child.frame.oid)
            below = references_in(child.payload)
            if below:
                stack.append((child, wanted(below)))
            else:
                yield child
