"""Trying whether a server honours conditions, on which every ref of a bucket depends (BUCKET-5)."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from themis_vcs.errors import RemoteError
from themis_vcs.transfer.bucket.storage import Bucket

if TYPE_CHECKING:
    from obstore import UpdateVersion

PREFIX: Final = "probe-"
_LIMIT: Final = 1024


class Conditions(NamedTuple):
    """What a server made of conditions that did not hold: True if it refused, as it must."""

    create_twice: bool
    replace_stale: bool
    replace_absent: bool

    @property
    def honoured(self) -> bool:
        """Whether refs are safe there."""
        return all(self)

    @property
    def ignored(self) -> list[str]:
        """The conditions that the server ignored, in words."""
        words = ("create only if absent", "replace only this version", "replace only what exists")
        return [what for what, refused in zip(words, self, strict=True) if not refused]


def probe(bucket: Bucket) -> Conditions:
    """Try it on a key of its own, in seven requests. RemoteError if the server does not write even where it must."""
    key = new_key()
    other = key + "-absent"
    used = [key]
    try:
        first = _write(bucket, key, secrets.token_bytes(16), None)
        second = bucket.put_if(key, secrets.token_bytes(16), None)
        current = second or first
        kept = secrets.token_bytes(16)
        _write(bucket, key, kept, current)
        replace_stale = bucket.put_if(key, secrets.token_bytes(16), current) is None
        replace_absent = bucket.put_if(other, secrets.token_bytes(16), current) is None
        if not replace_absent:
            used.append(other)
        # A server that refuses in words only has something else now.
        found = bucket.get(key, _LIMIT)
        replace_stale = replace_stale and found is not None and found[0] == kept
        return Conditions(second is None, replace_stale, replace_absent)
    finally:
        for each in used:
            # What cannot be deleted is left to gc.
            with suppress(RemoteError):
                bucket.delete(each)


def new_key() -> str:
    """Return a key that nobody has used."""
    return PREFIX + secrets.token_hex(16)


def _write(bucket: Bucket, key: str, data: bytes, version: UpdateVersion | None) -> UpdateVersion:
    """Write where the condition holds, and return the new version."""
    written = bucket.put_if(key, data, version)
    if written is None:
        # The request may have come twice, and this is the answer to the second.
        found = bucket.get(key, _LIMIT)
        if found is None or found[0] != data:
            raise RemoteError(
                f"{bucket.name}: the server refuses a write whose condition holds",
                hint="run the command again; if it stays so, this server cannot keep refs",
            )
        written = found[1]
    if not written:
        raise RemoteError(
            f"{bucket.name}: the server names no versions (ETag), so nobody can tell whether refs have moved",
            hint="use another server, or set remote.NAME.single-writer if only one machine ever writes there",
        )
    return written
