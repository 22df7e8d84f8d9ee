"""DSSE envelopes: what is signed, their JSON form, signing and verifying (SIG-4, SIG-5).

Not responsible for what a payload says, nor for whom to trust.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from themis_vcs.errors import DamagedSignature, NotVerified
from themis_vcs.signing.ed25519 import PublicKey

MAX_ENVELOPE: Final = 16 << 20
MAX_SIGNATURES: Final = 16


class Signer(Protocol):
    """Whoever has a private key."""

    @property
    def key_id(self) -> str:
        """The fingerprint of the key."""

    def sign(self, data: bytes) -> bytes:
        """Return the signature of data, 64 bytes."""


@dataclass(frozen=True)
class Envelope:
    """A payload, what it is, and signatures of both: (key id, signature). A key id is a hint and decides nothing."""

    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    def to_json(self) -> bytes:
        """Return the JSON form of DSSE v1, sorted, without spaces."""
        document = {
            "payload": _base64(self.payload),
            "payloadType": self.payload_type,
            "signatures": [{"keyid": key_id, "sig": _base64(signature)} for key_id, signature in self.signatures],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Envelope:
        """Return the envelope that has this JSON form. DamagedSignature."""
        if len(data) > MAX_ENVELOPE:
            raise _malformed(f"it has over {MAX_ENVELOPE:,} bytes")
        try:
            document = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_constant)
        except (ValueError, RecursionError) as error:
            raise _malformed(str(error)) from error
        given = _field(document, "signatures", list)
        if not 0 < len(given) <= MAX_SIGNATURES:
            raise _malformed(f"it has {len(given)} signatures, not 1 to {MAX_SIGNATURES}")
        signatures = [(_field(each, "keyid", str, ""), _bytes(_field(each, "sig", str))) for each in given]
        return cls(_field(document, "payloadType", str), _bytes(_field(document, "payload", str)), tuple(signatures))


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed: the pre-authentication encoding of DSSE v1."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload_type: str, payload: bytes, signer: Signer) -> Envelope:
    """Return a payload in an envelope with one signature."""
    return Envelope(payload_type, payload, ((signer.key_id, signer.sign(pae(payload_type, payload))),))


def verify(envelope: Envelope, payload_type: str, keys: Iterable[PublicKey]) -> str:
    """Return the id of the first of some keys that has signed the envelope.

    DamagedSignature if the type is another, or if a signature names one of the keys and is not of it; NotVerified if
    none of the keys is named or has signed.
    """
    if envelope.payload_type != payload_type:
        raise _malformed(f"it holds {envelope.payload_type[:80]!r}, not {payload_type}")
    data = pae(envelope.payload_type, envelope.payload)
    known = list(keys)
    for key in known:
        if any(key.verifies(signature, data) for _, signature in envelope.signatures):
            return key.fingerprint
    named = {key_id for key_id, _ in envelope.signatures} & {key.fingerprint for key in known}
    if named:
        raise _malformed(f"the signature that names {min(named)} is not of that key over this payload")
    raise NotVerified("no key that is trusted has signed this", hint="`themis key list` lists the keys that are")


def _malformed(reason: str) -> DamagedSignature:
    return DamagedSignature(f"not a sound envelope: {reason}", hint="get it again from whoever made it")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field is there twice")
    return found


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _field(document: Any, name: str, kind: type, default: Any = None) -> Any:
    value = document.get(name, default) if isinstance(document, dict) else None
    if not isinstance(value, kind):
        raise _malformed(f"{name} is missing or not of its type")
    return value


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    """Return what base64 of either alphabet stands for, if it is spelled in the one way."""
    standard = text.replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(standard, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _malformed(f"not base64: {error}") from error
    if _base64(data) != standard:
        raise _malformed("base64 with stray bits")
    return data
