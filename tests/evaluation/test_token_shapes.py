"""The words that are looked for before a pattern is tried: they must be in everything that the pattern matches."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_vcs.evaluation.token_shapes import SHAPES, Shape


@pytest.mark.parametrize("shape", SHAPES, ids=[f"{place}-{shape.kind}" for place, shape in enumerate(SHAPES)])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_a_shape_matches_has_a_word_that_it_needs(shape: Shape, data: st.DataObject) -> None:
    matched = data.draw(st.from_regex(shape.pattern, fullmatch=True))
    within = matched.casefold() if shape.folded else matched
    assert any(word in within for word in shape.needs), matched


@pytest.mark.parametrize("shape", SHAPES, ids=[f"{place}-{shape.kind}" for place, shape in enumerate(SHAPES)])
def test_the_words_of_a_shape_can_be_in_the_text_that_is_searched(shape: Shape) -> None:
    assert shape.needs
    assert all(word == word.casefold() for word in shape.needs if shape.folded)
