"""The canonical encoding: one byte string for every value, and the strict way back.

MessagePack with one spelling per value (`docs/reference/format/canonical-encoding.md`, ENC-1 …). msgspec
writes, msgpack reads, and a reader accepts only bytes that the writer would make again, so a fault in either
shows. Not responsible for what the body of a kind must contain (`objects`), nor for ids (`oid`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import copy
from functools import cache, lru_cache
from math import isnan
from types import NoneType
from typing import Annotated, Any, Final, NoReturn

import msgpack
import msgspec
from msgspec import structs

from themis_vcs.errors import DecodingError, EncodingError, FormatError
from themis_vcs.model.tokens import check_elements

FORMAT: Final = 1
MAX_DEPTH: Final = 64
MAX_OBJECT: Final = 64 * 1024 * 1024
MAX_KEY: Final = 1024
MAX_ELEMENTS: Final = 1_000_000

# Below this size, lengths that lie cost msgpack at most 1,024 nested lists of 16 Ki empty places.
_SCAN_FROM = 16 * 1024
# Keys of so many characters altogether cannot hold one that is too long.
_SHORT_KEYS = MAX_KEY // 4
_EVERYDAY_DEPTH = 6

_ENCODER = msgspec.msgpack.Encoder(order="sorted")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,30}", re.ASCII)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_LEAVES: frozenset[type] = frozenset({NoneType, bool, int, str, bytes})
_STR: frozenset[type] = frozenset({str})
_NAN = float("nan")
_BASES: dict[type, Callable[[Any], Any]] = {
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
    bytes: bytes,
    dict: dict,
    list: list,
}
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1

# Struct classes met so far → (position, default) of defaults that msgspec, which omits by identity, may keep.
_RECORDS: dict[type, list[tuple[int, Any]]] = {}


def encode(kind: str, body: object, doubtful: object = ...) -> bytes:
    """Return the canonical bytes of `[1, kind, body]`.

    `body` is plain data (None, bool, int, float, str, bytes, list, tuple, dict with str keys, and objects of classes
    derived from these, which count as the plain value that they equal) or msgspec Structs, which count as maps of
    their fields; one that omits defaults omits all that equal their default. `doubtful` is a part of it; given, the
    caller vouches for the rest.
    Raises EncodingError with the path of the first value that has no canonical encoding.
    """
    data = envelope(kind) + _canonical(body, body if doubtful is ... else doubtful)
    # Data this short cannot be over a limit, and this is once per object.
    return data if len(data) <= MAX_ELEMENTS else _bounded(data)


def decode(payload: bytes) -> tuple[str, object]:
    """Return (kind, body as plain data) of an object; the strict inverse of `encode`.

    Raises FormatError for an object of a newer format, DecodingError for bytes that `encode` does not make.
    """
    kind, start = split_envelope(payload)
    check_size(payload, scan_from=_SCAN_FROM)
    return kind, _decoded(payload[start:])


def pack(value: object) -> bytes:
    """Return the canonical bytes of a bare value, without the envelope of an object."""
    return _bounded(_canonical(value, value))


def pack_known(value: object) -> bytes:
    """As `pack`, for a value that is known to be plain: lists of text, bytes and integers, and None."""
    try:
        return _ENCODER.encode(value)
    except (UnicodeEncodeError, OverflowError):
        return pack(value)


def unpack(data: bytes) -> object:
    """Return the plain value whose canonical bytes are `data`; DecodingError if they are not canonical."""
    check_size(data, scan_from=_SCAN_FROM)
    return _decoded(data)


@lru_cache(maxsize=256)
def envelope(kind: str) -> bytes:
    """Return the bytes that precede the body of every object of `kind` (ENC-15)."""
    if not _KIND.fullmatch(kind):
        raise EncodingError("$", f"{kind!r} is not the name of an object kind")
    return bytes([0x93, FORMAT, 0xA0 | len(kind)]) + kind.encode()


def split_envelope(payload: bytes) -> tuple[str, int]:
    """Return (kind, offset of the body) of an object without looking at its body.

    Raises FormatError when the object names a newer format, DecodingError when it is no object at all.
    """
    if payload[:2] != b"\x93\x01":
        _refuse_envelope(payload)
    length = payload[2] - 0xA0 if len(payload) > 2 else 0
    kind = payload[3 : 3 + length].decode("ascii", "replace") if 0 < length <= 31 else ""
    if not _KIND.fullmatch(kind) or len(payload) < 4 + length:
        raise DecodingError("not an object: its kind is not a short lower-case name with a body after it")
    return kind, 3 + length


def check_size(data: bytes, *, scan_from: int = MAX_ELEMENTS) -> None:
    """Refuse data over the limits of size and count, before anything is allocated for its content."""
    if len(data) > MAX_OBJECT:
        raise DecodingError(f"{len(data):,} bytes, over the limit of {MAX_OBJECT:,}")
    if len(data) > scan_from:
        check_elements(data, MAX_ELEMENTS)


def everyday(data: bytes) -> object:
    """Return the value whose canonical bytes are `data` if its shape is an everyday one; None says nothing."""
    if b"\xcb" in data and (b"\xcb\x7f" in data or b"\xcb\xff" in data):
        return None  # There may be a NaN in it, of which one spelling is canonical.
    try:
        value = _everyday().decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError, MemoryError):
        return None
    return value if _ENCODER.encode(value) == data else None


def check_canonical(value: object, data: bytes, *, typed: bool = False) -> None:
    """Refuse `data` unless it is exactly the canonical encoding of `value`, which was decoded from it.

    `typed` says that a schema has fixed the type of everything in `value`, and that it has no maps or floats.
    """
    try:
        again = _ENCODER.encode(value) if typed else _canonical(value, value)
    except EncodingError as error:
        raise DecodingError(f"at {error.path}: {error.reason}") from error
    if again != data:
        pairs = enumerate(zip(again, data, strict=False))
        where = next((at for at, (a, b) in pairs if a != b), min(len(again), len(data)))
        raise DecodingError(f"not the canonical spelling of its value, from byte {where} of the body")


def _refuse_envelope(payload: bytes) -> NoReturn:
    if len(payload) > 1 and 0x91 <= payload[0] <= 0x9F and FORMAT < payload[1] < 0x80:
        raise FormatError(
            f"object of format {payload[1]}; this version reads format {FORMAT}",
            hint="use a newer version of themis",
        )
    raise DecodingError("not an object: it does not begin with the list [1, kind, body]")


def _bounded(data: bytes) -> bytes:
    try:
        check_size(data)
    except DecodingError as error:
        raise EncodingError("$", f"{error.reason}; split it") from error
    return data


def _decoded(data: bytes) -> object:
    try:
        value = msgpack.unpackb(data, strict_map_key=True, raw=False, use_list=True, max_ext_len=0)
    except (ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise DecodingError(f"malformed MessagePack: {error}") from error
    check_canonical(value, data)
    return value


def _canonical(value: object, doubtful: object) -> bytes:
    try:
        data = _ENCODER.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _ENCODER.encode(_cleaned(value, "$", 0))
    if type(value) is dict:
        # What reads back as it was needs no further look, and most values that are not records do.
        try:
            if _everyday().decode(data) == value:
                return data
        except (msgspec.MsgspecError, ValueError):
            pass
    # In data this short no key is over its limit.
    depth = 0 if doubtful is value else 1
    return data if _is_plain(doubtful, depth, len(data) > MAX_KEY) else _ENCODER.encode(_cleaned(value, "$", 0))


@cache
def _everyday() -> msgspec.msgpack.Decoder[Any]:
    """The reader of values of everyday shape: no bytes, no long keys, not deep. It tells NaN from itself."""
    key = Annotated[str, msgspec.Meta(max_length=_SHORT_KEYS)]
    leaf: Any = None | bool | int | float | str
    shape: Any = leaf
    for _ in range(_EVERYDAY_DEPTH):
        shape = leaf | list[shape] | dict[key, shape]
    return msgspec.msgpack.Decoder(shape)


def _is_plain(value: Any, depth: int, long_keys: bool) -> bool:
    """Say whether `value` is nothing but plain data and records; if not, the slow way finds out why."""
    kind = type(value)
    if kind is dict:
        if not _STR.issuperset(map(type, value)) or (
            long_keys and len("".join(value)) > _SHORT_KEYS and not all(map(_key_fits, value))
        ):
            return False
        items = value.values()
    elif kind is list or kind is tuple:
        items = value
    elif kind in _RECORDS or _is_record(kind):
        items = structs.astuple(value)
        for at, default in _RECORDS[kind]:
            if items[at] == default is not items[at]:
                return False
    else:
        return kind in _LEAVES or (kind is float and value == value)
    if depth >= MAX_DEPTH:
        return False
    depth += 1
    # `all` of a generator takes half as long again, on the hottest path there is.
    for item in items:  # noqa: SIM110
        if type(item) not in _LEAVES and not _is_plain(item, depth, long_keys):
            return False
    return True


def _key_fits(key: str) -> bool:
    return len(key) <= _SHORT_KEYS or len(key.encode("utf-8", "replace")) <= MAX_KEY


def _is_record(kind: type) -> bool:
    """Say whether `kind` is a Struct class that encodes as a map of its fields, and remember it."""
    if not issubclass(kind, msgspec.Struct):
        return False
    config = kind.__struct_config__
    if config.tag is not None or config.array_like:
        return False
    fields = structs.fields(kind) if config.omit_defaults else ()
    _RECORDS[kind] = [
        (at, field.default) for at, field in enumerate(fields) if type(field.default) in (int, float, str, bytes)
    ]
    return True


def _cleaned(value: Any, path: str, depth: int) -> Any:
    """Return `value` as plain data with the canonical NaN; EncodingError names the first place without an encoding."""
    value = _plain(value)
    kind = type(value)
    if kind in _LEAVES or kind is float:
        return _cleaned_scalar(value, path)
    if kind is not dict and kind is not list and kind is not tuple and not _is_record(kind):
        name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
        raise EncodingError(path, f"{name} has no canonical encoding")
    if depth >= MAX_DEPTH:
        raise EncodingError(path, f"nested deeper than {MAX_DEPTH}")
    depth += 1
    if kind is dict:
        cleaned = {_cleaned_key(key, path): _cleaned(item, _at(path, key), depth) for key, item in value.items()}
        if len(cleaned) < len(value):
            raise EncodingError(path, "two keys are the same text")
        return cleaned
    if kind is list or kind is tuple:
        return [_cleaned(item, f"{path}[{index}]", depth) for index, item in enumerate(value)]
    return _cleaned_record(value, path, depth)


def _plain(value: Any) -> Any:
    """Return the plain value that an object of a derived class equals, and anything else as it is."""
    for base, plain in _BASES.items():
        if isinstance(value, base):
            return value if type(value) in (base, bool) else plain(value)
    return value


def _cleaned_scalar(value: Any, path: str) -> Any:
    kind = type(value)
    if kind is float:
        return _NAN if isnan(value) else value
    if kind is int and not _INT_MIN <= value <= _INT_MAX:
        raise EncodingError(path, "integer outside -2**63 … 2**64-1; store it as text")
    if kind is str:
        _check_text(value, path)
    return value


def _cleaned_record(value: msgspec.Struct, path: str, depth: int) -> msgspec.Struct:
    result = copy(value)
    for name in value.__struct_fields__:
        structs.force_setattr(result, name, _cleaned(getattr(value, name), _at(path, name), depth))
    for at, default in _RECORDS[type(value)]:
        name = value.__struct_fields__[at]
        item = getattr(result, name)
        # By repr, since 0.0 == -0.0 and True == 1.
        if repr(item) == repr(default):
            structs.force_setattr(result, name, default)
    return result


def _cleaned_key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise EncodingError(path, f"key {key!r:.80} is of type {type(key).__qualname__}; keys are text")
    key = str.__str__(key)
    _check_text(key, path)
    if len(key.encode()) > MAX_KEY:
        raise EncodingError(path, f"key {key[:40]!r}… is over the limit of {MAX_KEY:,} bytes")
    return key


def _check_text(value: str, path: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        found = f"lone surrogate U+{ord(value[error.start]):04X}"
        raise EncodingError(path, f"{found} at index {error.start}") from None


def _at(path: str, key: str) -> str:
    return f"{path}.{key}" if _IDENTIFIER.fullmatch(key) else f"{path}[{json.dumps(key)}]"
