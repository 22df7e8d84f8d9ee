"""Making attestations (ATT-1 to ATT-4): the statement about a run, with the verdicts of an audit, in an envelope."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from themis_vcs.analysis.attestation.predicate import predicate
from themis_vcs.analysis.lookup import Located
from themis_vcs.audit.audit import Audit
from themis_vcs.audit.finding import Verdict
from themis_vcs.errors import UsageError
from themis_vcs.signing import envelope
from themis_vcs.signing.envelope import MAX_ENVELOPE, Signer
from themis_vcs.store.repository import Repository

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:themis-vcs:evaluation:v1"
OID: Final = "themisOidV1"


class Attestation(NamedTuple):
    """An attestation as it lies in a file, and the verdicts in it."""

    data: bytes
    verdicts: list[Verdict]


def attest(
    repository: Repository,
    found: Located,
    name: str,
    signer: Signer,
    *,
    tool: str,
    progress: Callable[[int], object] | None = None,
) -> Attestation:
    """Return the attestation of a run under the name of a ref, signed. `tool` is the version of themis.

    `progress` is told how many objects were audited so far.
    """
    audit = Audit(repository, found.oid, progress)
    for _ in audit.findings():
        continue
    verdicts = [
        {"level": each.level, "outcome": each.outcome, "why": each.why, "findings": each.findings}
        for each in audit.verdicts
    ]
    made = {
        **predicate(repository, found),
        "audit": {"verdicts": verdicts},
        "tool": {"name": "themis-vcs", "version": tool},
    }
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": digest(repository, found.oid)}],
        "predicateType": PREDICATE_TYPE,
        "predicate": made,
    }
    data = envelope.sign(PAYLOAD_TYPE, encode(statement), signer).to_json() + b"\n"
    if len(data) > MAX_ENVELOPE:
        raise UsageError(f"the attestation would have {len(data):,} bytes, and {MAX_ENVELOPE:,} are the most")
    return Attestation(data, audit.verdicts)


def digest(repository: Repository, oid: bytes) -> dict[str, str]:
    """Return how a run object is named: by the SHA-256 of its bytes, and by its oid."""
    return {"sha256": hashlib.sha256(repository.read(oid)).hexdigest(), OID: oid.hex()}


def encode(statement: dict[str, Any]) -> bytes:
    """Return a statement as the bytes that are signed."""
    text = json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()
