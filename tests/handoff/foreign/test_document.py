"""A large JSON document falls apart into its elements and the rest, wherever the blocks of the file end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from themis_vcs.errors import DataError
from themis_vcs.handoff.foreign import document
from themis_vcs.handoff.foreign.document import Document

TEXT = st.text(st.sampled_from('a"\\[]{},: \n'), max_size=5)
VALUE = st.recursive(
    st.none() | st.integers(-9, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.dictionaries(TEXT, VALUE, max_size=3), max_size=4),
    around=st.dictionaries(TEXT, VALUE, max_size=3),
    block=st.integers(1, 40),
    indent=st.sampled_from([None, 2]),
)
def test_elements_and_outline_are_the_document(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], around: dict[str, Any], block: int, indent: int | None
) -> None:
    path = tmp_path_factory.mktemp("document") / "log.json"
    path.write_text(json.dumps({"before": around, "part": {"rows": rows, **around}, "rows": [around]}, indent=indent))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "_BLOCK", block)
        taken = Document(path, "part", "rows")
        assert [json.loads(each.text) for each in taken.elements()] == rows
        assert taken.outline() == {"before": around, "part": {"rows": [], **around}, "rows": [around]}
    for each in taken.elements():
        assert path.read_bytes()[each.offset :].startswith(each.text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"rows": [{"a": 1}, {"b": "x', "the file ends in the middle"),
        ('{"rows": [{"a": 1}', "the file ends in the middle"),
        ('{"rows": [{"a": 1} {"b": 1}]}', r"rows\[1\]: record: expected an object"),
        ('{"rows": [{"a": 1}, 5, {"b": 1}]}', r"rows\[1\]: record: expected an object"),
        ('{"rows": [5, {"b": 1}]}', r"rows\[0\]: record: expected an object"),
        ('{"rows": [{"a": 1},]}', "malformed JSON"),
        ('{"rows": []}}', "a bracket closes that was not opened"),
        ('{"rows": [], "rows": []}', "twice"),
        ('{"rows": [{"a": ' + "[" * 1000 + "]" * 1000 + "}]}", "nested deeper"),
        ("", "malformed JSON"),
    ],
)
def test_what_is_no_such_document_is_refused_with_its_place(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "log.json"
    path.write_text(text)
    taken = Document(path, "rows")
    with pytest.raises(DataError, match=what) as caught:
        list(taken.elements())
        taken.outline()
    assert str(caught.value).startswith(str(path))


def test_more_than_a_line_may_hold_around_the_elements_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"rows": [{"a": "x" * 50}], "rest": ["y" * 100]}))
    monkeypatch.setattr(document, "MAX_LINE", 100)
    with pytest.raises(DataError, match="over 100 bytes outside of rows"):
        Document(path, "rows").outline()
    monkeypatch.setattr(document, "MAX_LINE", 40)
    with pytest.raises(DataError, match=r"rows\[0\]: over 40 bytes"):
        list(Document(path, "rows").elements())
