"""Who vouches for a run: the valid signatures of names and tags that are at it. Nothing is remembered of them."""

from __future__ import annotations

import msgspec

from themis_vcs.analysis.moment import moment
from themis_vcs.model.oid import Oid
from themis_vcs.signing.asking import verifier_of
from themis_vcs.signing.statement import SIGNATURES, by_ref
from themis_vcs.signing.trust import read_trust
from themis_vcs.store.repository import Repository
from themis_vcs.store.resolve import resolve


class SignedBy(msgspec.Struct, frozen=True):
    """A signature that counts: of which ref, by whom as the trust file calls them, and when as they say."""

    ref: str
    signer: str
    key: str
    time: str
    sequence: int


def signed_by(repository: Repository, run: Oid) -> list[SignedBy]:
    """The valid signatures of the names and tags that are at a run."""
    signatures = by_ref(dict(repository.refs(SIGNATURES)))
    here = [(ref, oid) for ref in signatures if (oid := repository.ref(ref)) and resolve(repository, ref) == run]
    if not here:
        return []
    verifier = verifier_of(repository, read_trust())
    found = [each for ref, oid in here for each in verifier.ref(ref, oid, signatures[ref]).valid]
    return [
        SignedBy(each.ref.split("/", 2)[2], str(each.signer), str(each.key), moment(each.time or 0), each.sequence or 0)
        for each in found
    ]
