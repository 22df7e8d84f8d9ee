"""What a reader accepts: the bytes that the encoder makes, and nothing else (ENC-17)."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.golden.reference import packed
from tests.model.strategies import damaged, values
from themis_vcs.errors import Corrupt, DecodingError, FormatError
from themis_vcs.model import codec


def same(a: Any, b: Any) -> bool:
    """Equality that tells 1 from 1.0 and True, 0.0 from -0.0, and knows that NaN is NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return math.copysign(1, a) == math.copysign(1, b) if a == b else math.isnan(a) and math.isnan(b)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return bool(a == b)


@given(values)
def test_decoding_gives_back_what_was_encoded(value: Any) -> None:
    kind, body = codec.decode(codec.encode("test", value))
    assert kind == "test"
    assert same(body, value)


@given(values)
def test_maps_come_back_in_the_order_of_their_keys(value: Any) -> None:
    """ENC-10"""
    body = codec.unpack(codec.pack(value))
    if isinstance(body, dict):
        assert list(body) == sorted(body, key=str.encode)


def check_strict(data: bytes) -> None:
    try:
        value = codec.unpack(data)
    except DecodingError:
        return
    assert packed(value) == data
    assert codec.pack(value) == data


@given(st.binary(max_size=60))
def test_any_bytes_are_canonical_or_refused(data: bytes) -> None:
    """ENC-17"""
    check_strict(data)


@given(damaged(values.map(packed)))
def test_damaged_bytes_are_canonical_or_refused(data: bytes) -> None:
    """ENC-17"""
    check_strict(data)


@given(values.map(packed).filter(lambda data: len(data) > 1), st.data())
def test_every_beginning_of_an_encoding_is_refused(data: bytes, draw: st.DataObject) -> None:
    """ENC-17"""
    with pytest.raises(DecodingError):
        codec.unpack(data[: draw.draw(st.integers(0, len(data) - 1))])


@given(values, st.binary(min_size=1, max_size=8))
def test_bytes_after_the_end_are_refused(value: Any, rest: bytes) -> None:
    """ENC-17"""
    with pytest.raises(DecodingError):
        codec.decode(codec.encode("test", value) + rest)


@given(damaged(values.map(lambda value: packed([1, "test", value]))))
def test_damaged_objects_are_canonical_or_refused(payload: bytes) -> None:
    """ENC-15, ENC-16"""
    try:
        kind, body = codec.decode(payload)
    except (DecodingError, FormatError):
        return
    assert packed([1, kind, body]) == payload


def test_refusal_says_where_and_is_corruption() -> None:
    with pytest.raises(Corrupt, match="from byte 2 of the body") as caught:
        codec.unpack(b"\x92\x01\xcc\x02")
    assert caught.value.exit_status == 14


def test_newer_format_is_told_from_damage() -> None:
    """ENC-16"""
    with pytest.raises(FormatError, match="format 2; this version reads format 1") as caught:
        codec.decode(b"\x95\x02\xd4\x00\x00")
    assert caught.value.exit_status == 16


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xdd\x03\xff\xff\xf0" + b"\x90" * 0x3FFFFF0, id="64 MiB of empty lists"),
        pytest.param(b"\xdc\xff\xff" * 20_000_000, id="lists in lists that promise 65,535 items each"),
        pytest.param(b"\xdf\x00\xff\xff\xff" * 13_000_000, id="maps that promise 16 million entries each"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="one list that promises 4 thousand million items"),
        pytest.param(b"\xdb\xff\xff\xff\xff", id="one text that promises 4 GiB"),
        pytest.param(b"\x91" * 60_000_000, id="60 million lists in each other"),
    ],
)
def test_hostile_lengths_cost_little_memory(data: bytes) -> None:
    """ENC-13, ENC-14"""
    payload = codec.envelope("test") + data
    tracemalloc.start()
    try:
        with pytest.raises(DecodingError):
            codec.decode(payload)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(data) + 20_000_000
