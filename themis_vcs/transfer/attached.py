"""What goes along with refs that travel: their signatures, and the id of the store (SIG-15, SIG-16)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from themis_vcs.errors import DamagedSignature, NotFound, Rejected
from themis_vcs.model.oid import Oid
from themis_vcs.signing import storeid
from themis_vcs.signing.advice import advice
from themis_vcs.signing.signature import MAX_OBJECT, Signature, read
from themis_vcs.signing.statement import SIGNATURES, by_ref
from themis_vcs.signing.trust import Trust
from themis_vcs.signing.verify import MAX_SIGNATURES, Verified, Verifier
from themis_vcs.store.repository import Repository
from themis_vcs.store.tombstones import TOMBSTONES
from themis_vcs.transfer.endpoint import NAMED, Source
from themis_vcs.transfer.sharing import Change
from themis_vcs.transfer.store_endpoint import StoreEndpoint

_NAMED: Final = 3
"""So many of those who have signed and are not trusted are named."""
OTHER: Final = "the other store has another signature of this key with the same sequence"


class Side(NamedTuple):
    """One of two stores: its refs, and a reader of its objects."""

    refs: Mapping[str, Oid]
    source: Source

    def store(self) -> bytes | None:
        """Return its id, None if it has none. DamagedSignature."""
        oid = self.refs.get(storeid.REF)
        return None if oid is None else storeid.read(oid, _small(self.source, [oid])[oid])


def here(repository: Repository) -> Side:
    """Return the store here as a side."""
    endpoint = StoreEndpoint(repository)
    return Side(endpoint.refs(), endpoint)


def attached(refs: Mapping[str, Oid], about: Collection[str], first: Collection[str] = ()) -> dict[str, Oid]:
    """Return those of all refs of a store that go along with some of them.

    Of signatures not too many go with each, those of the keys `first` (in hex) before others.
    """
    found: dict[str, Oid] = {}
    for ref, signatures in by_ref(refs).items():
        if ref in about or ref.startswith(TOMBSTONES):
            ordered = sorted(signatures, key=lambda each: each[0] not in first)
            found.update((f"{SIGNATURES}{key}/{ref}", oid) for key, oid in ordered[:MAX_SIGNATURES])
    found.update((ref, oid) for ref, oid in refs.items() if ref == storeid.REF or ref.startswith(TOMBSTONES))
    return found


def going_along(repository: Repository, refs: Mapping[str, Oid]) -> dict[str, Oid]:
    """Return what goes into a file with refs of a store: signatures of those that are where they are there, tombstones,
    and the id of the store.
    """
    known = here(repository).refs
    return attached(known, {ref for ref, oid in refs.items() if known.get(ref) == oid})


def is_crowded(refs: Mapping[str, Oid], about: Collection[str]) -> bool:
    """Say whether a ref has more signatures than go along."""
    return any(len(found) > MAX_SIGNATURES for ref, found in by_ref(refs).items() if ref in about)


def plan_attached(
    origin: Side,
    target: Side,
    about: Collection[str],
    *,
    first: Collection[str] = (),
    insist: Collection[str] = (),
) -> list[Change]:
    """Return what becomes of signatures, and of the store's id, when the refs `about` go from one store to another.

    What stays as it is there is not listed, but for those of `insist`, which then are rejected. The signatures of the
    keys `first` go before others, where there are too many.
    """
    wanted = {ref: oid for ref, oid in attached(origin.refs, about, first).items() if target.refs.get(ref) != oid}
    # Whatever is there already of these stays as it is.
    once = [ref for ref in wanted if not ref.startswith(SIGNATURES)]
    taken = {ref: wanted.pop(ref) for ref in once}
    changes = [Change(ref, ref, None, oid, "new") for ref, oid in taken.items() if ref not in target.refs]
    if not wanted:
        return changes
    store = target.store() or origin.store()
    theirs = _small(origin.source, list(wanted.values()))
    known = {ref: target.refs[ref] for ref in wanted if ref in target.refs}
    ours = _small(target.source, list(known.values()))
    for ref, oid in wanted.items():
        old = known.get(ref)
        change = _change(ref, (old, oid), theirs[oid], None if old is None else ours[old], store)
        if change.outcome != "unchanged":
            changes.append(change)
        elif ref in insist:
            changes.append(change._replace(outcome="rejected", reason=OTHER))
    return changes


def plan_detached(refs: Mapping[str, Oid], deleted: Iterable[Change]) -> list[Change]:
    """Return the signatures in a store whose refs are taken away there, to go with them."""
    gone = {change.ref for change in deleted if change.outcome == "deleted"}
    found = {f"{SIGNATURES}{key}/{ref}": oid for ref, made in by_ref(refs).items() if ref in gone for key, oid in made}
    return [Change(ref, ref, oid, None, "deleted") for ref, oid in found.items()]


def _change(
    ref: str, oids: tuple[Oid | None, Oid], new_payload: bytes, old_payload: bytes | None, store: bytes | None
) -> Change:
    old, new = oids
    try:
        made = read(ref, new, new_payload)
    except DamagedSignature as error:
        return Change(ref, ref, old, new, "rejected", error.message)
    if old is None or old_payload is None:
        return Change(ref, ref, old, new, "new")
    try:
        newer = _rank(made, store) > _rank(read(ref, old, old_payload), store)
    except DamagedSignature:
        newer = True
    return Change(ref, ref, old, new, "updated" if newer else "unchanged")


def _rank(signature: Signature, store: bytes | None) -> tuple[bool, int]:
    return store is not None and signature.statement.store == store.hex(), signature.statement.sequence


def _small(source: Source, oids: Sequence[Oid]) -> dict[Oid, bytes]:
    """Return payloads of objects that are small if they are what they should be; of others only the beginning."""
    found: dict[Oid, bytes] = {}
    for item in source.objects(list(dict.fromkeys(oids))) if oids else ():
        found[item.frame.oid] = item.payload[: MAX_OBJECT + 1]
    return found


def verified(
    repository: Repository, there: Side, about: Iterable[str], trust: Trust
) -> tuple[list[Verified], Verifier]:
    """Verify refs as another store shows them, by the signatures of trusted keys that it shows."""
    refs, known = list(about), trust.hexes
    signatures = {
        ref: [each for each in found if each[0] in known]
        for ref, found in by_ref({ref: oid for ref, oid in there.refs.items() if ref.startswith(SIGNATURES)}).items()
    }
    payloads = _small(there.source, [oid for ref in refs for _, oid in signatures.get(ref, ())])
    store = storeid.store_id(repository) or there.store()
    verifier = Verifier(trust, store, payloads.__getitem__, repository.local)
    return [verifier.ref(ref, there.refs[ref], signatures.get(ref, ())) for ref in refs], verifier


def must_be_signed(selected: Iterable[str], patterns: Sequence[str], *, of: str, each: bool) -> list[str]:
    """Return the refs that patterns of names, tags or full names mean. NotFound if `each` must mean one."""
    found: dict[str, None] = {}
    refs = [ref for ref in selected if ref.startswith(NAMED)]
    for pattern in patterns:
        meant = [ref for ref in refs if any(fnmatchcase(ref, prefix + pattern) for prefix in (*NAMED, ""))]
        if each and not meant:
            what = f"nothing that comes from {of} is {pattern!r}, which must be signed"
            raise NotFound(what, hint="a pattern is of names, tags or full names of refs, as in 'paper*'")
        found.update(dict.fromkeys(meant))
    return list(found)


def require(repository: Repository, there: Side, about: Sequence[str], trust: Trust, shown: str) -> dict[str, bytes]:
    """Return the facts to remember if all refs `about` are verified. Rejected if one is not."""
    found, verifier = verified(repository, there, about, trust)
    refused = [each for each in found if each.outcome != "verified"]
    why = {each.ref: each.reason if each.signatures else _untrusted(there, each.ref) for each in refused}
    wrong = [(ref.split("/", 1)[1], f"not verified: {reason}") for ref, reason in why.items()]
    if wrong:
        raise Rejected(shown, wrong, hint=f"nothing was moved; {advice(refused)}")
    return verifier.facts


def _untrusted(there: Side, ref: str) -> str:
    """Say who has signed a ref that nobody who is trusted has signed."""
    found = by_ref(there.refs).get(ref, [])
    payloads = _small(there.source, [oid for _, oid in found[:_NAMED]])
    signers = []
    for key, oid in found[:_NAMED]:
        with suppress(DamagedSignature):
            signers.append(read(f"{SIGNATURES}{key}/{ref}", oid, payloads[oid]).key.fingerprint)
    if not signers:
        return "nobody who is trusted has signed it"
    more = f", and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"nobody who is trusted has signed it; signed by {', '.join(signers)}{more}"
