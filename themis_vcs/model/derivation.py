"""Derivation keys: the name of a computation, made of exactly what the component could see (DER-1 …).

Not responsible for what a component can see (`evaluation`), nor for looking keys up (the store).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from blake3 import blake3

from themis_vcs.model.codec import pack, pack_known
from themis_vcs.model.objects import Step
from themis_vcs.model.oid import Oid

STAGES: Final = ("generate", "reduce", "parse", "score", "judge")

DERIVATION_CONTEXT: Final = "themis_vcs 2026-11-23 derivation v1"
TRACK_CONTEXT: Final = "themis_vcs 2026-11-23 track v1"
SEED_CONTEXT: Final = "themis_vcs 2026-11-23 seed v1"

_DERIVATION = blake3(derive_key_context=DERIVATION_CONTEXT)
_TRACK = blake3(derive_key_context=TRACK_CONTEXT)
_SEED = blake3(derive_key_context=SEED_CONTEXT)


def derivation_key(
    stage: str, fingerprint: bytes, params: Oid, inputs: Sequence[Oid], case: str, seed: int | None
) -> bytes:
    """Return the key of one step, 32 bytes (DER-1).

    `inputs` are oids of values, in the order in which the component gets them.
    """
    hasher = _DERIVATION.copy()
    hasher.update(pack_known((stage, fingerprint, params, inputs, case, seed)))
    return hasher.digest()


def key_of(step: Step) -> bytes:
    """Return the key under which a recorded step is found again."""
    return derivation_key(step.stage, step.fingerprint, step.params, step.inputs, step.case, step.seed)


def track_key(
    stage: str,
    track_id: str,
    fingerprint: bytes,
    params: Oid,
    fanout: int,
    seeds: Sequence[int],
    inputs: Sequence[tuple[str, Oid]],
) -> bytes:
    """Return the key of a whole track, 32 bytes (DER-3).

    `seeds` are those that the seeds of its steps come from. `inputs` are (name, root of the values tree);
    without any, it is the key of the track over whatever inputs.
    """
    hasher = _TRACK.copy()
    hasher.update(pack((stage, track_id, fingerprint, params, fanout, seeds, inputs)))
    return hasher.digest()


def derive_seed(base: int, *parts: str | int) -> int:
    """Return a seed, 0 ≤ seed < 2**31, that depends on `base` and on every part, in order (DER-4)."""
    hasher = _SEED.copy()
    hasher.update(pack((base, *parts)))
    return int.from_bytes(hasher.digest(length=4), "big") & 0x7FFF_FFFF
