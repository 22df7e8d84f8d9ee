"""Counting elements without building them (ENC-13)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.golden.reference import packed
from tests.model.strategies import values
from themis_vcs.errors import DecodingError
from themis_vcs.model.tokens import check_elements


def elements(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(1 + elements(item) for item in value.values())
    return 1 + sum(map(elements, value)) if isinstance(value, list) else 1


@given(values)
@example({f"{number:05d}": [number, -number, number / 7] for number in range(300)})
@example(["\x7f" * 300, b"\xdc\xff\xff" * 200, "\x7f" * 70_000, b"\xdf" * 70_000])
@example([[None] * 15, [None] * 16, [[]] * 66_000, {"a" * 31: 2**40, "b" * 32: -(2**40)}])
def test_every_value_and_every_key_counts(value: Any) -> None:
    count = elements(value)
    check_elements(packed(value), count)
    if count > 1:
        with pytest.raises(DecodingError, match=f"limit of {count - 1:,} elements"):
            check_elements(packed(value), count - 1)


@pytest.mark.parametrize(
    ("head", "count"), [("dc0100", 257), ("dd00010000", 65_537), ("de0100", 513), ("df00010000", 131_073)]
)
def test_what_a_header_declares_counts_before_it_is_there(head: str, count: int) -> None:
    check_elements(bytes.fromhex(head), count)
    with pytest.raises(DecodingError):
        check_elements(bytes.fromhex(head), count - 1)


@given(st.binary(max_size=100))
def test_malformed_data_is_left_to_the_decoder(data: bytes) -> None:
    check_elements(data, 2**40)
