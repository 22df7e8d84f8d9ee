"""DSSE envelopes, held against the specification's example and against securesystemslib (SIG-4, SIG-5)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from securesystemslib.dsse import Envelope as Independent
from securesystemslib.signer import SSlibKey

from tests.support.signing import new_signer
from themis_vcs.errors import DamagedSignature, NotVerified
from themis_vcs.signing.envelope import MAX_ENVELOPE, Envelope, pae, sign, verify

KIND = "http://example.com/HelloWorld"


def test_what_is_signed_is_that_of_the_specification() -> None:
    assert pae(KIND, b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pae("é", b"") == "DSSEv1 2 é 0 ".encode()


def test_the_json_form_is_sorted_without_spaces_and_comes_back() -> None:
    made = sign(KIND, b"hello", new_signer())
    document = made.to_json()
    assert document == json.dumps(json.loads(document), sort_keys=True, separators=(",", ":")).encode()
    assert Envelope.from_json(document) == made


def test_an_independent_implementation_verifies_it_and_we_verify_its() -> None:
    signer = new_signer()
    made = sign(KIND, b"hello", signer)
    theirs = Independent.from_dict(json.loads(made.to_json()))
    key = SSlibKey(signer.key_id, "ed25519", "ed25519", {"public": signer.key.raw.hex()})
    assert list(theirs.verify([key], threshold=1)) == [signer.key_id]
    again = Envelope.from_json(json.dumps(theirs.to_dict()).encode())
    assert verify(again, KIND, [signer.key]) == signer.key_id


def test_a_key_id_decides_nothing() -> None:
    signer, other = new_signer(), new_signer()
    made = sign(KIND, b"hello", signer)
    renamed = Envelope(KIND, b"hello", (("whoever", made.signatures[0][1]),))
    assert verify(renamed, KIND, [other.key, signer.key]) == signer.key_id
    claimed = Envelope(KIND, b"hello", ((other.key_id, made.signatures[0][1]),))
    with pytest.raises(DamagedSignature, match="names"):
        verify(claimed, KIND, [other.key])


def test_an_envelope_of_nobody_who_is_known_is_not_verified() -> None:
    made = sign(KIND, b"hello", new_signer())
    for keys in ([], [new_signer().key]):
        with pytest.raises(NotVerified):
            verify(made, KIND, keys)


def test_a_payload_of_another_type_is_refused() -> None:
    signer = new_signer()
    with pytest.raises(DamagedSignature, match="it holds"):
        verify(sign("application/other", b"hello", signer), KIND, [signer.key])


GOOD: dict[str, Any] = {
    "payload": "aGVsbG8=",
    "payloadType": KIND,
    "signatures": [{"keyid": "x", "sig": base64.b64encode(bytes(64)).decode()}],
}


@pytest.mark.parametrize(
    "changed",
    [
        {"payload": "aGVsbG8"},
        {"payload": "aGVsbG9="},
        {"payload": "aGVs bG8="},
        {"payload": 5},
        {"payloadType": None},
        {"signatures": []},
        {"signatures": {}},
        {"signatures": [{"keyid": 1, "sig": ""}]},
        {"signatures": [{"keyid": "x"}]},
        {"signatures": ["x"]},
        {"signatures": GOOD["signatures"] * 17},
    ],
)
def test_a_malformed_envelope_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(DamagedSignature, match="sound envelope"):
        Envelope.from_json(json.dumps({**GOOD, **changed}).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        json.dumps(GOOD).encode() + b"{}",
        json.dumps(GOOD).encode().replace(b'{"payload"', b'{"payload": "aGVsbG8=", "payload"', 1),
        b" " * (MAX_ENVELOPE + 1),
        json.dumps({**GOOD, "payload": float("nan")}).encode(),
    ],
    ids=range(9),
)
def test_what_is_no_envelope_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedSignature):
        Envelope.from_json(data)
    assert Envelope.from_json(json.dumps(GOOD).encode()).payload == b"hello"
