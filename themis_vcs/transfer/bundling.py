"""Making bundles, and finding out whether one is whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from blake3 import blake3

from themis_vcs.errors import Corrupt, StorageError, UsageError
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import Stored
from themis_vcs.store.repository import Repository
from themis_vcs.store.tombstones import named
from themis_vcs.transfer import bundle
from themis_vcs.transfer.bundle import LENGTH, MAX_PARTS, PACK, Bundle, Head, Part, part_path
from themis_vcs.transfer.endpoint import Progress, Transferred
from themis_vcs.transfer.kinds import Kinds, check_ref
from themis_vcs.transfer.pack import Readable
from themis_vcs.transfer.packfile import PackFile
from themis_vcs.transfer.send import packs
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import lacking
from themis_vcs.transfer.unpack import PackReader

PACK_BYTES: Final = 32 << 20
SMALLEST_PART: Final = 1 << 20
_CHUNK: Final = 1 << 20
_ROOM: Final = 1 << 18


class Made(NamedTuple):
    """A bundle that was written: what is in it, and the hash of each part."""

    brought: Transferred
    hashes: list[bytes]


class Verified(NamedTuple):
    """A bundle, or a part of one, that was found to be sound.

    `complete` says that all of it was there and that it needs nothing but the runs in `needs`.
    """

    objects: int
    size: int
    complete: bool
    needs: list[Oid]


class _Without:
    """Whoever has what some runs reach, and what went into the bundle: a walk forgets that, and asks again.

    Memory is about 100 bytes per object.
    """

    def __init__(self, repository: Repository, since: Sequence[Oid]) -> None:
        self._there = {oid for oid, _ in repository.walk(since)} if since else set()
        self._there |= repository.forgotten()

    def add(self, oid: Oid) -> None:
        self._there.add(oid)

    def missing(self, oids: Sequence[Oid]) -> list[Oid]:
        return [oid for oid in dict.fromkeys(oids) if oid not in self._there]


class PartWriter:
    """Writes one part to `file`, from where it stands."""

    def __init__(self, file: BinaryIO, head: Head) -> None:
        self._file = file
        self._hasher = blake3(derive_key_context=bundle.CONTEXT)
        self._places: list[int] = []
        self.size = 0
        data = head.encode()
        self._put(bundle.OPENING.pack(bundle.MAGIC, bundle.VERSION, len(data)) + data)

    @property
    def packs(self) -> int:
        """The number of packs so far."""
        return len(self._places)

    def add(self, source: Readable, size: int) -> None:
        """Write a pack of so many bytes."""
        self._places.append(self.size)
        self._put(PACK + LENGTH.pack(size))
        while chunk := source.read(_CHUNK):
            self._put(chunk)

    def finish(self, *, last: bool) -> bytes:
        """Write what comes after the packs, and return the hash."""
        self._put(bundle.END)
        table = self.size
        self._put(b"".join(map(LENGTH.pack, self._places)) + bundle.TRAILER.pack(len(self._places), table, last))
        digest = self._hasher.digest()
        self._put(digest)
        return digest

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._hasher.update(data)
        self.size += len(data)


def create(
    repository: Repository,
    refs: Mapping[str, Oid],
    open_part: Callable[[int], BinaryIO],
    *,
    since: Sequence[Oid] = (),
    split: int | None = None,
    progress: Progress | None = None,
) -> Made:
    """Write a bundle of refs, without what the runs `since` reach, to the files that `open_part` opens by number.

    With `split` no part is larger than that, in bytes.
    """
    writing = _Parts(open_part, dict(sorted(refs.items())), sorted(since), split)
    without = _Without(repository, since)
    source = StoreEndpoint(repository)
    count = 0

    def items() -> Iterator[Stored]:
        nonlocal count
        for item in lacking(source, without, list(dict.fromkeys(refs.values()))):
            count += 1
            if progress is not None and count % 1_000 == 0:
                progress(Transferred(count, writing.size))
            without.add(item.frame.oid)
            yield item

    limit = PACK_BYTES if split is None else max(SMALLEST_PART // 2, min(PACK_BYTES, split // 4))
    for made in packs(source, items(), limit=limit, sink=tempfile.TemporaryFile):
        with made:
            writing.add(made)
    hashes = writing.finish()
    return Made(Transferred(count, writing.size), hashes)


class _Parts:
    """The parts of a bundle, begun one after the other as they become full."""

    def __init__(
        self, open_part: Callable[[int], BinaryIO], refs: Mapping[str, Oid], since: Sequence[Oid], split: int | None
    ) -> None:
        self._open, self._split = open_part, split
        self._refs = {name: oid.hex() for name, oid in refs.items()}
        self._needs = [oid.hex() for oid in since]
        self._hashes: list[bytes] = []
        self._done = 0
        self._ended = False
        self._file, self._writer = self._begin()

    @property
    def size(self) -> int:
        """The number of bytes of all parts so far."""
        return self._done + (0 if self._ended else self._writer.size)

    def add(self, made: BinaryIO) -> None:
        """Write a pack."""
        size = made.seek(0, os.SEEK_END)
        made.seek(0)
        if self._split is not None and self._writer.size + size + _ROOM > self._split:
            if self._writer.packs:
                self._end(last=False)
                self._file, self._writer = self._begin()
            if self._writer.size + size + _ROOM > self._split:
                raise UsageError(f"an object takes more than a part of {self._split:,} bytes", hint="make larger parts")
        self._writer.add(made, size)

    def finish(self) -> list[bytes]:
        """End the last part, and return the hashes of all."""
        self._end(last=True)
        self._ended = True
        return self._hashes

    def _begin(self) -> tuple[BinaryIO, PartWriter]:
        number = len(self._hashes) + 1
        if number > MAX_PARTS:
            raise UsageError(f"there would be more than {MAX_PARTS} parts", hint="make larger parts")
        after = self._hashes[-1].hex() if self._hashes else None
        file = self._open(number)
        return file, PartWriter(file, Head(self._refs, self._needs, number, after))

    def _end(self, *, last: bool) -> None:
        self._hashes.append(self._writer.finish(last=last))
        self._done += self._writer.size


def verify(opened: Bundle) -> Verified:
    """Check every byte of a bundle, every object in it, and that what it refers to is in it. Corrupt.

    Of a bundle that builds on runs, what is not in it must be what those reach, which only a store that has them can
    say; so much is not checked.
    """
    objects = 0
    gone = named(opened.refs())
    kinds = Kinds(opened.read)
    earlier: list[PackFile] = []
    for part in opened.parts:
        part.check()
        for place in range(len(part.places)):
            reader = _read(part, place, kinds)
            objects += reader.objects
            for oid, user in reader.needs.items():
                if not opened.needs and oid not in gone and not any(oid in each for each in earlier):
                    what = f"object {user.hex()} refers to object {oid.hex()}, which does not come before it"
                    raise Corrupt(f"{part.source}, pack {place + 1}: {what}", oid=oid)
            earlier.append(opened.packs[len(earlier)])
    for ref, oid in opened.refs().items():
        if opened.missing([oid]):
            if not opened.needs:
                raise Corrupt(f"{opened.name}: {ref} is at object {oid.hex()}, which is not in it", ref=ref)
            continue
        check_ref(ref, oid, next(opened.objects([oid])).payload)
    return Verified(objects, opened.size, True, opened.needs)


def verify_part(part: Part) -> Verified:
    """Check every byte of one part of a bundle, and every object in it. Corrupt."""
    part.check()
    kinds = Kinds(lambda oids: ())
    objects = sum(_read(part, place, kinds).objects for place in range(len(part.places)))
    return Verified(objects, part.size, False, [bytes.fromhex(oid) for oid in part.head.needs])


def _read(part: Part, number: int, kinds: Kinds) -> PackReader:
    """Return a reader that has been through a pack, and has found that it refers to objects of the right kinds.

    `kinds` has met those of the packs before it.
    """
    reader = PackReader(part.slice(number), f"{part.source}, pack {number + 1}")
    for item in reader:
        kinds.add(item)
    kinds.settle()
    return reader


class Files:
    """Files that get their names only when all of them are written; else nothing is left of them. StorageError."""

    def __init__(self, names: Callable[[int], Path], *, replace: bool = False) -> None:
        self._names, self._replace = names, replace
        self._written: list[tuple[Path, Path]] = []
        self._open: BinaryIO | None = None

    def open(self, number: int) -> BinaryIO:
        """Begin the n-th file."""
        self._finish()
        path = self._names(number)
        if path.exists() and not self._replace:
            raise UsageError(f"{path} is there already", hint="name another file, or add --force")
        parts = path.with_name(f".{path.name}-{os.urandom(8).hex()}")
        try:
            self._open = parts.open("xb")
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror}") from error
        self._written.append((parts, path))
        return self._open

    def keep(self) -> list[Path]:
        """Give all files their names. Parts beyond them, which would be of another bundle, go if these replace it."""
        self._finish()
        stale = list(self._beyond())
        if stale and not self._replace:
            raise UsageError(f"{stale[0]} is there already", hint="name another file, or add --force")
        try:
            for parts, path in self._written:
                parts.rename(path)
            for path in stale:
                path.unlink()
        except OSError as error:
            raise StorageError(f"cannot write {error.filename2 or error.filename}: {error.strerror}") from error
        return [path for _, path in self._written]

    def _beyond(self) -> Iterator[Path]:
        """Yield the files that are there and would be read as parts after those that were written."""
        number = len(self._written) + 1
        while (path := self._names(number)) != self._names(1) and path.exists():
            yield path
            number += 1

    def discard(self) -> None:
        """Remove what was written."""
        if self._open is not None:
            with suppress(OSError):
                self._open.close()
        for parts, _ in self._written:
            with suppress(FileNotFoundError):
                parts.unlink()

    def _finish(self) -> None:
        if self._open is not None:
            self._open.flush()
            os.fsync(self._open.fileno())
            self._open.close()
            self._open = None


def names_of(path: Path, *, split: bool) -> Callable[[int], Path]:
    """Return how the files of a bundle at `path` are called."""
    return (lambda number: part_path(path, number)) if split else (lambda number: path)
