"""Which signatures of refs count, and what each of the others is refused for (SIG-11 to SIG-14)."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from tests.support.signing import REF, SignedStore, new_signer, trusting
from themis_vcs.errors import DamagedSignature, Rejected, UsageError
from themis_vcs.model.objects import Value
from themis_vcs.signing import signature
from themis_vcs.signing.asking import verify
from themis_vcs.signing.ed25519 import PublicKey
from themis_vcs.signing.envelope import pae
from themis_vcs.signing.sign import sign
from themis_vcs.signing.statement import PAYLOAD_TYPE, can_be_signed, signature_ref
from themis_vcs.signing.trust import Revocation
from themis_vcs.store.backend import RefUpdate
from themis_vcs.transfer.kinds import check_ref

IDENTITY = bytes([1]) + bytes(31)
"""A public key of small order: under it the signature below fits every text."""
UNIVERSAL = IDENTITY + bytes(32)


@pytest.fixture
def signed() -> SignedStore:
    return SignedStore()


def test_a_signature_of_a_trusted_key_over_where_the_ref_is_verifies_it(signed: SignedStore) -> None:
    found = signed.verify()
    assert found.outcome == "verified"
    (valid,) = found.valid
    assert (valid.signer, valid.sequence, valid.target) == ("key-0", 1, signed.run.run.hex())
    assert signed.verify("tags/v1").outcome == "verified"


def test_a_ref_without_signatures_is_unsigned(signed: SignedStore) -> None:
    signed.repository.commit([RefUpdate("names/other", signed.run.run)], message="")
    assert signed.verify("names/other").outcome == "unsigned"


def test_the_next_signature_continues_the_one_before(signed: SignedStore) -> None:
    before = signed.run.run
    after = signed.next_run()
    assert signed.codes() == ["other-target"]
    (made,) = sign(signed.repository, {REF: after}, signed.signer)
    said = made.signature.statement
    assert (said.sequence, said.previous, said.target) == (2, before.hex(), after.hex())
    assert signed.codes() == ["valid"]
    assert not sign(signed.repository, {REF: after}, signed.signer)[0].new
    assert sign(signed.repository, {REF: after}, signed.signer, force=True)[0].signature.statement.sequence == 3


def test_an_unknown_key_is_refused(signed: SignedStore) -> None:
    assert signed.codes(trust=trusting(new_signer().key)) == ["unknown-key"]
    assert signed.codes(trust=trusting()) == ["unknown-key"]


def test_a_key_is_refused_for_refs_that_its_patterns_do_not_fit(signed: SignedStore) -> None:
    for patterns, code in (
        (["names/demo"], "valid"),
        (["names/d*"], "valid"),
        (["tags/*"], "not-allowed"),
        (["demo"], "not-allowed"),
        (["names/dem"], "not-allowed"),
        (["names/DEMO"], "not-allowed"),
    ):
        assert signed.codes(trust=trusting(signed.signer.key, refs=patterns)) == [code], patterns


def test_a_revoked_key_is_refused_whatever_time_it_states(signed: SignedStore) -> None:
    revoked = Revocation(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), "lost")
    signed.put(signed.forge(time=1))
    assert signed.codes(trust=trusting(signed.signer.key, revoked=revoked)) == ["revoked"]


def test_a_signature_of_another_store_is_refused_unless_it_is_named(signed: SignedStore) -> None:
    other = "ab" * 16
    signed.put(signed.forge(store=other))
    assert signed.codes() == ["other-store"]
    assert signed.codes(trust=trusting(signed.signer.key, stores=["cd" * 16])) == ["other-store"]
    assert signed.codes(trust=trusting(signed.signer.key, stores=[other])) == ["valid"]


def test_a_signature_bound_to_another_ref_is_damage(signed: SignedStore) -> None:
    signed.repository.commit([RefUpdate("names/other", signed.run.run)], message="")
    oid = signed.repository.ref(signature_ref(signed.signer.key, REF))
    assert oid is not None
    signed.point(oid, "names/other")
    found = signed.verify("names/other")
    assert (found.outcome, found.signatures[0].code) == ("damaged", "damaged")
    assert "another ref, names/demo" in found.signatures[0].reason


def test_a_signature_under_another_key_is_damage(signed: SignedStore) -> None:
    other = new_signer()
    signed.put(signed.forge(other), key=signed.signer.key)
    assert "another key" in signed.verify().signatures[0].reason


def test_an_older_signature_is_refused_once_a_newer_one_was_accepted(signed: SignedStore) -> None:
    old, old_run = signed.repository.ref(signature_ref(signed.signer.key, REF)), signed.run.run
    assert old is not None and signed.codes() == ["valid"]
    sign(signed.repository, {REF: signed.next_run()}, signed.signer)
    signed.repository.commit([RefUpdate(REF, old_run)], message="rollback")
    signed.point(old)
    assert signed.codes() == ["rolled-back"]


def test_a_replay_after_all_refs_were_deleted_is_refused(signed: SignedStore) -> None:
    name = signature_ref(signed.signer.key, REF)
    old, old_run = signed.repository.ref(name), signed.run.run
    assert old is not None
    sign(signed.repository, {REF: signed.next_run()}, signed.signer)
    signed.repository.commit([RefUpdate(REF, None), RefUpdate(name, None)], message="delete")
    signed.repository.commit([RefUpdate(REF, old_run), RefUpdate(name, old)], message="replay")
    assert signed.codes() == ["rolled-back"]
    (made,) = sign(signed.repository, {REF: old_run}, signed.signer)
    assert made.signature.statement.sequence == 3


def test_of_two_signatures_with_one_sequence_the_first_counts(signed: SignedStore) -> None:
    assert signed.codes() == ["valid"]
    signed.put(signed.forge(sequence=1, time=2))
    assert signed.codes() == ["conflict"]
    with pytest.raises(Rejected, match="two signatures"):
        sign(signed.repository, {REF: signed.next_run()}, signed.signer)


def test_the_next_signature_must_name_what_the_one_before_was_of(signed: SignedStore) -> None:
    assert signed.codes() == ["valid"]
    signed.put(signed.forge(sequence=2, previous="00" * 32))
    assert signed.codes() == ["broken-chain"]
    signed.put(signed.forge(sequence=2, previous=signed.run.run.hex()))
    assert signed.codes() == ["valid"]


def test_what_was_refused_is_not_remembered(signed: SignedStore) -> None:
    signed.put(signed.forge(sequence=50))
    assert signed.codes(trust=trusting()) == ["unknown-key"]
    signed.put(signed.forge(sequence=3))
    assert signed.codes() == ["valid"]


def test_what_was_accepted_is_remembered_by_who_only_verifies(signed: SignedStore) -> None:
    signed.put(signed.forge(sequence=5))
    assert signed.codes() == ["valid"]
    signed.put(signed.forge(sequence=4))
    assert signed.codes() == ["rolled-back"]


def test_a_statement_under_the_signature_of_another_is_damage(signed: SignedStore) -> None:
    one, other = signed.forge(sequence=2), signed.forge(sequence=3)
    signed.put(replace(one, payload=other.payload))
    found = signed.verify()
    assert found.outcome == "damaged" and "not of the key" in found.signatures[0].reason


def test_a_damaged_signature_beside_a_good_one_is_not_passed_over(signed: SignedStore) -> None:
    signed.put(Value("signature", {}), key=new_signer().key)
    assert signed.verify().outcome == "damaged"


def test_a_damaged_signature_is_signed_over(signed: SignedStore) -> None:
    signed.put(Value("signature", {}))
    assert signed.verify().outcome == "damaged"
    (made,) = sign(signed.repository, {REF: signed.run.run}, signed.signer)
    assert made.signature.statement.sequence == 2
    assert signed.codes() == ["valid"]


def test_a_key_of_small_order_signs_nothing(signed: SignedStore) -> None:
    """cryptography accepts this signature; that it cannot be a key's is ours to say."""
    key = PublicKey(IDENTITY)
    payload = signed.statement().encode()
    assert key.verifies(UNIVERSAL, pae(PAYLOAD_TYPE, payload))
    data = {"key": IDENTITY, "payload": payload, "payload_type": PAYLOAD_TYPE, "signature": UNIVERSAL}
    signed.put(Value("signature", data), key=key)
    found = signed.verify(trust=trusting(key))
    assert found.outcome == "damaged"
    assert any("small order" in each.reason for each in found.signatures)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"ref":"names/demo","previous":null,"sequence":1,"store":"%s","target":"%s","time":1}',
        b'{"previous":null, "ref":"names/demo","sequence":1,"store":"%s","target":"%s","time":1}',
        b'{"previous":null,"ref":"names/demo","sequence":1,"store":"%s","target":"%s","time":1,"valid":true}',
        b'{"previous":null,"ref":"names/demo","sequence":1,"sequence":1,"store":"%s","target":"%s","time":1}',
        b'{"previous":null,"ref":"names/demo","sequence":0,"store":"%s","target":"%s","time":1}',
        b'{"previous":null,"ref":"names/demo","sequence":1.0,"store":"%s","target":"%s","time":1}',
        b'{"previous":null,"ref":"names/../demo","sequence":1,"store":"%s","target":"%s","time":1}',
        b'{"previous":null,"ref":"remotes/a/b","sequence":1,"store":"%s","target":"%s","time":1}',
        b'{"previous":null,"ref":"names/demo","sequence":1,"store":"%s","target":"%s"}',
        b'{"previous":null,"ref":"names/demo","sequence":1,"store":"%s","target":"%s","time":99999999999999999999}',
    ],
)
def test_a_statement_has_one_spelling(signed: SignedStore, payload: bytes) -> None:
    said = payload % (signed.store.encode(), signed.run.run.hex().encode())
    made = signed.signer.sign(pae(PAYLOAD_TYPE, said))
    data = {"key": signed.signer.key.raw, "payload": said, "payload_type": PAYLOAD_TYPE, "signature": made}
    signed.put(Value("signature", data))
    assert signed.verify().outcome == "damaged"


@pytest.mark.parametrize(
    "name",
    [
        "signatures/names/demo",
        "signatures/{key}/names/../../runs/x",
        "signatures/{key}/runs/00/head",
        "signatures/{key}/remotes/a/b",
        "signatures/{key}/signatures/{key}/names/demo",
        "signatures/{KEY}/names/demo",
        "signatures/{key}/names",
    ],
)
def test_a_signature_lies_under_its_key_and_its_ref_only(signed: SignedStore, name: str) -> None:
    key = signed.signer.key.hex
    made = signed.forge().to_value()
    oid = signed.repository.put(made)
    with pytest.raises(DamagedSignature):
        check_ref(name.format(key=key, KEY=key.upper()), oid, signed.repository.read(oid))


def test_a_ref_whose_name_leaves_no_room_cannot_be_signed(signed: SignedStore) -> None:
    longest = "names/" + "x" * 150
    assert can_be_signed(longest) and not can_be_signed(longest + "x")
    with pytest.raises(UsageError, match="cannot be signed"):
        sign(signed.repository, {longest + "x": signed.run.run}, signed.signer)


def test_a_signer_that_gives_something_else_is_found_out(signed: SignedStore) -> None:
    class Liar:
        key, key_id = new_signer().key, signed.signer.key.fingerprint

        def sign(self, data: bytes) -> bytes:
            return signed.signer.sign(data)

    with pytest.raises(DamagedSignature, match="is none"):
        signature.make(signed.statement(), Liar.key, Liar())


def test_of_thousands_of_signatures_few_are_looked_at_and_those_of_trusted_keys_first(signed: SignedStore) -> None:
    oid = signed.repository.ref(signature_ref(signed.signer.key, REF))
    assert oid is not None
    others = [RefUpdate(f"signatures/{number:032x}/{REF}", oid) for number in range(3_000)]
    signed.repository.commit(others, message="flood")
    found = signed.verify()
    assert (len(found.signatures), found.more) == (64, 2_937)
    assert found.signatures[0].code == "valid"


def test_all_that_is_signed_is_verified_if_nothing_is_asked_for(
    signed: SignedStore, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("empty")))
    assert [(each.ref, each.found.outcome) for each in verify(signed.repository, [])] == [
        ("names/demo", "not verified"),
        ("tags/v1", "not verified"),
    ]
