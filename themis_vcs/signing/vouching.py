"""Which results from elsewhere are reused with `cache.trust = signed`: those of runs that a trusted key has signed.

A signature of a run covers every step that it reaches, and the runs behind it. For each of these steps the store keeps
who vouches for it, so that a key that is revoked vouches for nothing from that moment on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from themis_vcs.model import tree
from themis_vcs.model.derivation import key_of
from themis_vcs.model.objects import Run, Stage, Step, Tag, TreeNode, load
from themis_vcs.model.oid import Oid
from themis_vcs.signing.ed25519 import PublicKey
from themis_vcs.signing.trust import Trust, read_trust
from themis_vcs.signing.verify import Verified
from themis_vcs.store.repository import Repository
from themis_vcs.store.view import VOUCHED, View

_AT_ONCE: Final = 1_000


def admit(view: View) -> None:
    """Let results be reused for which a key vouches that is trusted now, if the store is set to that."""
    if view.trust == "signed":
        view.vouchers = tuple(suffix(key) for key in read_trust().valid)


def suffix(key: PublicKey) -> bytes:
    """Return what follows the derivation key of a step that a key vouches for."""
    return b"\x02" + key.digest[:16]


def vouch(repository: Repository, found: Iterable[Verified], trust: Trust) -> int:
    """Note for the steps that verified refs reach which keys vouch for them; return how many are new."""
    keys = {each.key.fingerprint: each.key for each in trust.keys}
    count = 0
    for each in found:
        for valid in each.valid if each.outcome == "verified" else ():
            count += _vouch(repository, each.target, keys[str(valid.key)])
    return count


def _vouch(repository: Repository, target: Oid, key: PublicKey) -> int:
    count = 0
    facts: dict[str, bytes] = {}
    roots: set[Oid] = set()
    for fact, run in _runs(repository, target, key):
        for stage in (repository.load(oid, Stage) for oid in run.stages):
            for root in {track.steps for track in stage.tracks} - roots:
                count += _note(repository, root, suffix(key))
                roots.add(root)
        facts[fact] = b"1"
    if facts:
        repository.commit([], message="", local=facts)
    return count


def _runs(repository: Repository, target: Oid, key: PublicKey) -> Iterator[tuple[str, Run]]:
    """Yield the run that is meant and those behind it that are here and for which the key does not vouch yet."""
    obj = repository.get(target)
    while isinstance(obj, Tag):
        target = obj.target
        obj = repository.get(target)
    wave, seen = ([target] if isinstance(obj, Run) else []), {target}
    while wave:
        oid = wave.pop()
        fact = f"{VOUCHED}{key.hex}/{oid.hex()}"
        if repository.local(fact) is not None or not repository.has(oid):
            continue
        run = repository.load(oid, Run)
        yield fact, run
        wave += [parent for parent in run.parents if parent not in seen]
        seen.update(run.parents)


def _note(repository: Repository, root: Oid, ending: bytes) -> int:
    def node(oid: Oid) -> TreeNode:
        return repository.load(oid, TreeNode)

    count = 0
    for oid, payload in repository.read_many(oid for _, oid in tree.scan(root, node)):
        repository.record(key_of(load(payload, Step)) + ending, oid)
        count += 1
    return count
