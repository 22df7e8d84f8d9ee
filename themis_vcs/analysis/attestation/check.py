"""Checking attestations: who has signed one, and whether a store's run is what it states (ATT-5, ATT-6)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from themis_vcs.analysis.attestation.attest import OID, PAYLOAD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE, digest
from themis_vcs.analysis.attestation.predicate import predicate
from themis_vcs.analysis.differences import Difference, differences
from themis_vcs.analysis.lookup import Located
from themis_vcs.errors import DamagedSignature, NotVerified
from themis_vcs.signing.envelope import Envelope, verify
from themis_vcs.signing.trust import Trust, TrustedKey
from themis_vcs.store.repository import Repository

_COMPARED: Final = ("run", "inputs", "components", "environment", "results")


class Subject(Struct, frozen=True):
    """What an attestation is about."""

    name: str
    digest: dict[str, str]


class Statement(Struct, frozen=True, rename={"type": "_type", "predicate_type": "predicateType"}):
    """What an attestation states."""

    type: str
    subject: list[Subject]
    predicate_type: str
    predicate: dict[str, Any]


class Attested(Struct, frozen=True):
    """An attestation that a trusted key has signed: whose, by the name in the trust file, and what it states."""

    signer: str
    key: str
    name: str
    oid: str
    statement: Statement


def verified(data: bytes, trust: Trust) -> Attested:
    """Return an attestation that a trusted key has signed. DamagedSignature, NotVerified."""
    try:
        return _verified(data, trust)
    except DamagedSignature as error:
        error.hint = "get the file again from where it comes"
        raise


def _verified(data: bytes, trust: Trust) -> Attested:
    envelope = Envelope.from_json(data)
    statement = _parsed(envelope.payload) if envelope.payload_type == PAYLOAD_TYPE else None
    name = "" if statement is None else statement.subject[0].name
    counting = [each for each in trust.keys if each.revoked is None and each.allows(name)]
    try:
        signed = verify(envelope, PAYLOAD_TYPE, [each.key for each in counting])
    except NotVerified as error:
        others = {each.key.fingerprint: each for each in trust.keys if each not in counting}
        # Only what a key has signed may be held against it.
        found = others[verify(envelope, PAYLOAD_TYPE, [each.key for each in others.values()])]
        raise _uncounted(found, name) from error
    assert statement is not None
    signer = next(each.name for each in counting if each.key.fingerprint == signed)
    return Attested(signer, signed, name, statement.subject[0].digest.get(OID, ""), statement)


def _uncounted(key: TrustedKey, name: str) -> NotVerified:
    """Return why what a key has signed does not count."""
    if key.revoked is not None:
        what, hint = f"was revoked: {key.revoked.reason}", "it must be attested again, with another key"
    else:
        what = f"is trusted for {', '.join(key.refs)}, not for {name[:200]}"
        hint = f"`themis key trust KEY --as {key.name} --ref PATTERN` says anew which refs it may sign"
    return NotVerified(f"it is signed, but the key {key.name} {what}", hint=hint)


def _parsed(payload: bytes) -> Statement:
    try:
        found = msgspec.json.decode(payload, type=Statement)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedSignature(f"not the statement of an attestation: {error}") from error
    if (found.type, found.predicate_type) != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise DamagedSignature(f"not the statement of an evaluation, but a {found.predicate_type[:100]!r}")
    if len(found.subject) != 1:
        raise DamagedSignature(f"an attestation of {len(found.subject)} subjects, not of one")
    return found


def disagreements(repository: Repository, found: Located, attested: Attested) -> list[Difference]:
    """Return in what a run of a store differs from what an attestation states."""
    stated = attested.statement.predicate
    old = {"subject": attested.statement.subject[0].digest, **{each: stated.get(each) for each in _COMPARED}}
    return differences(old, {"subject": digest(repository, found.oid), **predicate(repository, found)})
