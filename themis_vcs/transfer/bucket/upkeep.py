"""Keeping a bucket small: few packs instead of many, and nothing that nobody needs (BUCKET-3, BUCKET-8)."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

import msgspec

from themis_vcs.errors import Corrupt, RemoteError, UsageError
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import Stored
from themis_vcs.store.walk import Walk
from themis_vcs.transfer.bucket.endpoint import BucketEndpoint
from themis_vcs.transfer.bucket.index import index_key, pack_key
from themis_vcs.transfer.bucket.probe import PREFIX, new_key
from themis_vcs.transfer.bucket.root import KEY, PackEntry, Root
from themis_vcs.transfer.endpoint import with_references
from themis_vcs.transfer.transfer import REMEMBERED

SMALL_BYTES: Final = 16 << 20
GRACE_SECONDS: Final = 24 * 60 * 60.0
_AT_ONCE: Final = 100
_OURS: Final = re.compile(
    rf"packs/[0-9a-f]{{64}}-[0-9a-f]{{16}}\.(pack|idx)|{PREFIX}[0-9a-f]{{32}}(-absent)?", re.ASCII
)


class Compacted(NamedTuple):
    """How many packs became how many."""

    before: int = 0
    after: int = 0


def compact(endpoint: BucketEndpoint, *, small: int = SMALL_BYTES) -> Compacted:
    """Put the objects of packs of fewer than `small` bytes into fewer packs, all of them, in one write of `root.json`.

    The packs that they were in stay until `gc`, for those who are reading them. Refs do not move, and whoever pushes
    meanwhile is not disturbed. RemoteError if somebody else compacts at the same time.
    """
    endpoint.refresh()
    old = [entry for entry in endpoint.root.known().packs if entry.size < small]
    if len(old) < 2:
        return Compacted()
    target = endpoint.without(old)
    new = list(target.upload(_only_in(old, endpoint, target), endpoint))
    endpoint.root.change(lambda root: _replaced(root, endpoint.name, old, new))
    endpoint.refresh()
    return Compacted(len(old), len(new))


def _only_in(packs: Sequence[PackEntry], source: BucketEndpoint, target: BucketEndpoint) -> Iterator[Stored]:
    """Yield what only these packs have, each object after all that it refers to, dictionaries first."""
    names = {entry.name for entry in packs}
    indexes = [index for index in source.indexes if index.entry.name in names][::-1]
    dictionaries = dict.fromkeys(oid for index in indexes for oid in index.dictionaries())
    # Nothing refers to a dictionary, so no walk comes by; frames in other packs may need it all the same.
    yield from source.objects(target.missing(list(dictionaries)))
    oids: list[Oid] = [oid for index in indexes for oid in index.oids() if oid not in dictionaries]
    walk = Walk(lambda oids: with_references(source.objects(oids)), target.missing, REMEMBERED)
    yield from walk.reach(oids)


def _replaced(root: Root, name: str, old: Sequence[PackEntry], new: Sequence[PackEntry]) -> Root:
    gone = {entry.name for entry in old}
    kept = [entry for entry in root.packs if entry.name not in gone]
    if len(kept) != len(root.packs) - len(old):
        raise RemoteError(f"{name}: somebody else has compacted these packs", hint="nothing is lost; run it again")
    return msgspec.structs.replace(root, packs=[*kept, *new])


def gc(endpoint: BucketEndpoint, *, grace_seconds: float = GRACE_SECONDS, dry_run: bool = False) -> list[str]:
    """Delete packs that `root.json` does not list, and what probes left, if older than the grace; return their keys.

    The grace is what protects a push whose pack is not listed yet, so it must be longer than a pack of any client takes
    from its upload to its listing. With `dry_run` nothing of that is deleted. Corrupt if there is no `root.json`.
    """
    if grace_seconds < 0:
        raise UsageError("the grace cannot be negative")
    deleted: list[str] = []
    old = _older_than(endpoint, timedelta(seconds=grace_seconds))
    for start in range(0, len(old), _AT_ONCE):
        entries = endpoint.refresh().root.known().packs
        if not endpoint.root.exists:
            raise Corrupt(
                f"{endpoint.name}: there is no {KEY}, so it cannot be told what is needed",
                hint=f"if there never was one, push something first; otherwise restore {KEY} from a backup",
            )
        live = {key(entry) for entry in entries for key in (pack_key, index_key)}
        for each in old[start : start + _AT_ONCE]:
            if each not in live:
                deleted.append(each)
                if not dry_run:
                    endpoint.bucket.delete(each)
    return deleted


def _older_than(endpoint: BucketEndpoint, grace: timedelta) -> list[str]:
    """Return the keys of ours that are older, by the clock of the server: it dates an object that is written now."""
    bucket, own = endpoint.bucket, new_key()
    bucket.put(own, io.BytesIO(own.encode()))
    try:
        found = {each.key: each.written for each in bucket.list()}
    finally:
        bucket.delete(own)
    now = found.pop(own, None)
    if now is None:
        raise RemoteError(f"{bucket.name}: the server does not list what was written a moment ago", hint="try again")
    return sorted(key for key, written in found.items() if _OURS.fullmatch(key) and written <= now - grace)
