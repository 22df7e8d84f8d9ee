"""Reading a store: tree nodes and domain values, cached, and counted. Nothing is written here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, reduce
from itertools import islice
from operator import or_
from typing import Any

import msgspec

from themis_vcs.evaluation.values import VALUE_TYPES, restore
from themis_vcs.model import tree
from themis_vcs.model.codec import envelope
from themis_vcs.model.objects import Step, TreeNode, Value, load
from themis_vcs.model.oid import Oid
from themis_vcs.store.repository import Repository

_NODES = 512
_VALUES = 2_048
_ENVELOPE = envelope("value")
_STEP = envelope("step")


class _Observed(msgspec.Struct):
    """The one field of a step that is read of many."""

    observations: dict[str, Any] = {}


_OBSERVED = msgspec.msgpack.Decoder(_Observed)


@cache
def _decoder() -> msgspec.msgpack.Decoder[Any]:
    """From the body of a stored value straight to a struct whose `data` is the domain value."""
    kinds: Iterator[Any] = (
        msgspec.defstruct(name, [("data", kind)], tag_field="type", tag=name, forbid_unknown_fields=True)
        for name, kind in VALUE_TYPES.items()
    )
    return msgspec.msgpack.Decoder(reduce(or_, kinds))


class Reader:
    """A cached view of a store. `nodes_read` counts the tree nodes that were fetched from it."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.nodes_read = 0
        self._nodes: dict[Oid, TreeNode] = {tree.EMPTY[0]: load(tree.EMPTY[1], TreeNode)}
        self._values: dict[Oid, Any] = {}

    def node(self, oid: Oid) -> TreeNode:
        """A tree node; the `load` of the functions in `model.tree`."""
        found = self._nodes.get(oid)
        if found is None:
            self.nodes_read += 1
            found = load(self._payload(oid), TreeNode)
            _remember(self._nodes, oid, found, _NODES)
        return found

    def value(self, oid: Oid) -> Any:
        """A domain value, such as a `Case` or a `ParsedOutput`; plain data for types that have no class."""
        found = self._values.get(oid)
        if found is None:
            found = _domain(self._payload(oid))
            _remember(self._values, oid, found, _VALUES)
        return found

    def values(self, oids: Iterable[Oid]) -> Iterator[tuple[Oid, Any]]:
        """Domain values with their oids, each once, in no certain order: one pass over the store. None is kept."""
        return ((oid, _domain(payload)) for oid, payload in self._payloads(dict.fromkeys(oids)))

    def observations(self, steps: Iterable[Oid]) -> Iterator[dict[str, Any]]:
        """What was observed by steps, in no certain order."""
        return (_observed(payload) for _, payload in self._payloads(steps))

    def diff(self, old: Oid, new: Oid) -> list[tree.Change]:
        """What differs between two trees."""
        return tree.diff(old, new, self.node)

    def scan(self, root: Oid, prefix: str = "") -> Iterator[tuple[str, Oid]]:
        """The entries of a tree in the order of their keys."""
        return tree.scan(root, self.node, prefix)

    def find(self, root: Oid, key: str) -> Oid | None:
        """What a tree holds under a key."""
        return tree.get(root, key, self.node)

    def size(self, root: Oid) -> int:
        """The number of entries of a tree."""
        return tree.size(root, self.node)

    def _payload(self, oid: Oid) -> bytes:
        return self.repository.read(oid)

    def _payloads(self, oids: Iterable[Oid]) -> Iterator[tuple[Oid, bytes]]:
        return self.repository.read_many(oids)


def _domain(payload: bytes) -> Any:
    """The domain value in a payload that a store has checked against its oid, and so is what was once put."""
    if payload.startswith(_ENVELOPE):
        try:
            return _decoder().decode(payload[len(_ENVELOPE) :]).data
        except (msgspec.MsgspecError, ValueError, RecursionError):
            pass
    stored = load(payload, Value)
    return restore(stored.type, stored.data) if stored.type in VALUE_TYPES else stored.data


def _observed(payload: bytes) -> dict[str, Any]:
    if payload.startswith(_STEP):
        try:
            return _OBSERVED.decode(payload[len(_STEP) :]).observations
        except (msgspec.MsgspecError, ValueError, RecursionError):
            pass
    return load(payload, Step).observations


def _remember(cache: dict[Oid, Any], oid: Oid, value: Any, limit: int) -> None:
    if len(cache) >= limit:
        for old in list(islice(cache, limit // 4)):
            del cache[old]
    cache[oid] = value
