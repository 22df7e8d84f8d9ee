"""The one object of a bucket that changes: what it holds, and how a change is made that nobody loses (BUCKET-4).

Not responsible for what is in the packs that it lists.
"""

from __future__ import annotations

import random
import re
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from themis_vcs.errors import Corrupt, FormatError, RemoteError, UsageError
from themis_vcs.model import refname
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.refs import moves_of
from themis_vcs.transfer import pack
from themis_vcs.transfer.bucket.storage import Bucket, Refused
from themis_vcs.transfer.endpoint import SHARED

if TYPE_CHECKING:
    from obstore import UpdateVersion

KEY: Final = "root.json"
FORMAT: Final = "themis-bucket"
VERSION: Final = 1
MAX_BYTES: Final = 16 << 20
REMEMBERED: Final = 32

_ATTEMPTS: Final = 64
_FAILURES: Final = 3
_SHORTEST, _LONGEST = 0.01, 1.0
_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NAME = re.compile(r"[0-9a-f]{64}-[0-9a-f]{16}", re.ASCII)


class PackEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """A live pack: its name, its size in bytes, the number of its objects, and the hash of its `.idx`."""

    name: str
    size: int
    objects: int
    index: str

    @property
    def hash(self) -> str:
        """The hash of the pack, in hex."""
        return self.name.partition("-")[0]


class Root(Struct, frozen=True, forbid_unknown_fields=True):
    """What `root.json` says."""

    format: str = FORMAT
    version: int = VERSION
    writes: list[str] = []
    refs: dict[str, str] = {}
    packs: list[PackEntry] = []

    def oids(self) -> dict[str, Oid]:
        """Return where the refs point."""
        return {name: bytes.fromhex(oid) for name, oid in self.refs.items()}

    def moved(self, updates: Sequence[RefUpdate]) -> Root:
        """Return what it says after refs have moved; RefConflict."""
        moves = moves_of(updates, self.oids().get)
        refs = {**self.refs, **{update.name: update.new.hex() for update, _ in moves if update.new is not None}}
        for update, _ in moves:
            if update.new is None:
                del refs[update.name]
        return msgspec.structs.replace(self, refs=refs) if moves else self

    def listing(self, entry: PackEntry) -> Root:
        """Return what it says with another pack, unless it lists the same bytes already."""
        if any(each.hash == entry.hash for each in self.packs):
            return self
        return msgspec.structs.replace(self, packs=[*self.packs, entry])


class _Header(Struct):
    format: str
    version: int


def parse(data: bytes, source: str) -> Root:
    """Return what `root.json` says, every part of it possible (BUCKET-7). Corrupt; FormatError for another version."""
    try:
        header = msgspec.json.decode(data, type=_Header)
        if header.format == FORMAT and header.version != VERSION:
            raise FormatError(
                f"{source}: a bucket of version {header.version}; this themis reads version {VERSION}",
                hint="use a newer version of themis",
            )
        root = msgspec.json.decode(data, type=Root)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Corrupt(f"{source}: {KEY} is not what it must be: {error}") from error
    problem = _problem(root)
    if problem:
        raise Corrupt(f"{source}: {KEY} is not what it must be: {problem}")
    return root


def _problem(root: Root) -> str:
    if root.format != FORMAT:
        return f"its format is {root.format!r:.80}"
    if len(root.writes) > REMEMBERED or not all(map(_ID.fullmatch, root.writes)):
        return "its writes are no ids"
    for name, oid in root.refs.items():
        if not (_HASH.fullmatch(oid) and name.startswith(SHARED) and _can_name(name)):
            return f"{name!r:.80} → {oid!r:.80} is no ref"
    for each in root.packs:
        possible = 0 < each.objects <= pack.MAX_OBJECTS and 0 < each.size <= pack.MAX_BYTES
        if not (possible and _NAME.fullmatch(each.name) and _HASH.fullmatch(each.index)):
            return f"{each.name!r:.120} is no pack"
    if len({each.name for each in root.packs}) < len(root.packs):
        return "a pack is listed twice"
    return ""


def _can_name(name: str) -> bool:
    try:
        refname.check(name)
    except UsageError:
        return False
    return True


class RootFile:
    """`root.json` of a bucket, as last read, and changes of it."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._version: UpdateVersion | None = None
        self._known: Root | None = None

    @property
    def exists(self) -> bool:
        """Whether the bucket had a `root.json` when it was last read or written."""
        return self._version is not None

    def known(self) -> Root:
        """Return what it said when it was last read or written."""
        return self.read() if self._known is None else self._known

    def read(self) -> Root:
        """Return what it says, in one request; one that says nothing if there is none."""
        found = self._bucket.get(KEY, MAX_BYTES)
        self._known, self._version = (Root(), None) if found is None else (parse(found[0], self._bucket.name), found[1])
        return self._known

    def change(self, edit: Callable[[Root], Root]) -> None:
        """Write what `edit` makes of it, unless that is the same object.

        `edit` is called again with what others have written in between, and may raise. RemoteError if it is unknown
        whether the change was made.
        """
        ours: set[str] = set()
        failures = 0
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(random.uniform(_SHORTEST, min(_LONGEST, _SHORTEST * 2**attempt)))
                if not ours.isdisjoint(self._read_back().writes):
                    return
            root = self.known()
            edited = edit(root)
            if edited is root:
                return
            ours.add(identifier := secrets.token_hex(16))
            try:
                if self._write(edited, identifier):
                    return
            except RemoteError as error:
                failures += 1
                final = isinstance(error, Refused) or failures == _FAILURES
                if not final:
                    continue
                if ours.isdisjoint(self._read_back().writes):
                    raise
                return
        raise RemoteError(
            f"{self._bucket.name}: others wrote {KEY} each of {_ATTEMPTS} times that it was tried",
            hint="run the command again when there are fewer",
        )

    def _write(self, root: Root, identifier: str) -> bool:
        root = msgspec.structs.replace(root, writes=[identifier, *root.writes][:REMEMBERED])
        data = msgspec.json.encode(root, order="sorted")
        if len(data) > MAX_BYTES:
            raise Refused(
                f"{self._bucket.name}: {KEY} would have {len(data):,} bytes", hint="compact the bucket, so it has fewer"
            )
        version = self._bucket.put_if(KEY, data, self._version)
        if version is None:
            return False
        self._known, self._version = root, version
        return True

    def _read_back(self) -> Root:
        try:
            return self.read()
        except RemoteError as error:
            raise RemoteError(
                f"{error.message}; it is unknown whether {KEY} was written",
                hint="run the command again: it finds out",
            ) from None
