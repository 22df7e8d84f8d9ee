"""The keys that name cases in trees (TREE-13)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_vcs.errors import DataError
from themis_vcs.model.tree import case_key, split_key
from themis_vcs.model.tree.casekey import quote

ids = st.text(min_size=1, max_size=60)


@given(ids, ids, st.none() | st.integers(0, 10**9))
def test_key_comes_apart_into_what_made_it(dataset_id: str, case_id: str, index: int | None) -> None:
    assert split_key(case_key(dataset_id, case_id, index)) == (dataset_id, case_id, index)


@given(ids, ids)
def test_key_has_no_control_characters_and_the_slashes_of_its_parts(dataset_id: str, case_id: str) -> None:
    key = case_key(dataset_id, case_id, 3)
    assert key.count("/") == 2
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in key)


@pytest.mark.parametrize(
    ("ids", "key"),
    [
        (("gsm8k", "case-17", None), "gsm8k/case-17"),
        (("gsm8k", "case-17", 0), "gsm8k/case-17/0"),
        (("a/b", "100%", None), "a%2Fb/100%25"),
        (("ключ", "Frage 1: ¿qué?", None), "ключ/Frage 1: ¿qué?"),
        (("d", "a\tb\x7f\x85\0", None), "d/a%09b%7F%C2%85%00"),
        (("d", "e\u0301\u00a0\u200b", 12), "d/e\u0301\u00a0\u200b/12"),
    ],
)
def test_key_reads_like_its_ids(ids: tuple[str, str, int | None], key: str) -> None:
    assert case_key(*ids) == key


@pytest.mark.parametrize(
    ("dataset_id", "case_id", "index"),
    [
        ("", "c", None),
        ("d", "", None),
        ("d", "c", -1),
        ("d", "c" * 1023, None),
        ("d", "\ud800", None),
        ("é" * 512, "c", None),
    ],
)
def test_ids_that_make_no_key_are_refused(dataset_id: str, case_id: str, index: int | None) -> None:
    with pytest.raises(DataError):
        case_key(dataset_id, case_id, index)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "d",
        "/c",
        "d/",
        "d//0",
        "d/c/",
        "d/c/x",
        "d/c/01",
        "d/c/-1",
        "d/c/٣",
        "d/c/0/0",
        "d/%41",
        "d/%2f",
        "d/%",
        "d/%C3",
        "d/a\tb",
        "d/%ED%A0%80",
    ],
)
def test_other_text_is_no_case_key(key: str) -> None:
    with pytest.raises(DataError):
        split_key(key)


@given(st.text())
def test_quoting_leaves_ordinary_text_alone(text: str) -> None:
    if text.isprintable() and not set(text) & {"%", "/"}:
        assert quote(text) == text
