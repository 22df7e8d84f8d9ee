"""Verifying refs by their signatures (SIG-11 to SIG-14). Nothing is written: what is to be remembered is given back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from themis_vcs.errors import Corrupt
from themis_vcs.model.oid import Oid
from themis_vcs.signing import accepted as memory
from themis_vcs.signing.signature import Signature, read
from themis_vcs.signing.statement import SIGNATURES
from themis_vcs.signing.trust import Trust

MAX_SIGNATURES: Final = 64
"""Of a ref so many signatures are looked at."""

Outcome = Literal["verified", "not verified", "unsigned", "damaged"]
Read = Callable[[Oid], bytes]


class Checked(NamedTuple):
    """One signature of a ref. `code` is "valid", "damaged", or what it is refused for; `reason` says it in words.

    `signer` is the name in the trust file, `time` in ns since 1970 as the signer states it.
    """

    ref: str
    code: str
    reason: str
    key: str | None = None
    signer: str | None = None
    sequence: int | None = None
    time: int | None = None
    target: str | None = None


class Verified(NamedTuple):
    """What the signatures say of a ref that points to `target`. `more` were not looked at."""

    ref: str
    target: Oid
    outcome: Outcome
    signatures: list[Checked]
    more: int = 0

    @property
    def valid(self) -> list[Checked]:
        """The signatures that count."""
        return [each for each in self.signatures if each.code == "valid"]

    @property
    def reason(self) -> str:
        """Why it is not verified, in a line."""
        if not self.signatures:
            return "nobody has signed it"
        return "; ".join(f"{each.signer or each.key or each.ref}: {each.reason}" for each in self.signatures[:4])


class Verifier:
    """Verifies refs of the store with the id `store`.

    `read_object` gives the payload of a signature's object, `fact` what the store remembers. `facts` gathers what it
    is to remember.
    """

    def __init__(
        self, trust: Trust, store: bytes | None, read_object: Read, fact: Callable[[str], bytes | None]
    ) -> None:
        self._trust, self._store = trust, None if store is None else store.hex()
        self._read, self._fact = read_object, fact
        self.facts: dict[str, bytes] = {}

    def ref(self, about: str, target: Oid, signatures: Sequence[tuple[str, Oid]]) -> Verified:
        """Verify the ref `about` that points to `target`; its signatures are (key in hex, oid)."""
        known = self._trust.hexes
        ordered = sorted(signatures, key=lambda each: (each[0] not in known, each))
        checked = [self._check(about, target, key, oid) for key, oid in ordered[:MAX_SIGNATURES]]
        codes = {each.code for each in checked}
        outcome: Outcome = "not verified" if codes else "unsigned"
        if "damaged" in codes:
            outcome = "damaged"
        elif "valid" in codes:
            outcome = "verified"
        return Verified(about, target, outcome, checked, len(ordered) - len(checked))

    def _check(self, about: str, target: Oid, key: str, oid: Oid) -> Checked:
        name = f"{SIGNATURES}{key}/{about}"
        try:
            found = read(name, oid, self._read(oid))
        except Corrupt as error:
            return Checked(name, "damaged", error.message)
        objection = self._objection(found, target)
        code, reason = objection or ("valid", "")
        who, said = self._trust.find(found.key), found.statement
        return Checked(
            name,
            code,
            reason,
            found.key.fingerprint,
            None if who is None else who.name,
            said.sequence,
            said.time,
            said.target,
        )

    def _objection(self, found: Signature, target: Oid) -> tuple[str, str] | None:
        """Return for what a signature that is whole is refused, None if it counts."""
        objection = self._distrust(found) or self._contradicted(found)
        if objection is None and found.statement.target != target.hex():
            signed, there = found.statement.target[:12], target.hex()[:12]
            return "other-target", f"it is of {signed}, and the ref is at {there}"
        return objection

    def _distrust(self, found: Signature) -> tuple[str, str] | None:
        who, said = self._trust.find(found.key), found.statement
        if who is None:
            return "unknown-key", f"the key is not in {self._trust.source or 'the trust file'}"
        if who.revoked is not None:
            return "revoked", f"the key was revoked: {who.revoked.reason}"
        if not who.allows(said.ref):
            return "not-allowed", f"the key is trusted for {', '.join(who.refs)}, not for {said.ref}"
        if said.store != self._store and said.store not in who.stores:
            return "other-store", f"it is of store {said.store}, and this one is {self._store or 'without an id'}"
        return None

    def _contradicted(self, found: Signature) -> tuple[str, str] | None:
        fact = memory.fact_of(found)
        objection = memory.objection(found, memory.decode(self.facts.get(fact) or self._fact(fact)))
        if objection is None:
            self.facts[fact] = memory.accepted(found).encode()
        return objection


def verify_all(
    verifier: Verifier, asked: Iterable[tuple[str, Oid]], signatures: Mapping[str, list[tuple[str, Oid]]]
) -> list[Verified]:
    """Verify refs, (name that is signed, where it points) each."""
    return [verifier.ref(about, target, signatures.get(about, ())) for about, target in asked]
