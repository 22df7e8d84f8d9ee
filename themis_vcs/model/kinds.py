"""What objects refer to: which kind each reference of an object must lead to (OBJ-15)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import NamedTuple, TypeAlias

from themis_vcs.model.objects import KINDS, Blob, Object, Run, Snapshot, Stage, Step, TreeNode, Value


class Subtree(NamedTuple):
    """A node of a tree as the node above it states it."""

    level: int
    entries: int
    last: str


Kind: TypeAlias = type[Object] | Subtree


def kinds_referred(obj: Object) -> Iterator[Kind | None]:
    """Yield for each of the `references` what it has to be, None where that is free; perhaps more (OBJ-15)."""
    match obj:
        case Step():
            yield from repeat(Value)
        case TreeNode() if obj.level:
            yield from map(Subtree, repeat(obj.level - 1), obj.counts, obj.keys)
        case Stage():
            for track in obj.tracks:
                yield Value
                yield from repeat(TreeNode, len(track.inputs) + 3)
        case Run():
            yield Snapshot
            yield from repeat(Stage, len(obj.stages))
            yield from repeat(Run)
        case Snapshot():
            yield from repeat(TreeNode)
        case Blob():
            yield from repeat(Blob)
        case _:
            yield from repeat(None)


def kind_met(obj: Object) -> Kind:
    """Return what an object is, to be compared with what others refer to it as."""
    if isinstance(obj, TreeNode):
        return Subtree(obj.level, sum(obj.counts) if obj.level else len(obj.keys), obj.keys[-1] if obj.keys else "")
    return type(obj)


def is_of(met: Kind, wanted: Kind) -> bool:
    """Say whether what an object is satisfies who refers to it."""
    return met == wanted or (wanted is TreeNode and isinstance(met, Subtree))


def kind_text(kind: Kind) -> str:
    """Return what messages call it."""
    if isinstance(kind, Subtree):
        return f"tree of level {kind.level} with {kind.entries:,} entries up to {kind.last[:60]!r}"
    return next(name for name, cls in KINDS.items() if cls is kind)
