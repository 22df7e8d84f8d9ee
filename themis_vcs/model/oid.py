"""Object ids: the BLAKE3 name of an object's canonical bytes, and its text form.

Not responsible for the bytes themselves (`codec`), nor for finding what an abbreviation means (the store).
"""

from __future__ import annotations

import re
from functools import lru_cache
from struct import Struct
from typing import TypeAlias

from blake3 import blake3

from themis_vcs.errors import UsageError

Oid: TypeAlias = bytes
"""32 bytes. Its text form is `oid.hex()`: 64 lower-case hexadecimal digits."""

OID_BYTES = 32
MIN_PREFIX = 4
CONTEXT = "themis_vcs 2026-11-23 object v1"

_HASHER = blake3(derive_key_context=CONTEXT)
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)


def oid_of(payload: bytes) -> Oid:
    """Return the id of an object's canonical payload: BLAKE3 in derive-key mode, 32 bytes (OID-1)."""
    hasher = _HASHER.copy()
    hasher.update(payload)
    return hasher.digest()


def split_oids(joined: bytes) -> tuple[Oid, ...]:
    """Return the oids that lie end to end in bytes."""
    return _layout(len(joined) // OID_BYTES).unpack(joined)


@lru_cache(maxsize=1024)
def _layout(count: int) -> Struct:
    return Struct(f"{OID_BYTES}s" * count)


def parse_oid(text: str) -> Oid:
    """Return the oid that 64 lower-case hexadecimal digits spell; UsageError for any other text (OID-2)."""
    try:
        oid = bytes.fromhex(text)
    except ValueError:
        oid = b""
    if len(oid) != OID_BYTES or oid.hex() != text:
        raise UsageError(
            f"{text[:80]!r} is not an object id",
            hint="a full id is 64 lower-case hexadecimal digits, as `themis show` prints it",
        )
    return oid


def is_prefix(text: str) -> bool:
    """Say whether `text` can abbreviate an oid: 4 to 64 lower-case hexadecimal digits (OID-3)."""
    return MIN_PREFIX <= len(text) <= 2 * OID_BYTES and _HEX.fullmatch(text) is not None
