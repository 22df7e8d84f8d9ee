"""Signatures with something changed in them are refused, whoever computes the hashes again; damaged ones are named.

The first test always tries its 2,000; of bits flipped in a store, THEMIS_FAULTS=full tries 2,000 instead of 200.
THEMIS_SEED is the seed.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

from tests.support.damage import copy_of
from tests.support.killing import Tally
from tests.support.signing import REF, SignedStore, trusting
from themis_vcs.errors import Corrupt, ThemisError
from themis_vcs.model.oid import oid_of
from themis_vcs.signing import asking
from themis_vcs.signing.statement import SIGNATURES, by_ref, signature_ref
from themis_vcs.signing.trust import Trust
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.kinds import check_ref

CHANGES = 2_000
FLIPS = 2_000 if os.environ.get("THEMIS_FAULTS") == "full" else 200
SEED = int(os.environ.get("THEMIS_SEED", "1"))


def test_a_signature_with_one_byte_changed_is_refused_although_its_hash_is_right() -> None:
    signed = SignedStore()
    name = signature_ref(signed.signer.key, REF)
    oid = signed.repository.ref(name)
    assert oid is not None
    payload = signed.repository.read(oid)
    draw = random.Random(SEED)
    tally = Tally(f"a signature with one byte changed and its oid computed again, seed {SEED}")
    places = draw.sample([(at, by) for at in range(len(payload)) for by in range(1, 256)], CHANGES)
    for at, by in places:
        changed = payload[:at] + bytes([payload[at] ^ by]) + payload[at + 1 :]
        forged = oid_of(changed)
        signed.repository.put_payload(forged, changed, "value:signature", [])
        signed.point(forged)
        found = signed.verify()
        problems = [] if found.outcome == "damaged" and name in found.reason else [f"{found}"]
        try:
            check_ref(name, forged, changed)
            problems.append("a store would have taken it in")
        except Corrupt:
            pass
        tally.add(f"byte {at} ^ {by}", problems, found.outcome)
    signed.point(oid)
    assert signed.verify().outcome == "verified"
    text = tally.report()
    assert tally.failures == [], text
    assert tally.tried == CHANGES


def _said(path: Path, trust: Trust) -> str:
    """What verifying the refs of a store gives, in a child process; an error counts as its code."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receive)
        text = "nothing"
        try:
            text = _verified(path, trust)
        except ThemisError as error:
            text = f"error: {error.code}"
        except BaseException as error:
            text = f"raised {error!r}"
        finally:
            os.write(send, text.encode())
            os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as stream:
        said = stream.read().decode()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return f"signal {-code}" if code < 0 else said


def _verified(path: Path, trust: Trust) -> str:
    with Repository.open(path, readonly=True) as repository:
        verifier = asking.verifier_of(repository, trust)
        signatures = by_ref(dict(repository.refs(SIGNATURES)))
        found = []
        for ref in (REF, "tags/v1"):
            target = repository.ref(ref)
            if target is None:
                return f"error: no {ref}"
            found.append(verifier.ref(ref, target, signatures.get(ref, ())))
        # A damaged signature is named with its ref.
        assert all(each.outcome != "damaged" or SIGNATURES in each.reason for each in found)
        return "damaged" if any(each.outcome == "damaged" for each in found) else repr(found)


def test_a_bit_flipped_in_a_signed_store_is_found_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with Repository.init(path) as repository:
        signed = SignedStore(repository)
        trust = trusting(signed.signer.key)
        frames = [oid for prefix in (SIGNATURES, "store/") for _, oid in repository.refs(prefix)]
    before = _said(path, trust)
    assert "verified" in before and "not verified" not in before
    content = (path / "db" / "data.mdb").read_bytes()
    # A frame begins with its oid, and a signature's takes less than this.
    spots = [place + at for oid in frames if (place := content.find(oid)) >= 0 for at in range(300)]
    draw = random.Random(SEED)
    tally = Tally(f"a bit flipped in a store with signatures, seed {SEED}")
    for number in range(FLIPS):
        place = draw.choice(spots) if number % 2 else draw.randrange(len(content))
        bit = draw.randrange(8)
        copy = copy_of(path, tmp_path / "copy")
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        (copy / "db" / "data.mdb").write_bytes(damaged)
        after = _said(copy, trust)
        harmless = after == before
        found = after.startswith(("error: ", "signal ")) or after == "damaged"
        tally.add(
            f"bit {bit} of byte {place}", [] if harmless or found else [after], "harmless" if harmless else "found"
        )
    text = tally.report()
    assert tally.failures == [], text
    assert 0 < tally.counts["harmless"] < FLIPS
