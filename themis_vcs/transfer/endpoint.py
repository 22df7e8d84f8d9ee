"""What objects and refs are brought from and to: a store here, one at the end of a wire, a bucket, a bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from themis_vcs.errors import UsageError
from themis_vcs.model import refname
from themis_vcs.model.objects import references, references_in
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import RefUpdate, Stored
from themis_vcs.store.tombstones import TOMBSTONES

NAMED: Final = ("names/", "tags/")
"""The refs that people name when they send something."""
ATTACHED: Final = ("signatures/", TOMBSTONES, "store/")
"""The refs that say something about others, about runs that were forgotten, or about the store, and go along."""
SHARED: Final = (*NAMED, *ATTACHED)
"""The refs that travel. Those of runs are made anew where a run arrives; those of remotes concern nobody else."""


def check_shared(updates: Sequence[RefUpdate], prefixes: tuple[str, ...] = SHARED) -> None:
    """UsageError for a ref that cannot be moved from outside."""
    for update in updates:
        refname.check(update.name)
        if not update.name.startswith(prefixes):
            raise UsageError(f"ref {update.name} is not one that can be sent", hint=f"those of {', '.join(SHARED)} are")


class Transferred(NamedTuple):
    """What went over: objects that were not there, and bytes: of packs on a wire, else of frames."""

    objects: int = 0
    size: int = 0

    def __add__(self, other: object) -> Transferred:
        if not isinstance(other, Transferred):
            return NotImplemented
        return Transferred(self.objects + other.objects, self.size + other.size)


Progress = Callable[[Transferred], object]
"""Is told from time to time what went over so far."""


class Source(Protocol):
    """Where objects come from. What it gives has been checked: each payload hashes to its oid and is canonical."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def refs(self) -> dict[str, Oid]:
        """Return the refs that travel, in one round trip."""

    def objects(self, oids: Sequence[Oid]) -> Iterator[Stored]:
        """Yield these objects, in any order. Corrupt, RemoteError if it cannot give one of them."""

    def dictionary(self, oid: Oid) -> bytes:
        """Return the payload of a dictionary that the frame of an object needs that came from here."""

    def close(self) -> None:
        """Give back what it holds."""


class Holder(Protocol):
    """Who may have objects already, each only with all that it refers to."""

    def missing(self, oids: Sequence[Oid]) -> list[Oid]:
        """Return those that are not here, in order."""


class Target(Holder, Protocol):
    """Where objects go."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def refs(self) -> dict[str, Oid]:
        """Return the refs that travel, in one round trip."""

    def take(self, items: Iterable[Stored], source: Source, progress: Progress | None = None) -> Transferred:
        """Store objects that each come after all that they refer to. What was stored before a failure stays."""

    def move(self, updates: Sequence[RefUpdate], message: str) -> None:
        """Move refs, all or none, whose objects are here. RefConflict; WrongKind if a ref cannot point to such."""

    def close(self) -> None:
        """Give back what it holds."""


class Endpoint(Source, Target, Protocol):
    """Both."""


def with_references(items: Iterable[Stored]) -> Iterator[tuple[Oid, Sequence[Oid], Stored]]:
    """Yield objects as a walk wants them: the oid of each, and the oids that it refers to."""
    for item in items:
        found = references_in(item.payload) if item.object is None else list(references(item.object))
        yield item.frame.oid, found, item
