"""Numbers as people write them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_vcs.catalog.numerals import MAX_DIGITS, canonical_number, numbers_in


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,000", "1000"),
        ("1,234,567.890", "1234567.89"),
        ("0.50", "0.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("007", "7"),
        ("+7", "7"),
        ("-3", "-3"),
        ("−3", "-3"),
        ("- 3", "-3"),
        ("-0", "0"),
        ("1/2", "0.5"),
        ("2/4", "0.5"),
        ("1/3", "1/3"),
        ("-2/6", "-1/3"),
        ("1.5e3", "1500"),
        ("1e-2", "0.01"),
        ("50%", "50"),
        ("50\\%", "50"),
        ("$5", "5"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("€ 1,200.00", "1200"),
        ("\\$1,234.50", "1234.5"),
        ("\\frac{1}{2}", "0.5"),
        ("-\\dfrac{3}{4}", "-0.75"),
        ("$\\frac12$", "0.5"),
        ("5\\text{ cm}", "5"),
        ("90^\\circ", "90"),
        ("10{,}000", None),
        ("1,00", None),
        ("1,0000", None),
        ("1/0", None),
        ("--1", None),
        ("-$-1", None),
        ("", None),
        ("-", None),
        ("%", None),
        ("1 2", None),
        ("x", None),
        ("1e999", None),
        ("1e59", "1" + "0" * 59),
        ("1e60", None),
        ("1e-60", None),
        ("9" * (MAX_DIGITS + 1), None),
        ("inf", None),
        ("nan", None),
        ("0x10", None),
    ],
)
def test_one_spelling_per_number(text: str, number: str | None) -> None:
    assert canonical_number(text) == number


@given(st.integers(-(10**20), 10**20), st.integers(1, 10**6))
def test_the_spelling_has_the_value_of_the_number(above: int, below: int) -> None:
    spelled = canonical_number(f"{above}/{below}")
    assert spelled is not None
    assert Fraction(spelled) == Fraction(above, below)
    assert canonical_number(spelled) == spelled


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_thousands_commas_make_no_difference(number: object) -> None:
    assert canonical_number(f"{number:,}") == canonical_number(f"{number:f}") is not None


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("5-3 = 2.", ["5", "3", "2"]),
        ("x = -3, y = - 4", ["-3", "-4"]),
        ("costs $1,250.00.", ["1250"]),
        ("in 2020, 2021 and 2022", ["2020", "2021", "2022"]),
        ("1,2,3", ["1", "2", "3"]),
        ("GPT4 says 7", ["7"]),
        ("3/4 of 8", ["0.75", "8"]),
        ("no number", []),
    ],
)
def test_the_numbers_of_a_text_are_found_both_ways(text: str, numbers: list[str]) -> None:
    assert list(numbers_in(text)) == numbers
    assert list(numbers_in(text, backwards=True)) == numbers[::-1]


@settings(max_examples=300)
@given(st.text(st.sampled_from("0123456789,./-$ %e\\{}frac"), max_size=60))
def test_any_text_is_searched_without_an_error(text: str) -> None:
    for number in numbers_in(text):
        assert canonical_number(number) == number
