"""Plain values, payloads and damage for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

EDGES = sorted({sign * 2**bits + near for bits in range(65) for sign in (1, -1) for near in (-1, 0, 1)})
integers = st.one_of(
    st.sampled_from([edge for edge in EDGES if -(2**63) <= edge < 2**64]),
    st.integers(-(2**63), 2**64 - 1),
)
texts = st.text(max_size=40)
scalars = st.one_of(st.none(), st.booleans(), integers, st.floats(), texts, st.binary(max_size=40))
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=20), st.dictionaries(texts, inner, max_size=20)),
    max_leaves=30,
)
oids = st.binary(min_size=32, max_size=32)
tree_keys = st.text(min_size=1, max_size=12)


@st.composite
def damaged(draw: st.DrawFn, payloads: st.SearchStrategy[bytes]) -> bytes:
    """A payload with some bytes changed, taken out, put in or repeated."""
    data = bytearray(draw(payloads))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        stop = at + draw(st.integers(0, 3))
        data[at:stop] = draw(st.one_of(st.binary(max_size=4), st.sampled_from([bytes(data[at:stop]) * 2])))
    return bytes(data)
