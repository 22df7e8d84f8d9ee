"""What the encoder makes of a value, and what it refuses (ENC-1 to ENC-16)."""

from __future__ import annotations

import datetime
import decimal
import enum
import os
import struct
import subprocess
import sys
from collections import OrderedDict
from fractions import Fraction
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import example, given

from tests.golden.reference import packed
from tests.model.strategies import values
from themis_vcs.errors import EncodingError
from themis_vcs.model import codec


class Text(str):
    __slots__ = ()


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Mode(enum.StrEnum):
    FAST = "fast"


class Old(str, enum.Enum):  # noqa: UP042
    FAST = "fast"


class Unequal(str):
    """A text that equals nothing but itself."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__


class Float64(float):
    """As numpy's."""


class Point(msgspec.Struct):
    x: Any
    y: Any = 0


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    text: Any
    role: Any = "assistant"
    weight: Any = 1000
    share: Any = 0.5
    notes: Any = {}
    parts: Any = []
    missing: Any = None


class Tagged(msgspec.Struct, tag=True):
    x: int


class Row(msgspec.Struct, array_like=True):
    x: int


@given(values)
@example({"b": 1, "a": 2, "\uffff": 3, "\U00010000": 4})
def test_encoding_is_that_of_the_reference(value: Any) -> None:
    assert codec.pack(value) == packed(value)


@given(values)
def test_object_is_the_list_of_format_kind_and_body(value: Any) -> None:
    """ENC-15, ENC-18"""
    assert codec.encode("test", value) == codec.pack([1, "test", value])


@pytest.mark.parametrize("bits", ["7ff8000000000001", "fff8000000000000", "7ff0000000000001", "ffffffffffffffff"])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: {"a": {"b": (1, x)}}, lambda x: Point(x)])
def test_every_nan_is_written_as_the_one(bits: str, wrap: Any) -> None:
    """ENC-6"""
    (nan,) = struct.unpack(">d", bytes.fromhex(bits))
    data = codec.pack(wrap(nan))
    assert data == codec.pack(wrap(float("nan")))
    assert bytes.fromhex("cb7ff8000000000000") in data


def test_writing_does_not_change_what_it_is_given() -> None:
    (nan,) = struct.unpack(">d", bytes.fromhex("fff8000000000000"))
    point = Point([nan])
    codec.pack({"a": point})
    assert struct.pack(">d", point.x[0]).hex() == "fff8000000000000"


@pytest.mark.parametrize(
    "value",
    [
        Colour.RED,
        {1},
        frozenset(),
        bytearray(b"a"),
        memoryview(b"a"),
        datetime.datetime(2026, 1, 1),
        datetime.date(2026, 1, 1),
        decimal.Decimal(1),
        Fraction(1, 2),
        1j,
        object(),
        object,
        iter([]),
        msgspec.UNSET,
        msgspec.Raw(b"\xc0"),
        msgspec.msgpack.Ext(1, b"a"),
        msgpack.ExtType(1, b"a"),
        msgpack.Timestamp(1),
        Tagged(1),
        Row(1),
        2**64,
        -(2**63) - 1,
        "a\ud800",
        "\udfff",
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize(
    ("wrap", "path"),
    [
        (lambda value: value, "$"),
        (lambda value: {"input": {"options": [0, 1, 2, value]}}, "$.input.options[3]"),
        (lambda value: {"two words": (value,)}, '$["two words"][0]'),
        (lambda value: [Point(1, {"é": value})], '$[0].y["\\u00e9"]'),
    ],
    ids=["alone", "in a map", "in a tuple", "in a record"],
)
def test_value_without_encoding_is_refused_with_its_path(value: Any, wrap: Any, path: str) -> None:
    """ENC-1, ENC-2, ENC-4"""
    with pytest.raises(EncodingError) as caught:
        codec.encode("test", wrap(value))
    assert caught.value.path == path


@pytest.mark.parametrize("key", [1, None, b"a", 1.5, True, ("a",), "a\ud800"])
def test_key_that_is_no_plain_text_is_refused(key: Any) -> None:
    """ENC-3"""
    with pytest.raises(EncodingError) as caught:
        codec.pack({"outer": {"b": 1, key: 2}})
    assert caught.value.path == "$.outer"


@pytest.mark.parametrize("key", ["k" * 1024, "é" * 512, "語" * 341 + "k"])
def test_longest_key_is_accepted_and_one_byte_more_is_not(key: str) -> None:
    """ENC-3"""
    assert codec.unpack(codec.pack({key: 1})) == {key: 1}
    with pytest.raises(EncodingError, match="1,024 bytes"):
        codec.pack({key + "k": 1})


def test_many_short_keys_are_accepted() -> None:
    value = {f"key number {number:05d}": number for number in range(1000)}
    assert codec.unpack(codec.pack(value)) == value


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Text("a"), "a"),
        (Level.LOW, 1),
        (Mode.FAST, "fast"),
        (Old.FAST, "fast"),
        (Float64(1.0), 1.0),
        (Float64("nan"), float("nan")),
        (OrderedDict(b=1, a=2), {"a": 2, "b": 1}),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: value,
        lambda value: {"a": [value, {"b": 1}]},
        lambda value: {"a": (value, b"bytes")},
        lambda value: [Point(1, {"é": value})],
    ],
    ids=["alone", "in plain data", "beside a tuple", "in a record"],
)
def test_an_object_of_a_derived_class_is_the_plain_value_that_it_equals(value: Any, plain: Any, wrap: Any) -> None:
    """ENC-4"""
    assert codec.pack(wrap(value)) == codec.pack(wrap(plain))


@pytest.mark.parametrize("key", [Text("a"), Mode.FAST, Old.FAST], ids=lambda key: type(key).__name__)
def test_a_key_of_a_derived_class_is_the_text_that_it_equals(key: Any) -> None:
    """ENC-3"""
    assert codec.pack({key: [1]}) == codec.pack({str.__str__(key): [1]})


def test_two_keys_with_one_text_are_refused() -> None:
    """ENC-3"""
    with pytest.raises(EncodingError, match="two keys are the same text"):
        codec.pack({"a": {Unequal("b"): 1, "b": 2}})


def test_tuples_are_lists_and_records_are_maps_of_their_fields() -> None:
    """ENC-4"""
    assert codec.pack((1, Point("a"))) == codec.pack([1, {"x": "a", "y": 0}])


@pytest.mark.parametrize(
    ("reply", "plain"),
    [
        (Reply("a"), {"text": "a"}),
        (Reply("a", "".join(["assis", "tant"]), int("1000"), float("0.50"), {}, []), {"text": "a"}),
        (Reply("a", "user", 1001, 0.25, {"a": 1}, [2], 3), None),
        (Reply("a", weight=1000.0), {"text": "a", "weight": 1000.0}),
        (Reply("a", weight=True), {"text": "a", "weight": True}),
    ],
)
def test_field_equal_to_its_default_is_absent_whatever_object_holds_it(reply: Reply, plain: Any) -> None:
    """ENC-4"""
    plain = plain or {name: getattr(reply, name) for name in reply.__struct_fields__}
    assert codec.pack([reply]) == codec.pack([plain])


def test_deepest_nesting_is_accepted_and_one_level_more_is_not() -> None:
    """ENC-12"""
    value: Any = []
    for _ in range(63):
        value = [value]
    assert codec.unpack(codec.pack(value)) == value
    with pytest.raises(EncodingError, match="nested deeper than 64"):
        codec.pack({"a": value})


def test_a_doubtful_part_is_looked_at_and_the_rest_is_not() -> None:
    deep: Any = []
    for _ in range(61):
        deep = [deep]
    assert codec.encode("test", {"x": [deep]}, [deep]) == codec.encode("test", {"x": [deep]})
    for doubtful in ([[[deep]]], {1}, [Colour.RED]):
        with pytest.raises(EncodingError, match=r"^\$\.y"):
            codec.encode("test", Point("a", doubtful), doubtful)


def test_scalars_at_the_deepest_level_are_accepted() -> None:
    """ENC-12"""
    value: Any = [1.5, "a"]
    for _ in range(63):
        value = [value]
    assert codec.unpack(codec.pack(value)) == value


def test_a_value_that_holds_itself_is_refused() -> None:
    node: dict[str, Any] = {"children": []}
    node["children"] += [{"parent": node, "name": "a"}, {"parent": node, "name": "b"}]
    with pytest.raises(EncodingError, match="nested deeper"):
        codec.pack(node)


def test_the_most_elements_are_accepted_and_one_more_is_not() -> None:
    """ENC-13"""
    assert codec.unpack(codec.pack([None] * 999_999)) == [None] * 999_999
    with pytest.raises(EncodingError, match="1,000,000 elements"):
        codec.pack([None] * 1_000_000)


def test_the_largest_object_is_accepted_and_one_byte_more_is_not() -> None:
    """ENC-14"""
    largest = bytes(64 * 1024 * 1024 - len(codec.encode("test", b"")) - 3)
    payload = codec.encode("test", largest)
    assert len(payload) == 64 * 1024 * 1024
    assert codec.decode(payload) == ("test", largest)
    with pytest.raises(EncodingError, match="67,108,864"):
        codec.encode("test", largest + b"a")


@pytest.mark.parametrize("kind", ["", "Test", "1a", "a-b", "a" * 32, "é", "a\n"])
def test_kind_is_a_short_lower_case_name(kind: str) -> None:
    """ENC-15"""
    with pytest.raises(EncodingError, match="kind"):
        codec.encode(kind, None)


def test_encoding_does_not_depend_on_the_seed_of_hashing() -> None:
    value = "{c: {d: 1 for d in set('zyxwv')} for c in {'ab', 'cd', 'ef', 'gh', 'ij'}}"
    code = f"from themis_vcs.model import codec; print(codec.pack({value}).hex())"
    made = set()
    for seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code]
        made.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert len(made) == 1
