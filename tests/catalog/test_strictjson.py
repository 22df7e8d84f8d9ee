"""JSON without the freedoms that JSON readers take."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_vcs.catalog.strictjson import DEEPEST, MalformedJson, parse
from themis_vcs.model import codec

# Text that looks like the structure around it is what a check for repeated keys could be led astray by.
TEXT = st.text(st.sampled_from('ab":\\ ,{}\t\n'), max_size=6) | st.text(st.characters(codec="utf-8"), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
).filter(lambda value: "Infinity" not in json.dumps(value))


@st.composite
def documents(draw: st.DrawFn, depth: int = 0) -> str:
    """JSON texts with any white space and, now and then, a key twice."""
    gap: Callable[[], str] = lambda: draw(st.sampled_from(["", "", "", " ", "\t", "\n", "\r\n "]))  # noqa: E731
    kind = draw(st.sampled_from(["text", "number", "list", "object", "object"] if depth < 3 else ["text"]))
    if kind == "text":
        return json.dumps(draw(TEXT), ensure_ascii=draw(st.booleans()))
    if kind == "number":
        return str(draw(st.integers(-5, 5)))
    size = draw(st.integers(0, 3))
    if kind == "list":
        return f"[{','.join(gap() + draw(documents(depth + 1)) + gap() for _ in range(size))}]"
    keys = [json.dumps(draw(TEXT)) for _ in range(size)]
    members = [f"{gap()}{key}{gap()}:{gap()}{draw(documents(depth + 1))}{gap()}" for key in keys]
    return "{" + ",".join(members) + "}"


def has_repeated_key(text: str) -> bool:
    repeated = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        repeated.append(len(dict(pairs)) != len(pairs))
        return dict(pairs)

    json.loads(text, object_pairs_hook=note)
    return any(repeated)


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_what_json_writes_is_read_back_and_can_be_stored(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert parse(text) == value
    assert parse(text.encode()) == value
    codec.pack(parse(text))


@given(documents())
def test_a_text_is_refused_exactly_if_a_key_is_repeated(text: str) -> None:
    if has_repeated_key(text):
        with pytest.raises(MalformedJson, match="twice in one object"):
            parse(text)
    else:
        assert parse(text) == json.loads(text)


@given(st.binary(max_size=40) | st.text(max_size=40))
def test_anything_is_either_read_or_refused(data: bytes | str) -> None:
    try:
        value = parse(data)
    except MalformedJson:
        return
    codec.pack(value)


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ('{"a": [1, NaN]}', "a[1]", "NaN is not a JSON number"),
        ('{"\\u001b[31m": NaN}', "'\\x1b[31m'", "NaN"),
        ("-Infinity", "", "-Infinity is not a JSON number"),
        ('{"a": {"b": 1e999}}', "a.b", "number out of range"),
        ('{"a": 18446744073709551616}', "a", "integer outside 64 bits"),
        ("[-9223372036854775809]", "[0]", "integer outside 64 bits"),
        ("9" * 5000, "", "integer outside 64 bits"),
        ('{"a": "x\\ud800"}', "a", "lone surrogate"),
        ('{"\\udfff": 1}', "", "lone surrogate in a key"),
        ('{"a": {"b": 1, "c": 2, "b": 3}}', "a", "key 'b' twice in one object"),
        ('{"a" :1,"b":2,"a":3}', "", "key 'a' twice in one object"),
        ('{"k\\\\":1,"b":2,"b":3}', "", "key 'b' twice in one object"),
        ('{"k": "\\":","b":2,"b":3}', "", "key 'b' twice in one object"),
        ('{"a": 1', "", "malformed JSON: Expecting ',' delimiter at character 8"),
        ("", "", "malformed JSON: Expecting value at character 1"),
        ("1 2", "", "malformed JSON: Extra data"),
        ("[" * 100_000, "", "nested too deeply"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "[0]" * DEEPEST, f"deeper than {DEEPEST} levels"),
    ],
)
def test_the_place_and_the_reason_are_named(text: str, path: str, reason: str) -> None:
    with pytest.raises(MalformedJson) as caught:
        parse(text)
    assert caught.value.path == path
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b'{"a": "\xff"}', "not UTF-8 at byte 8"), ("\ud800", "lone surrogate at character 1")],
)
def test_what_is_no_text_is_refused(data: bytes | str, reason: str) -> None:
    with pytest.raises(MalformedJson, match=reason):
        parse(data)


def test_a_value_of_the_greatest_depth_can_be_stored() -> None:
    value = parse("[" * DEEPEST + "]" * DEEPEST)
    codec.encode("value", {"type": "case", "data": {"input": value}})
