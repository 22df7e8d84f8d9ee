"""The words that are looked for before a pattern is tried: they must be in everything that the pattern matches."""

import re
import string
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_vcs.evaluation.token_shapes import SHAPES, Shape, _folded, find_token, redact_tokens


@pytest.mark.parametrize("shape", SHAPES, ids=[f"{place}-{shape.kind}" for place, shape in enumerate(SHAPES)])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_a_shape_matches_has_one_of_its_words(shape: Shape, data: st.DataObject) -> None:
    matched = data.draw(st.from_regex(shape.pattern, fullmatch=True))
    within = _folded(matched) if shape.folded else matched
    assert any(word in within for word in shape.words), matched


@pytest.mark.parametrize("shape", SHAPES, ids=[f"{place}-{shape.kind}" for place, shape in enumerate(SHAPES)])
def test_the_words_of_a_shape_can_be_in_the_text_that_is_searched(shape: Shape) -> None:
    assert shape.words
    assert all(word == word.casefold() for word in shape.words if shape.folded)


def test_folding_knows_every_character_that_a_pattern_takes_for_a_letter() -> None:
    every = "".join(chr(each) for each in range(sys.maxunicode + 1))
    for letter in string.ascii_lowercase:
        taken = re.findall(f"(?i:{letter})", every)
        assert {_folded(each) for each in taken} == {letter}


@pytest.mark.parametrize("written", ["authorization", "AUTHORIZATION", "author\u0131zat\u0130on", "pa\u017f\u017fword"])
def test_a_name_is_known_in_any_spelling_that_a_pattern_accepts(written: str) -> None:
    text = f"{written}: x8Kq2LmP9vR4"
    assert find_token(text) is not None
    assert redact_tokens(text, "[x]") == f"{written}: [x]"
