"""What a store remembers of signatures that it accepted: the highest sequence by store, key and ref (SIG-12)."""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from themis_vcs.errors import Corrupt
from themis_vcs.signing.signature import Signature

FACT: Final = "signed:"
_SIZE: Final = 8 + 32 + 32


class Accepted(NamedTuple):
    """The last signature that was accepted: its sequence, its target, the SHA-256 of its payload."""

    sequence: int
    target: bytes
    payload: bytes

    def encode(self) -> bytes:
        """Return the fact."""
        return self.sequence.to_bytes(8, "big") + self.target + self.payload


def accepted(signature: Signature) -> Accepted:
    """Return what is to be remembered of a signature."""
    statement = signature.statement
    digest = hashlib.sha256(signature.payload).digest()
    return Accepted(statement.sequence, bytes.fromhex(statement.target), digest)


def fact_of(signature: Signature) -> str:
    """Return the name of the fact that a signature falls under."""
    return fact_name(signature.statement.store, signature.key.digest, signature.statement.ref)


def fact_name(store: str, key: bytes, ref: str) -> str:
    """Return the name of a fact: store id in hex, SHA-256 of the key, full name of the ref."""
    return f"{FACT}{store}/{key.hex()}/{ref}"


def decode(fact: bytes | None) -> Accepted | None:
    """Return what a fact says. Corrupt."""
    if fact is None:
        return None
    if len(fact) != _SIZE:
        raise Corrupt("what this store remembers of a signature is not what it must be")
    return Accepted(int.from_bytes(fact[:8], "big"), fact[8:40], fact[40:])


def objection(signature: Signature, before: Accepted | None) -> tuple[str, str] | None:
    """Return the code and the reason for which what was accepted before speaks against a signature (SIG-11, 5)."""
    if before is None:
        return None
    found, statement = accepted(signature), signature.statement
    if found.sequence < before.sequence:
        return "rolled-back", f"its sequence is {found.sequence}, and {before.sequence} was accepted here before"
    if found.sequence == before.sequence and found != before:
        return "conflict", f"another signature with sequence {found.sequence} was accepted here before"
    if found.sequence == before.sequence + 1 and statement.previous != before.target.hex():
        return "broken-chain", f"it does not continue the one with sequence {before.sequence} that was accepted here"
    return None
