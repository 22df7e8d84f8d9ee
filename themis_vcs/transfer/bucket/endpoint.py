"""A bucket as an endpoint: objects in packs, refs in `root.json` (`docs/reference/format/bucket.md`)."""

from __future__ import annotations

import io
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from themis_vcs.errors import MissingReference, RemoteError
from themis_vcs.model.objects import Run, Tag, Value, load
from themis_vcs.model.oid import Oid
from themis_vcs.signing import signature, storeid
from themis_vcs.store.backend import RefUpdate, Stored
from themis_vcs.store.refs import moves_of
from themis_vcs.store.tombstones import named
from themis_vcs.transfer.bucket.index import Indexes, index_hash, index_key, pack_key
from themis_vcs.transfer.bucket.probe import probe
from themis_vcs.transfer.bucket.reading import Reader
from themis_vcs.transfer.bucket.root import PackEntry, Root, RootFile
from themis_vcs.transfer.bucket.storage import Absent, Bucket
from themis_vcs.transfer.endpoint import Progress, Source, Transferred, check_shared
from themis_vcs.transfer.kinds import check_ref
from themis_vcs.transfer.packfile import PackFile
from themis_vcs.transfer.send import packs

PACK_BYTES: Final = 64 << 20
_ATTACHED: Final = frozenset({signature.TYPE, storeid.TYPE})
"""The types of the values that a ref may point to."""


class BucketEndpoint:
    """A bucket. `cache` is a directory for indexes of packs, which are large and never change.

    Any call may raise RemoteError; Corrupt if the bucket holds what it must not; FormatError if a newer themis wrote
    it. Not safe to use from several threads.
    """

    def __init__(self, bucket: Bucket, cache: Path | None = None) -> None:
        self.bucket = bucket
        self.root = RootFile(bucket)
        self.indexes = Indexes(bucket, cache)
        self._reader = Reader(bucket, self.indexes)
        self._heads: dict[Oid, bytes] = {}
        self._trusted = not bucket.conditional
        self._used = False

    @property
    def name(self) -> str:
        return self.bucket.name

    def refs(self) -> dict[str, Oid]:
        return self.refresh().root.known().oids()

    def missing(self, oids: Sequence[Oid]) -> list[Oid]:
        known = self.known()
        absent = known.missing(oids)
        gone = named(self.root.known().oids()) if absent else ()
        return [oid for oid in absent if oid not in gone]

    def objects(self, oids: Sequence[Oid]) -> Iterator[Stored]:
        self.known()
        left = dict.fromkeys(oids)
        try:
            for item in self._reader.objects(list(left)):
                del left[item.frame.oid]
                yield item
        except Absent:
            # Others have put its objects into another pack since `root.json` was read, and deleted it.
            self.refresh()
            yield from self._reader.objects(list(left))

    def dictionary(self, oid: Oid) -> bytes:
        self.known()
        return self._reader.dictionary(oid)

    def take(self, items: Iterable[Stored], source: Source, progress: Progress | None = None) -> Transferred:
        taken = _Taken(items)
        size = 0
        for entry in self.upload(taken, source):
            self.root.change(partial(Root.listing, entry=entry))
            self._heads.update(taken.heads)
            size += entry.size
            if progress is not None:
                progress(Transferred(taken.count, size))
        return Transferred(taken.count, size)

    def move(self, updates: Sequence[RefUpdate], message: str) -> None:
        check_shared(updates)
        moves = moves_of(updates, self.root.known().oids().get)
        targets = {update.name: update.new for update, _ in moves if update.new is not None}
        for oid in self.missing(list(targets.values())):
            raise MissingReference(oid, None)
        for name, oid in targets.items():
            self._check_kind(name, oid)
        self.trust()
        self.root.change(lambda root: root.moved(updates))

    def close(self) -> None:
        self.indexes.use(())
        self._used = False

    def refresh(self) -> BucketEndpoint:
        """Read `root.json` again."""
        self.indexes.use(self.root.read().packs)
        self._used = True
        return self

    def known(self) -> Indexes:
        """Return the indexes, after a first look at `root.json` if there was none."""
        if not self._used:
            self.refresh()
        return self.indexes

    def without(self, packs: Sequence[PackEntry]) -> BucketEndpoint:
        """Return the same bucket as if some packs were not there, to upload what is in them once more."""
        other = BucketEndpoint(self.bucket)
        other.indexes, other._used, other._trusted = self.known().without(packs), True, self._trusted
        return other

    def trust(self) -> None:
        """Refuse a server that ignores conditions; RemoteError. It is asked once."""
        if self._trusted:
            return
        found = probe(self.bucket)
        if not found.honoured:
            raise RemoteError(
                f"{self.name}: the server ignores conditions ({'; '.join(found.ignored)}), so refs that two clients "
                "move at once would be lost",
                hint="use another server, or set remote.NAME.single-writer if only one machine ever writes there",
            )
        self._trusted = True

    def upload(self, items: Iterable[Stored], source: Source) -> Iterator[PackEntry]:
        """Yield packs of these objects, when each is in the bucket and before `root.json` lists it."""
        indexes = self.known()
        files = packs(
            source, items, limit=PACK_BYTES, knows=lambda oid: indexes.find(oid) is not None, sink=_temporary_file
        )
        for file in files:
            with file:
                self.trust()
                yield self._send(file)

    def _send(self, file: BinaryIO) -> PackEntry:
        pack = PackFile(file)
        index = pack.after_the_records()
        name = f"{pack.hash.hex()}-{secrets.token_hex(8)}"
        entry = PackEntry(name, pack.size, pack.objects, index_hash(index))
        file.seek(0)
        self.bucket.put(pack_key(entry), file)
        self.bucket.put(index_key(entry), io.BytesIO(index))
        self.indexes.add(entry, index)
        return entry

    def _check_kind(self, name: str, oid: Oid) -> None:
        # What was sent a moment ago need not come back to be looked at.
        payload = self._heads.get(oid)
        check_ref(name, oid, next(self.objects([oid])).payload if payload is None else payload)


class _Taken:
    """Objects on their way, counted; those that a ref may point to are kept."""

    def __init__(self, items: Iterable[Stored]) -> None:
        self._items = items
        self.count = 0
        self.heads: dict[Oid, bytes] = {}

    def __iter__(self) -> Iterator[Stored]:
        for item in self._items:
            self.count += 1
            found = load(item.payload) if item.object is None else item.object
            if isinstance(found, Run | Tag) or (type(found) is Value and found.type in _ATTACHED):
                self.heads[item.frame.oid] = item.payload
            yield item


def _temporary_file() -> BinaryIO:
    return tempfile.TemporaryFile(prefix="themis-pack-")
