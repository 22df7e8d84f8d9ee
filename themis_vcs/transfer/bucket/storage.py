"""A bucket as the few requests that the rest needs, with the errors of obstore told in our words.

What obstore says may hold URLs, signed ones among them, so of its text only known words are passed on. Not responsible
for what the keys mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from themis_vcs.errors import Corrupt, RemoteError

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult, PutMode, UpdateVersion
    from obstore.store import ObjectStore

PART_BYTES: Final = 16 << 20
"""What is larger is sent in parts of this size, so many at a time:"""
PARTS_AT_ONCE: Final = 2
_CHUNK: Final = 1 << 20

_CREDENTIALS: Final = "see that the environment has the credentials, and that they may read and write this bucket"
_NAMES: Final = re.compile(r"<(RequestId|HostId)>.*?</\1>", re.DOTALL)
_REASONS: Final = (
    (re.compile(r"169\.254\.169\.254|metadata\.google\.internal"), "there are no credentials", _CREDENTIALS, True),
    (
        re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist"),
        "there is no such bucket",
        "create the bucket with the tools of its provider, or mend the URL",
        True,
    ),
    (re.compile(r"status code: 40[13]|Unauthenticated|PermissionDenied"), "the server refuses", _CREDENTIALS, True),
    (
        re.compile(r"certificate|InvalidContentType|CorruptMessage|rustls|tls handshake", re.IGNORECASE),
        "no secure connection",
        "see that the endpoint speaks TLS with a certificate that this machine trusts",
        False,
    ),
    (
        re.compile(r"BadScheme"),
        "the endpoint is not one with TLS",
        "use https://, or allow_http for a server of your own",
        True,
    ),
    (re.compile(r"kind: Timeout|TimedOut|timed out"), "no answer in time", "try again, or allow more time", False),
    (re.compile(r"kind: Connect"), "no connection", "see that the endpoint is right and can be reached", False),
)
_STATUS: Final = re.compile(r"status code: (\d{3})")
_CODE: Final = re.compile(r"<Code>(\w{1,64})</Code>")


class Refused(RemoteError):
    """The server understood, and said no; to ask again is no use."""


class Absent(Corrupt):
    """An object of the bucket that another one names is not there."""


class Listed(NamedTuple):
    """An object of the bucket: its key below the prefix, and when the server wrote it, by its own clock."""

    key: str
    written: datetime


class Bucket:
    """A part of a bucket. `name` is what messages call it.

    `store` repeats requests that fail, `direct` is the same and does not. Where `conditional` is False, conditions are
    not sent. Every call raises RemoteError, or Refused if repeating is no use.
    """

    def __init__(self, store: ObjectStore, direct: ObjectStore, name: str, *, conditional: bool = True) -> None:
        self._store, self._direct = store, direct
        self.name, self.conditional = name, conditional

    def get(self, key: str, limit: int) -> tuple[bytes, UpdateVersion] | None:
        """Return an object with what identifies its version, None if it is not there; Corrupt if over `limit` bytes."""
        with self._told(f"read {key}"):
            try:
                result = obstore.get(self._store, key)
            except FileNotFoundError as error:
                if _reason(error) is None:
                    return None
                raise
            meta = result.meta
            return self._taken(result, key, limit), _version(meta["e_tag"], meta["version"])

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """Return bytes from `start` to before `end`, all of them. Absent; Corrupt if the object ends before."""
        options: GetOptions = {"range": (start, end)}
        with self._told(f"read {key}"):
            try:
                result = obstore.get(self._store, key, options=options)
            except FileNotFoundError as error:
                if _reason(error) is None:
                    raise Absent(f"{self.name}: {key} is listed, and not there") from None
                raise
            data = self._taken(result, key, end - start)
        if len(data) < end - start:
            raise Corrupt(f"{self.name}: {key} ends at byte {start + len(data):,}, before its end")
        return data

    def put(self, key: str, file: BinaryIO) -> None:
        """Write an object whose key nobody else writes."""
        with self._told(f"write {key}"):
            obstore.put(self._store, key, file, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)

    def put_if(self, key: str, data: bytes, version: UpdateVersion | None) -> UpdateVersion | None:
        """Write if the object has this version, or, if that is None, if there is none; return the new version.

        None if the server says that it is otherwise. That may be so because the same request came before: who wants to
        know reads the object. Sent once, so after RemoteError it may have been done or not.
        """
        mode: PutMode = "overwrite"
        if self.conditional:
            mode = "create" if version is None else version
        with self._told(f"write {key}"):
            try:
                result = obstore.put(self._direct, key, data, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return None
        return _version(result["e_tag"], result["version"])

    def delete(self, key: str) -> None:
        """Delete an object, if it is there."""
        with self._told(f"delete {key}"):
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError as error:
                if _reason(error) is not None:
                    raise

    def list(self) -> Iterator[Listed]:
        """Yield what is there."""
        with self._told("list what is there"):
            for chunk in obstore.list(self._store):
                yield from (Listed(meta["path"], meta["last_modified"]) for meta in chunk)

    def _taken(self, result: GetResult, key: str, limit: int) -> bytes:
        """Return the body. The server decides when it ends, so no more than `limit` bytes are taken."""
        taken = bytearray()
        for chunk in result.stream(min_chunk_size=_CHUNK):
            taken += chunk
            if len(taken) > limit:
                raise Corrupt(f"{self.name}: {key} has over {limit:,} bytes")
        return bytes(taken)

    @contextmanager
    def _told(self, action: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            # The original is not chained: a traceback would print what may not be shown.
            raise self._error(action, error) from None

    def _error(self, action: str, error: Exception) -> RemoteError:
        text = str(error)
        status, code = _STATUS.search(text), _CODE.search(text)
        details = [f"HTTP {status[1]}"] if status else []
        details += [code[1]] if code else []
        reason, hint, final = _reason(error) or ("the request failed", "run the command again", False)
        if not details and reason == "the request failed":
            details = [type(error).__name__]
        what = f"{self.name}: cannot {action}: {reason}" + (f" ({', '.join(details)})" if details else "")
        return Refused(what, hint=hint) if final else RemoteError(what, hint=hint)


def _reason(error: Exception) -> tuple[str, str, bool] | None:
    # A server that answers gives the request a name, in which there may be any word.
    text = _NAMES.sub("", str(error))
    return next(((reason, hint, final) for pattern, reason, hint, final in _REASONS if pattern.search(text)), None)


def _version(e_tag: str | None, version: str | None) -> UpdateVersion:
    """Return what names a version in a condition; obstore refuses fields that are None."""
    found: UpdateVersion = {}
    if e_tag is not None:
        found["e_tag"] = e_tag
    if version is not None:
        found["version"] = version
    return found
