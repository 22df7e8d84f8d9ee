"""Objects that were checked, kept in a file until all of a bundle is, and then put into a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO

import msgspec

from themis_vcs.model import tree
from themis_vcs.model.derivation import key_of
from themis_vcs.model.objects import Step
from themis_vcs.model.oid import Oid
from themis_vcs.store.repository import Repository
from themis_vcs.store.view import ARRIVED

_CHUNK = 1_000
_LENGTH_BYTES = 4


class Spool:
    """The sink of a bundle on its way into a store."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._encode = msgspec.msgpack.Encoder().encode
        self.keep(*tree.EMPTY, "tree")

    def keep(self, oid: Oid, payload: bytes, label: str) -> None:
        self._add(oid, payload, label, None)

    def tree(self, entries: Iterable[tuple[str, Oid]]) -> Oid:
        built = tree.build(entries)
        for oid, payload in built.nodes.items():
            self._add(oid, payload, "tree", None)
        return built.root

    def step(self, oid: Oid, payload: bytes, step: Step) -> None:
        derivation = None if step.value is None else key_of(step)
        self._add(oid, payload, f"step:{step.stage}", derivation)

    def pour(self, repository: Repository) -> None:
        """Put everything into a store. What steps derive is noted as having come from elsewhere."""
        entries = self._entries()
        while chunk := list(islice(entries, _CHUNK)):
            for oid, payload, label, _ in chunk:
                repository.put_payload(oid, payload, label, ())  # what it refers to was put before it
            derived = {derivation + ARRIVED: oid for oid, _, _, derivation in chunk if derivation is not None}
            known = repository.backend.derivations_for(list(derived))
            for (key, oid), old in zip(derived.items(), known, strict=True):
                if old is None:
                    repository.record(key, oid)

    def _add(self, *entry: Any) -> None:
        data = self._encode(entry)
        self._file.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)

    def _entries(self) -> Iterator[tuple[Oid, bytes, str, bytes | None]]:
        decode = msgspec.msgpack.Decoder(tuple[bytes, bytes, str, bytes | None]).decode
        self._file.seek(0)
        while head := self._file.read(_LENGTH_BYTES):
            yield decode(self._file.read(int.from_bytes(head, "big")))
