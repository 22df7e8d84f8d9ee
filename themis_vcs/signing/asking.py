"""What a person asks about refs of a store: which refs are meant, and whether their signatures verify them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from themis_vcs.errors import NotFound, UsageError
from themis_vcs.model.oid import Oid
from themis_vcs.model.revision import parse
from themis_vcs.signing import storeid
from themis_vcs.signing.statement import SIGNATURES, SIGNED, by_ref
from themis_vcs.signing.trust import Trust, read_trust
from themis_vcs.signing.verify import Verified, Verifier
from themis_vcs.signing.vouching import vouch
from themis_vcs.store.repository import Repository
from themis_vcs.store.resolve import NAMES, REMOTES, ref_of
from themis_vcs.store.view import View


class Meant(NamedTuple):
    """A ref here, the ref whose signatures are about it, and where it points."""

    ref: str
    about: str
    target: Oid


class Answer(NamedTuple):
    """A ref, and what its signatures say."""

    ref: str
    found: Verified


def refs_of(view: View, asked: Iterable[str]) -> list[Meant]:
    """Return the refs that names, tags, names of remotes or full names mean. NotFound; UsageError for other objects."""
    return [_ref_of(view, each) for each in dict.fromkeys(asked)]


def _ref_of(view: View, text: str) -> Meant:
    revision = parse(text)
    ref = ref_of(view, revision.base)
    if ref is None:
        raise NotFound(f"{text!r}: no name or tag like that", hint="`themis ls` lists the names, `themis tag` the tags")
    plain = text == revision.base
    if not plain or not ref.startswith((*SIGNED, REMOTES)):
        raise UsageError(
            f"{text!r} is no name and no tag, and only these are signed", hint="`themis tag NAME REV` gives it a name"
        )
    target = view.ref(ref)
    assert target is not None
    about = NAMES + ref.split("/", 2)[2] if ref.startswith(REMOTES) else ref
    return Meant(ref, about, target)


def verify(repository: Repository, asked: Sequence[str], trust_file: Path | None = None) -> list[Answer]:
    """Verify refs, all that are signed if none is asked for; what is accepted is remembered where the store can be
    written.
    """
    signatures = by_ref(dict(repository.refs(SIGNATURES)))
    meant = refs_of(repository, asked or [ref for ref in signatures if repository.ref(ref) is not None])
    trust = read_trust(trust_file)
    verifier = verifier_of(repository, trust)
    answers = [
        Answer(each.ref, verifier.ref(each.about, each.target, signatures.get(each.about, ()))) for each in meant
    ]
    known = {name: fact for name, fact in verifier.facts.items() if repository.local(name) != fact}
    if known and not repository.readonly:
        repository.commit([], message="", local=known)
    if repository.trust == "signed" and not repository.readonly:
        vouch(repository, (each.found for each in answers), trust)
    return answers


def verifier_of(view: View, trust: Trust) -> Verifier:
    """Return what verifies the refs of a store."""
    return Verifier(trust, storeid.store_id(view), view.read, view.local)


def name_of(view: View, text: str) -> str | None:
    """Return the name or tag that a revision is, in full; None if it is something else."""
    ref = ref_of(view, text) if parse(text).base == text else None
    return ref if ref is not None and ref.startswith(SIGNED) else None


def signatures_of(view: View, ref: str) -> list[tuple[str, Oid]]:
    """Return the refs of the signatures of a ref, and where they point."""
    found = by_ref(dict(view.refs(SIGNATURES))).get(ref, [])
    return [(f"{SIGNATURES}{key}/{ref}", oid) for key, oid in found]


def signers(view: View, refs: Iterable[tuple[str, Oid]], trust_file: Path | None = None) -> dict[str, Verified]:
    """Return what the signatures of names and tags say, for those that have any. Nothing is remembered."""
    signatures = by_ref(dict(view.refs(SIGNATURES)))
    if not signatures:
        return {}
    verifier = verifier_of(view, read_trust(trust_file))
    return {ref: verifier.ref(ref, oid, signatures[ref]) for ref, oid in refs if ref in signatures}
