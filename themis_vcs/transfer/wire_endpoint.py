"""A store at the other end of a wire as an endpoint. What comes from there is checked before it is passed on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, Final, Protocol, TypeVar

from themis_vcs.errors import FormatError, RemoteError, UsageError
from themis_vcs.model.objects import Dictionary
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import RefUpdate, Stored
from themis_vcs.store.objects import steps
from themis_vcs.transfer import messages
from themis_vcs.transfer.endpoint import SHARED, Progress, Source, Transferred, check_shared
from themis_vcs.transfer.messages import ANSWER_BYTES, Counts, Missing, Oids, Refs, Wanted
from themis_vcs.transfer.send import FIRST_BYTES, PACK_BYTES, packs
from themis_vcs.transfer.unpack import PackReader

MAX_DICTIONARIES: Final = 64 << 20
"""In bytes, of all that one conversation may bring."""
T = TypeVar("T")


class Wire(Protocol):
    """One conversation with a store elsewhere, in which several threads may ask. What fails there is raised here
    (`messages.raised`).
    """

    name: str

    def ask(self, question: str, document: object | None, kind: type[T]) -> T:
        """Ask with a document, or with nothing, and return the document of the answer."""

    def fetch(self, question: str, document: object) -> BinaryIO:
        """Ask with a document and return the bytes of the answer, to be read to the end before the next question."""

    def send(self, question: str, data: BinaryIO, kind: type[T]) -> T:
        """Ask with bytes and return the document of the answer."""

    def close(self) -> None:
        """End the conversation."""


class WireEndpoint:
    """The store that a wire leads to. What is sent goes in packs of about `pack_bytes`."""

    def __init__(self, wire: Wire, *, pack_bytes: int = PACK_BYTES) -> None:
        self._wire, self._pack_bytes = wire, pack_bytes
        self._dictionaries: dict[Oid, bytes] = {}
        self._known_there: set[Oid] = set()
        self._carried: set[Oid] = set()
        self.name = wire.name

    def refs(self) -> dict[str, Oid]:
        answer = self._wire.ask("refs", None, Refs)
        if answer.format != messages.FORMAT:
            raise FormatError(
                f"{self.name} speaks version {answer.format} of the wire", hint="install a newer themis-vcs"
            )
        found = {name: bytes.fromhex(oid) for name, oid in answer.refs.items() if name.startswith(SHARED)}
        try:
            check_shared([RefUpdate(name, None) for name in found])
        except UsageError as error:
            raise RemoteError(f"{self.name} has a ref that cannot be one: {error.message}") from error
        return found

    def missing(self, oids: Sequence[Oid]) -> list[Oid]:
        result: list[Oid] = []
        for some in steps(dict.fromkeys(oids), messages.MAX_OIDS):
            flags = self._wire.ask("missing", Oids(messages.to_hex(some)), Missing).missing
            if len(flags) != len(some):
                raise RemoteError(f"{self.name} answers about {len(flags):,} objects, not about {len(some):,}")
            result += [oid for oid, flag in zip(some, flags, strict=True) if flag == "1"]
        return result

    def objects(self, oids: Sequence[Oid]) -> Iterator[Stored]:
        wanted = dict.fromkeys(oids)
        while wanted:
            some = list(wanted)[: messages.MAX_OIDS]
            found = [item for item in self._received(some) if item.frame.oid in wanted]
            if not found:
                raise RemoteError(f"{self.name} did not give object {some[0].hex()}", hint="run `themis fsck` there")
            for item in found:
                del wanted[item.frame.oid]
                yield item

    def dictionary(self, oid: Oid) -> bytes:
        return self._dictionaries[oid]

    def take(self, items: Iterable[Stored], source: Source, progress: Progress | None = None) -> Transferred:
        sent = Transferred()
        under_way: Future[Transferred] | None = None
        # While one pack is on its way and stored there, the next one is made here.
        with ThreadPoolExecutor(1) as sender:
            for pack in packs(source, items, limit=self._pack_bytes, first=FIRST_BYTES, knows=self._knows):
                if under_way is not None:
                    sent += under_way.result()
                    self._note_arrived()
                    if progress is not None:
                        progress(sent)
                under_way = sender.submit(self._sent, pack)
        return sent if under_way is None else sent + under_way.result()

    def _sent(self, pack: BinaryIO) -> Transferred:
        size = pack.seek(0, os.SEEK_END)
        pack.seek(0)
        return Transferred(self._wire.send("pack", pack, Counts).objects, size)

    def move(self, updates: Sequence[RefUpdate], message: str) -> None:
        check_shared(updates)
        self._wire.ask("move", messages.to_moves(updates, message), dict[str, str])

    def close(self) -> None:
        self._wire.close()

    def _received(self, oids: list[Oid]) -> list[Stored]:
        asked = Wanted(messages.to_hex(oids), messages.to_hex(self._dictionaries))
        reader = PackReader(self._wire.fetch("objects", asked), f"{self.name}, answer", self._dictionaries.get)
        items: list[Stored] = []
        size = 0
        for item in reader:
            if isinstance(item.object, Dictionary):
                self._dictionaries[item.frame.oid] = item.payload
            elif size >= ANSWER_BYTES:
                raise RemoteError(f"{self.name} answers with more objects than fit in an answer")
            else:
                items.append(item)
                size += len(item.payload)
        if sum(map(len, self._dictionaries.values())) > MAX_DICTIONARIES:
            raise RemoteError(f"{self.name} has over {MAX_DICTIONARIES:,} bytes of dictionaries")
        return items

    def _knows(self, dictionary: Oid) -> bool:
        """Say whether a dictionary is known to be there. One that is on its way is not, and comes once more: to ask
        would take as long as the pack that it is in.
        """
        if dictionary in self._known_there:
            return True
        if dictionary in self._carried or self.missing([dictionary]):
            self._carried.add(dictionary)
            return False
        self._known_there.add(dictionary)
        return True

    def _note_arrived(self) -> None:
        """Find out which of the dictionaries that were on their way are there."""
        if self._carried:
            absent = self.missing(list(self._carried))
            self._known_there.update(self._carried.difference(absent))
            self._carried = set(absent)
