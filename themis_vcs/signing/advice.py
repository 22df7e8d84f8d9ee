"""What a person can do about refs that are not verified, by what their signatures are refused for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from themis_vcs.signing.verify import Verified

_AGAIN: Final = (
    "the name has moved since it was signed: `themis push --signed`, or `themis sign` there, signs where it is"
)
_ADVICE: Final = {
    "unknown-key": "`themis key trust` trusts a key",
    "other-target": _AGAIN,
    "revoked": "a key that was revoked vouches for nothing: another one that is trusted must sign again",
    "not-allowed": "`themis key trust KEY --as NAME --ref PATTERN` says anew which refs a key may sign",
    "other-store": "`themis key trust KEY --as NAME --for-store ID` lets its signatures of that store count",
    "rolled-back": "an older state than was accepted here is shown there: ask who looks after that store",
    "conflict": "a key has signed two states there: ask its owner, who can `themis sign --force`",
    "broken-chain": "a key has signed another line there: ask its owner, who can `themis sign --force`",
    "damaged": "a signature there is damaged: who made it must sign again",
}


def advice(refused: Iterable[Verified]) -> str:
    """Return what to do about some refs that are not verified, each piece of advice once."""
    codes: dict[str, None] = {}
    for each in refused:
        codes.update(dict.fromkeys([signature.code for signature in each.signatures] or ["unknown-key"]))
    return "; ".join(dict.fromkeys(_ADVICE[code] for code in codes if code != "valid"))
