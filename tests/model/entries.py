"""Entries of trees for property tests, and changes of them."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.model.trees import ends, no_ends, oid_for
from themis_vcs.model.oid import Oid

# Keys that end nodes make trees of several levels out of few entries; those that end none meet the cap.
ENDS = ends(60) + ends(6, level=1)
NO_ENDS = no_ends(1_200)
few_keys = st.one_of(st.sampled_from(ENDS), st.sampled_from(NO_ENDS[:60]))
outcomes = st.one_of(st.none(), st.sampled_from([oid_for(text) for text in "abc"]))


def applied(entries: dict[str, Oid], changes: dict[str, Oid | None]) -> dict[str, Oid]:
    return {key: oid for key, oid in {**entries, **changes}.items() if oid is not None}
