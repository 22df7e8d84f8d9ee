"""What takes the space of a store: objects by kind with their bytes on disk, and by what they are reached.

Reads and verifies every object, and most of them twice. Memory is about 30 bytes per object.
"""

from __future__ import annotations

from array import array
from collections import Counter
from itertools import compress

import msgspec

from themis_vcs.model.objects import Step, Value, is_step, kind_of, load
from themis_vcs.store import expiry
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.marks import Marks


class Part(msgspec.Struct, frozen=True):
    """Objects, the bytes of their payloads, and those of their frames on disk."""

    objects: int
    bytes: int
    stored: int


class Reached(msgspec.Struct, frozen=True):
    """What is reached by `by`, beyond what those before it reach: objects, and the bytes of their frames."""

    by: str
    objects: int
    stored: int


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """`parts` by kind, steps by their stages and values by their types, the largest first; `reached` by names and tags,
    by other refs, by reflogs alone, and by nothing.
    """

    parts: dict[str, Part]
    reached: list[Reached]


def usage(backend: LmdbBackend) -> Usage:
    """Go through a store. Corrupt if something that is needed is damaged."""
    marks = Marks(backend)
    sizes = array("Q", bytes(8 * len(marks)))
    objects, raw, stored = Counter[str](), Counter[str](), Counter[str]()
    for found in marks.read(marks.by_location(marked=False)):
        sizes[found.at] = found.size
        label = "damaged" if found.payload is None else _label(found.payload)
        objects[label] += 1
        raw[label] += len(found.payload or b"")
        stored[label] += found.size
    parts = {label: Part(objects[label], raw[label], size) for label, size in stored.most_common()}
    return Usage(parts=parts, reached=_reached(backend, marks, sizes))


def _reached(backend: LmdbBackend, marks: Marks, sizes: array[int]) -> list[Reached]:
    refs = list(backend.refs())
    shown = [(name, [oid]) for prefix in ("names/", "tags/") for name, oid in refs if name.startswith(prefix)]
    roots = [*shown, ("other refs", [oid for _, oid in refs]), ("reflogs alone", expiry.needed(backend, 0))]
    result = []
    for by, oids in roots:
        before = bytes(marks.marked)
        marks.mark(oids)
        new = _difference(before, bytes(marks.marked))
        result.append(Reached(by, new.count(1), sum(compress(sizes, new))))
    left = _difference(bytes(marks.marked), b"\1" * len(marks))
    result.append(Reached("nothing", left.count(1), sum(compress(sizes, left))))
    return result


def _difference(before: bytes, after: bytes) -> bytes:
    return (int.from_bytes(before) ^ int.from_bytes(after)).to_bytes(len(after))


def _label(payload: bytes) -> str:
    if is_step(payload):
        return f"step {load(payload, Step).stage}"
    kind = kind_of(payload)
    return f"value {load(payload, Value).type}" if kind == "value" else kind
