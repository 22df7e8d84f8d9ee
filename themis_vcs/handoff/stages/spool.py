"""Objects that were checked, kept in a file until all of a bundle is, and then put into a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, TypeAlias

import msgspec

from themis_vcs.model import tree
from themis_vcs.model.derivation import key_of
from themis_vcs.model.objects import Step
from themis_vcs.model.oid import Oid
from themis_vcs.store.repository import Repository
from themis_vcs.store.view import ARRIVED

_CHUNK = 1_000
_CHUNK_BYTES = 4 << 20
_LENGTH_BYTES = 8

Entry: TypeAlias = tuple[Oid, bytes, str, bytes | None]
"""An object: oid, payload, label, and the derivation key of a step that gave a value."""


class Spool:
    """The sink of a bundle on its way into a store."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._chunk: list[Entry] = []
        self._bytes = 0
        self.keep(*tree.EMPTY, "tree")

    def keep(self, oid: Oid, payload: bytes, label: str) -> None:
        self._add((oid, payload, label, None))

    def tree(self, entries: Iterable[tuple[str, Oid]]) -> Oid:
        built = tree.build(entries)
        for oid, payload in built.nodes.items():
            self._add((oid, payload, "tree", None))
        return built.root

    def step(self, oid: Oid, payload: bytes, step: Step) -> None:
        derivation = None if step.value is None else key_of(step)
        self._add((oid, payload, f"step:{step.stage}", derivation))

    def pour(self, repository: Repository) -> None:
        """Put everything into a store. What steps derive is noted as having come from elsewhere."""
        for chunk in self._chunks():
            for oid, payload, label, _ in chunk:
                repository.put_payload(oid, payload, label, ())  # what it refers to was put before it
            derived = {derivation + ARRIVED: oid for oid, _, _, derivation in chunk if derivation is not None}
            known = repository.backend.derivations_for(list(derived))
            for (key, oid), old in zip(derived.items(), known, strict=True):
                if old is None:
                    repository.record(key, oid)

    def _add(self, entry: Entry) -> None:
        self._chunk.append(entry)
        self._bytes += len(entry[1])
        if len(self._chunk) >= _CHUNK or self._bytes >= _CHUNK_BYTES:
            self._write()

    def _write(self) -> None:
        data = msgspec.msgpack.encode(self._chunk)
        self._file.write(len(data).to_bytes(_LENGTH_BYTES, "big"))
        self._file.write(data)
        self._chunk, self._bytes = [], 0

    def _chunks(self) -> Iterator[list[Entry]]:
        decode = msgspec.msgpack.Decoder(list[Entry]).decode
        self._write()
        self._file.seek(0)
        while head := self._file.read(_LENGTH_BYTES):
            yield decode(self._file.read(int.from_bytes(head, "big")))
