"""A signature of a ref as an object: its data, and whether it is whole (SIG-7, SIG-9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from themis_vcs.errors import DamagedSignature, ThemisError, UsageError
from themis_vcs.model.objects import Value, load
from themis_vcs.model.oid import Oid
from themis_vcs.signing import envelope
from themis_vcs.signing.ed25519 import KEY_BYTES, SIGNATURE_BYTES, PublicKey, public_key
from themis_vcs.signing.envelope import Envelope, Signer
from themis_vcs.signing.statement import PAYLOAD_TYPE, SIGNATURES, Statement, about, parse

TYPE: Final = "signature"
MAX_OBJECT: Final = 4_096
_FIELDS: Final = {"key": bytes, "payload": bytes, "payload_type": str, "signature": bytes}


@dataclass(frozen=True)
class Signature:
    """A signature that is whole: whose key this is and what it says."""

    key: PublicKey
    statement: Statement
    payload: bytes
    signature: bytes

    @property
    def envelope(self) -> Envelope:
        """The signature as DSSE has it."""
        return Envelope(PAYLOAD_TYPE, self.payload, ((self.key.fingerprint, self.signature),))

    def to_value(self) -> Value:
        """Return the object."""
        data = {"key": self.key.raw, "payload": self.payload, "payload_type": PAYLOAD_TYPE, "signature": self.signature}
        return Value(TYPE, data)


def make(statement: Statement, key: PublicKey, signer: Signer) -> Signature:
    """Sign a statement with the key of a signer. DamagedSignature if the signer gives something else back."""
    made = envelope.sign(PAYLOAD_TYPE, statement.encode(), signer)
    ((_, signed),) = made.signatures
    if not key.verifies(signed, envelope.pae(made.payload_type, made.payload)):
        raise DamagedSignature(f"what was to be a signature of {key.fingerprint} is none", hint="look at the ssh-agent")
    return Signature(key, statement, made.payload, signed)


def read(ref: str, oid: Oid, payload: bytes) -> Signature:
    """Return the signature that a ref in `signatures/` points to, whole. DamagedSignature."""
    try:
        return _read(ref, payload)
    except ThemisError as error:
        raise DamagedSignature(f"ref {ref}: {error.message}", oid=oid, ref=ref) from error


def _read(ref: str, payload: bytes) -> Signature:
    meant = about(ref)
    if meant is None:
        raise UsageError(f"this is no name of a signature; it is {SIGNATURES}KEY/REF")
    if len(payload) > MAX_OBJECT:
        raise UsageError(f"a signature has at most {MAX_OBJECT:,} bytes")
    value = load(payload, Value)
    data = value.data
    if value.type != TYPE or not isinstance(data, dict) or data.keys() != _FIELDS.keys():
        raise UsageError(f"a {value.type[:40]!r} value is no signature")
    if any(type(data[name]) is not kind for name, kind in _FIELDS.items()) or len(data["key"]) != KEY_BYTES:
        raise UsageError("a field of the signature is not of its type")
    key = public_key(data["key"])
    if key.hex != meant[0]:
        raise UsageError(f"the signature is of another key, {key.fingerprint}")
    signed, said = data["signature"], data["payload"]
    kind = data["payload_type"]
    if kind != PAYLOAD_TYPE or len(signed) != SIGNATURE_BYTES or not key.verifies(signed, envelope.pae(kind, said)):
        raise UsageError(f"the signature is not of the key {key.fingerprint} over what it states")
    statement = parse(said)
    if statement.ref != meant[1]:
        raise UsageError(f"the signature is of another ref, {statement.ref}")
    return Signature(key, statement, said, signed)
