"""Signing refs of a store: the statement, the object, and the ref that leads to it."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from themis_vcs.errors import Corrupt, Rejected
from themis_vcs.model.oid import Oid
from themis_vcs.signing import accepted as memory
from themis_vcs.signing import storeid
from themis_vcs.signing.keys import KeySigner
from themis_vcs.signing.signature import Signature, make, read
from themis_vcs.signing.statement import Statement, signature_ref
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository


class Signed(NamedTuple):
    """A ref that was signed. `new` is false if this key had signed it already where it points."""

    ref: str
    target: Oid
    signature: Signature
    new: bool

    @property
    def name(self) -> str:
        """The ref that leads to the signature."""
        return signature_ref(self.signature.key, self.ref)


def sign(
    repository: Repository,
    refs: Mapping[str, Oid],
    signer: KeySigner,
    *,
    force: bool = False,
    made: Collection[str] = (),
    message: str = "sign",
) -> Sequence[Signed]:
    """Sign refs where they point; those of `made` are made with it. What this key has signed there already stays as it
    is, unless `force` is true.

    UsageError for a ref that cannot be signed, RefConflict if one is elsewhere, Rejected if the key has made two
    signatures in a place.
    """
    names = {ref: signature_ref(signer.key, ref) for ref in refs}  # Before a passphrase or a touch is for nothing.
    store = storeid.store_id(repository)
    moves = [RefUpdate(ref, target, None if ref in made else target) for ref, target in refs.items()]
    if store is None:
        oid, store = storeid.put_new(repository)
        moves.append(RefUpdate(storeid.REF, oid, None))
    signing = _Signing(repository, signer, store.hex(), force)
    done = [signing.sign(names[ref], ref, target) for ref, target in refs.items()]
    repository.commit([*moves, *signing.moves], message=message, local=signing.facts)
    return done


class _Signing:
    """Signs refs one by one, and gathers what is to be written so that it counts."""

    def __init__(self, repository: Repository, signer: KeySigner, store: str, force: bool) -> None:
        self._repository, self._signer, self._store, self._force = repository, signer, store, force
        self.moves: list[RefUpdate] = []
        self.facts: dict[str, bytes] = {}

    def sign(self, name: str, ref: str, target: Oid) -> Signed:
        """Sign a ref; `name` is that of its signature."""
        at = self._repository.ref(name)
        before = None if at is None else self._before(name, at)
        fact = memory.fact_name(self._store, self._signer.key.digest, ref)
        known = memory.decode(self._repository.local(fact))
        signed = not self._force and before is not None and before.statement.target == target.hex()
        if signed and before is not None and memory.objection(before, known) is None:
            self.facts[fact] = memory.accepted(before).encode()
            return Signed(ref, target, before, False)
        last = self._last(ref, before, known)
        statement = Statement(
            previous=None if last is None else last.target.hex(),
            ref=ref,
            sequence=1 if last is None else last.sequence + 1,
            store=self._store,
            target=target.hex(),
            time=time.time_ns(),
        )
        made = make(statement, self._signer.key, self._signer)
        self.moves.append(RefUpdate(name, self._repository.put(made.to_value()), at))
        self.facts[fact] = memory.accepted(made).encode()
        return Signed(ref, target, made, True)

    def _before(self, name: str, at: Oid) -> Signature | None:
        """Return the signature that is there, if it is one of this store. One that is damaged is signed over."""
        try:
            found = read(name, at, self._repository.read(at))
        except Corrupt:
            return None
        return found if found.statement.store == self._store else None

    def _last(self, ref: str, before: Signature | None, known: memory.Accepted | None) -> memory.Accepted | None:
        """Return the newest of the signature that is here and of what was accepted here."""
        found = None if before is None else memory.accepted(before)
        if found is None or known is None:
            return found or known
        if found.sequence == known.sequence and found != known and not self._force:
            why = f"this key has made two signatures with sequence {found.sequence}, in two stores"
            hint = "`themis sign --force` continues the one that was accepted here"
            raise Rejected("this store", [(ref, why)], hint=hint)
        return found if found.sequence > known.sequence else known
