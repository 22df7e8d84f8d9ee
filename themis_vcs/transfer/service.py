"""What a store answers to who asks over a wire. It trusts nobody, and keeps nothing in mind between two questions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import BinaryIO, Final, cast

from themis_vcs.errors import UsageError
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import Stored
from themis_vcs.store.repository import Repository
from themis_vcs.store.walk import Walk
from themis_vcs.transfer import messages
from themis_vcs.transfer.endpoint import with_references
from themis_vcs.transfer.messages import ANSWER_BYTES, Counts, Missing, Moves, Oids, Refs, Wanted
from themis_vcs.transfer.pack import MAX_BYTES
from themis_vcs.transfer.receive import receive
from themis_vcs.transfer.send import packs
from themis_vcs.transfer.store_endpoint import StoreEndpoint

_SHORT: Final = 1 << 16


class Service:
    """Answers for a repository; `writable` says whether what is sent is taken."""

    def __init__(self, repository: Repository, *, writable: bool = True) -> None:
        self._store = StoreEndpoint(repository)
        self.writable = writable

    def refs(self) -> Refs:
        """Answer `refs`."""
        return Refs(messages.FORMAT, {name: oid.hex() for name, oid in self._store.refs().items()})

    def missing(self, asked: Oids) -> Missing:
        """Answer `missing`."""
        oids = messages.from_hex(asked.oids)
        absent = set(self._store.missing(oids))
        return Missing("".join("1" if oid in absent else "0" for oid in oids))

    def objects(self, asked: Wanted) -> BinaryIO:
        """Answer `objects` by a pack. ObjectNotFound, Corrupt."""
        items: dict[Oid, Stored] = {}
        size = 0
        for item in self._store.repository.stored(dict.fromkeys(messages.from_hex(asked.oids))):
            items[item.frame.oid] = item
            size += len(item.payload)
            if size >= ANSWER_BYTES:
                break
        known = set(messages.from_hex(asked.dictionaries))
        found = {each[0]: each for each in with_references(items.values())}
        ordered = Walk(lambda oids: map(found.__getitem__, oids), lambda oids: [oid for oid in oids if oid in found])
        return next(packs(self._store, ordered.reach(items), limit=MAX_BYTES, knows=known.__contains__))

    def pack(self, stream: BinaryIO) -> Counts:
        """Answer `pack`, in a stream that can be sought. MalformedPack, MissingReference; then nothing was stored."""
        self._require_writable()
        arrival = receive(stream, self._store.repository, "the pack that was sent")
        return Counts(arrival.objects, arrival.new)

    def move(self, asked: Moves) -> dict[str, str]:
        """Answer `move`. RefConflict."""
        self._require_writable()
        self._store.move(messages.from_moves(asked), asked.message)
        return {}

    def _require_writable(self) -> None:
        if not self.writable:
            raise UsageError("this store is served for reading only")


Answerer = Callable[[Service, BinaryIO], object]
ANSWERS: Final[dict[str, Answerer]] = {
    "refs": lambda service, body: service.refs(),
    "missing": lambda service, body: service.missing(messages.decode(body.read(), Oids)),
    "objects": lambda service, body: service.objects(messages.decode(body.read(), Wanted)),
    "pack": lambda service, body: service.pack(body),
    "move": lambda service, body: service.move(messages.decode(body.read(), Moves)),
}
"""What answers each question, from a body that can be sought: by a document, or by a stream of bytes."""


def spool() -> BinaryIO:
    """Return an empty file without a name for a body; a short one is kept in memory."""
    return cast(BinaryIO, tempfile.SpooledTemporaryFile(_SHORT))
