"""Ids and their text form (OID-1 to OID-3)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from tests.model.strategies import oids
from themis_vcs.errors import UsageError
from themis_vcs.model.oid import is_prefix, oid_of, parse_oid


@given(st.binary())
def test_oid_is_blake3_under_the_context_of_objects(payload: bytes) -> None:
    """OID-1"""
    assert oid_of(payload) == blake3(payload, derive_key_context="themis_vcs 2026-11-23 object v1").digest()


def test_threads_do_not_disturb_each_other() -> None:
    payloads = [bytes([number]) * 50_000 for number in range(200)]
    expected = [oid_of(payload) for payload in payloads]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(oid_of, payloads * 5)) == expected * 5


@given(oids)
def test_text_form_comes_back(oid: bytes) -> None:
    """OID-2"""
    assert parse_oid(oid.hex()) == oid


@pytest.mark.parametrize("text", ["", "ab" * 31, "ab" * 33, "AB" * 32, "0x" + "ab" * 31, "ab" * 31 + "a\n", "٣" * 64])
def test_other_text_is_no_oid(text: str) -> None:
    """OID-2"""
    with pytest.raises(UsageError):
        parse_oid(text)


@pytest.mark.parametrize("text", ["abcd", "0" * 64, "beef0123"])
def test_prefix_is_accepted(text: str) -> None:
    """OID-3"""
    assert is_prefix(text)


@pytest.mark.parametrize("text", ["", "abc", "ABCD", "abcg", "0" * 65, "abcd\n", "٣٣٣٣"])
def test_what_is_no_prefix_is_refused(text: str) -> None:
    """OID-3"""
    assert not is_prefix(text)
