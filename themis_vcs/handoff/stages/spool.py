"""Objects that were checked, kept in a file until all of a bundle is, and then put into a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec
from msgspec import Struct

from themis_vcs.model import tree
from themis_vcs.model.derivation import key_of
from themis_vcs.model.objects import Step
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import Record
from themis_vcs.store.group import MAX_BYTES, MAX_OBJECTS
from themis_vcs.store.repository import Repository

_LENGTH_BYTES = 8


class _Chunk(Struct, array_like=True):
    """Objects that enter a store together, and the steps among them that gave a value, by derivation key."""

    records: list[Record] = []
    derivations: dict[bytes, Oid] = {}


class Spool:
    """The sink of a bundle on its way into a store."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._chunk = _Chunk()
        self._bytes = 0
        self.keep(*tree.EMPTY, "tree")

    def keep(self, oid: Oid, payload: bytes, label: str) -> None:
        records = self._chunk.records
        records.append((oid, payload, label))
        self._bytes += len(payload)
        if len(records) >= MAX_OBJECTS or self._bytes >= MAX_BYTES:
            self._write()

    def tree(self, entries: Iterable[tuple[str, Oid]]) -> Oid:
        built = tree.build(entries)
        for oid, payload in built.nodes.items():
            self.keep(oid, payload, "tree")
        return built.root

    def step(self, oid: Oid, payload: bytes, step: Step) -> None:
        if step.value is not None:
            self._chunk.derivations[key_of(step)] = oid
        self.keep(oid, payload, f"step:{step.stage}")

    def pour(self, repository: Repository) -> None:
        """Put everything into a store. What steps derive is noted as having come from elsewhere."""
        for chunk in self._chunks():
            repository.take_in(chunk.derivations, objects=chunk.records)

    def _write(self) -> None:
        data = msgspec.msgpack.encode(self._chunk)
        self._file.write(len(data).to_bytes(_LENGTH_BYTES, "big"))
        self._file.write(data)
        self._chunk, self._bytes = _Chunk(), 0

    def _chunks(self) -> Iterator[_Chunk]:
        decode = msgspec.msgpack.Decoder(_Chunk).decode
        self._write()
        self._file.seek(0)
        while head := self._file.read(_LENGTH_BYTES):
            yield decode(self._file.read(int.from_bytes(head, "big")))
