"""What a signature of a ref says (SIG-6), and the names of the refs that signatures lie under (SIG-8)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from themis_vcs.errors import DamagedSignature, UsageError
from themis_vcs.model import refname
from themis_vcs.model.oid import Oid
from themis_vcs.signing.ed25519 import HEX_DIGITS, PublicKey
from themis_vcs.store.tombstones import TOMBSTONES

PAYLOAD_TYPE: Final = "application/vnd.themis.ref-signature.v1+json"
SIGNATURES: Final = "signatures/"
SIGNED: Final = ("names/", "tags/", TOMBSTONES)
"""The refs that can be signed."""
MAX_PAYLOAD: Final = 2_048
MAX_NUMBER: Final = 2**62
_KEY: Final = re.compile(f"[0-9a-f]{{{HEX_DIGITS}}}", re.ASCII)

Hex32 = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", max_length=32)]
Hex64 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]


class Statement(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a ref of a store points, said by the holder of a key. The fields stand in their order in the bytes."""

    previous: Hex64 | None
    ref: Annotated[str, Meta(max_length=refname.MAX_NAME)]
    sequence: Annotated[int, Meta(ge=1, le=MAX_NUMBER)]
    store: Hex32
    target: Hex64
    time: Annotated[int, Meta(ge=0, le=MAX_NUMBER)]

    def encode(self) -> bytes:
        """Return the bytes that are signed."""
        return msgspec.json.encode(self)


def parse(payload: bytes) -> Statement:
    """Return what a payload says. DamagedSignature if it is not spelled exactly so."""
    if len(payload) > MAX_PAYLOAD:
        raise DamagedSignature(f"the statement of a signature has over {MAX_PAYLOAD:,} bytes")
    try:
        found = msgspec.json.decode(payload, type=Statement)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedSignature(f"not the statement of a signature: {error}") from error
    if found.encode() != payload:
        raise DamagedSignature("not the statement of a signature: its bytes are not the ones that its values have")
    if not can_be_signed(found.ref):
        raise DamagedSignature(f"a signature of {found.ref[:80]!r}, which is no ref that can be signed")
    return found


def can_be_signed(ref: str) -> bool:
    """Say whether a ref of this name can have a signature."""
    try:
        refname.check(ref)
        return ref.startswith(SIGNED) and bool(refname.check(f"{SIGNATURES}{'0' * HEX_DIGITS}/{ref}"))
    except UsageError:
        return False


def signature_ref(key: PublicKey, ref: str) -> str:
    """Return the name of the ref that leads to the signature of a key for a ref. UsageError if that cannot have one."""
    if not can_be_signed(ref):
        room = refname.MAX_NAME - len(SIGNATURES) - HEX_DIGITS - 1
        hint = f"names and tags of at most {room} bytes can"
        raise UsageError(f"{ref[: refname.MAX_NAME]} cannot be signed", hint=hint)
    return f"{SIGNATURES}{key.hex}/{ref}"


def about(name: str) -> tuple[str, str] | None:
    """Return the key and the ref that a ref in `signatures/` is about; None if its name says none."""
    key, _, ref = name.removeprefix(SIGNATURES).partition("/")
    return (key, ref) if name.startswith(SIGNATURES) and _KEY.fullmatch(key) and can_be_signed(ref) else None


def by_ref(refs: Mapping[str, Oid]) -> dict[str, list[tuple[str, Oid]]]:
    """Return which signatures there are for each ref: (key, oid of the signature), by key."""
    found: dict[str, list[tuple[str, Oid]]] = {}
    for name in sorted(refs):
        meant = about(name) if name.startswith(SIGNATURES) else None
        if meant is not None:
            found.setdefault(meant[1], []).append((meant[0], refs[name]))
    return found
