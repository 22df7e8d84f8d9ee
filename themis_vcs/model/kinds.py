"""Of which kinds the objects must be that an object refers to (`docs/reference/format/objects.md`, OBJ-15).

Not responsible for holding anybody to it: who takes in objects of others does (`transfer.kinds`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import NamedTuple, TypeAlias

from themis_vcs.model.objects import Blob, Object, Run, Snapshot, Stage, Step, TreeNode, Value


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
