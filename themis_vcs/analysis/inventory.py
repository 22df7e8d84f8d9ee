"""What a store holds: objects by kind, bytes before and after compression, refs."""

from __future__ import annotations

from collections import Counter

import msgspec

from themis_vcs.model.objects import kind_of
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.repository import Repository
from themis_vcs.store.usage import Usage, usage


class KindCount(msgspec.Struct, frozen=True):
    """The objects of one kind, and the bytes of their canonical payloads."""

    objects: int
    bytes: int


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """A store counted. Of `file_bytes` on disk `free_bytes` are unused; `ratio` is used bytes per payload byte. What
    takes the space is in `usage`, but for a store in memory.
    """

    kinds: dict[str, KindCount]
    objects: int
    payload_bytes: int
    file_bytes: int
    free_bytes: int
    ratio: float | None
    refs: dict[str, int]
    derivations: int
    tracks: int
    dictionaries: int
    segments: int
    usage: Usage | None


def inventory(repository: Repository) -> Inventory:
    """Count everything. Reads and verifies every object."""
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for _, payload in repository.backend.everything():
        kind = kind_of(payload)
        counts[kind] += 1
        sizes[kind] += len(payload)
    found = repository.backend.statistics()
    payload_bytes = sizes.total()
    used = found.file_bytes - found.free_bytes
    return Inventory(
        kinds={kind: KindCount(counts[kind], sizes[kind]) for kind in sorted(counts, key=lambda kind: -sizes[kind])},
        objects=counts.total(),
        payload_bytes=payload_bytes,
        file_bytes=found.file_bytes,
        free_bytes=found.free_bytes,
        ratio=used / payload_bytes if used and payload_bytes else None,
        refs=dict(Counter(ref.partition("/")[0] for ref, _ in repository.refs(""))),
        derivations=found.derivations,
        tracks=found.tracks,
        dictionaries=found.dictionaries,
        segments=found.segments,
        usage=usage(repository.backend) if isinstance(repository.backend, LmdbBackend) else None,
    )
