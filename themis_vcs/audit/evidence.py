"""Objects as an auditor reads them: hashed, decoded and held against the specification by code of its own.

After docs/reference/format: canonical-encoding.md (ENC, OID) and objects.md (OBJ). What `model` does when it writes and
reads is not used here, so that an error of its own does not hide itself; the store gives bytes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, Final, NamedTuple

import msgpack
from blake3 import blake3

from themis_vcs.errors import ObjectNotFound, ThemisError
from themis_vcs.store.view import View

OID_CONTEXT: Final = "themis_vcs 2026-11-23 object v1"
DEEPEST: Final = 64
_CHUNK: Final = 512
_NAN: Final = struct.pack(">d", float("nan"))
_OPENING: Final = bytes((*range(0x80, 0xA0), *range(0xDC, 0xE0)))
"""The bytes that lists and maps begin with. Data with no more of them than there may be levels is not too deep."""
_TEXTS: Final = frozenset({str})
_PERHAPS_NAN: Final = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")
_HASH = blake3(derive_key_context=OID_CONTEXT)
_PACKER = msgpack.Packer(use_bin_type=True, strict_types=True)

_OID, _NAME, _TEXT, _MAP, _LIST, _COUNT, _INT = "oid", "name", "text", "map", "list", "count", "integer"
_TYPES: Final[dict[str, type]] = {
    _OID: bytes, _NAME: str, _TEXT: str, _MAP: dict, _LIST: list, _COUNT: int, _INT: int, "bytes": bytes,
}  # fmt: skip
_TESTS: Final[dict[str, Callable[[Any], bool]]] = {
    _OID: lambda value: len(value) == 32,
    _NAME: lambda value: value != "",
    _COUNT: lambda value: value >= 0,
}
"""What is asked of a value of some of the types beside its class."""
_SHAPES: Final[dict[str, tuple[dict[str, str], dict[str, tuple[str, Any]]]]] = {
    "value": ({"data": "any", "type": _NAME}, {}),
    "step": (
        {"stage": _NAME, "component": _NAME, "fingerprint": _OID, "params": _OID, "inputs": _LIST, "case": _NAME},
        {
            "seed": (_INT, None),
            "value": (_OID, None),
            "error": (_MAP, None),
            "observations": (_MAP, {}),
            "origin": (_MAP, {}),
        },
    ),
    "tree": ({"level": _COUNT, "keys": _LIST, "oids": "bytes"}, {"counts": (_LIST, [])}),
    "stage": ({"name": _NAME, "tracks": _LIST}, {}),
    "run": (
        {
            "run_id": _OID,
            "name": _TEXT,
            "snapshot": _OID,
            "stages": _LIST,
            "completed_through": "any",
            "status": _NAME,
            "parents": _LIST,
            "reason": _TEXT,
            "time": _INT,
            "who": _TEXT,
            "work": _MAP,
        },
        {},
    ),
    "snapshot": ({"identity": _MAP, "provenance": _MAP}, {}),
}
"""By kind, the type of each field that is always there, and type and default of each that is absent at its default."""


class Problem(NamedTuple):
    """Why an object is no evidence."""

    code: str
    message: str


class Unreadable(Exception):
    """An object without which nothing can be said is no evidence. `problem` says why, `oid` which."""

    def __init__(self, oid: bytes, problem: Problem) -> None:
        super().__init__(problem.message)
        self.oid, self.problem = oid, problem


class Evidence:
    """The objects of a store. `read` counts those that were looked at, by kind."""

    def __init__(self, view: View, progress: Callable[[int], object] | None = None) -> None:
        self.view = view
        self.read: dict[str, int] = {}
        self._progress = progress

    def body(self, oid: bytes, kind: str) -> dict[str, Any]:
        """The body of an object. Unreadable if it is no evidence."""
        ((_, found),) = self.bodies([oid], kind)
        if isinstance(found, Problem):
            raise Unreadable(oid, found)
        return found

    def bodies(self, oids: Iterable[bytes], kind: str) -> Iterator[tuple[bytes, dict[str, Any] | Problem]]:
        """The body of every object, or what is wrong with it, in order."""
        wanted = iter(oids)
        while chunk := list(islice(wanted, _CHUNK)):
            self.read[kind] = self.read.get(kind, 0) + len(chunk)
            if self._progress is not None:
                self._progress(sum(self.read.values()))
            for oid, payload in zip(chunk, self._payloads(chunk), strict=True):
                yield oid, payload if isinstance(payload, Problem) else body_of(oid, payload, kind)

    def _payloads(self, oids: Sequence[bytes]) -> list[bytes | Problem]:
        try:
            return [payload for _, payload in self.view.read_many(oids)]
        except (ThemisError, OSError):
            return [self._payload(oid) for oid in oids]

    def _payload(self, oid: bytes) -> bytes | Problem:
        try:
            return self.view.read(oid)
        except (ThemisError, OSError) as error:
            missing = isinstance(error.__cause__, ObjectNotFound)
            return Problem("object-missing" if missing else "object-damaged", str(error))


def oid_of(payload: bytes) -> bytes:
    """OID-1."""
    hasher = _HASH.copy()
    hasher.update(payload)
    return hasher.digest()


def hash_of(context: str, value: Any) -> bytes:
    """BLAKE3 in derive-key mode over the canonical bytes of a plain value (ENC-18)."""
    return blake3(packed(value), derive_key_context=context).digest()


def packed(value: Any) -> bytes:
    """The canonical bytes of plain data whose maps are in order, as decoded ones are."""
    data: bytes = _PACKER.pack(value)
    return data


def body_of(oid: bytes, payload: bytes, kind: str) -> dict[str, Any] | Problem:
    """The body in a payload of that kind, or what is wrong with it (ENC-17, OBJ-1, OID-1)."""
    if oid_of(payload) != oid:
        return Problem("object-damaged", f"its bytes hash to {oid_of(payload).hex()}")
    try:
        value = decoded(payload)
    except (ValueError, TypeError, RecursionError, OverflowError, struct.error) as error:
        return Problem("object-malformed", f"not in the canonical encoding: {error or type(error).__name__}")
    if not (type(value) is list and len(value) == 3 and value[0] == 1 and type(value[1]) is str):
        return Problem("object-malformed", "not an envelope [1, kind, body]")
    if value[1] != kind:
        return Problem("object-of-another-kind", f"expected a {kind}, found a {value[1]}")
    wrong = _misshapen(value[2], kind)
    if wrong:
        return Problem("object-malformed", f"not a valid {kind}: {wrong}")
    body: dict[str, Any] = value[2]
    for name, (_, default) in _SHAPES[kind][1].items():
        body.setdefault(name, default)
    return body


def decoded(data: bytes) -> Any:
    """The value that canonical bytes spell; ValueError for any other bytes."""
    value = msgpack.unpackb(data, raw=False, strict_map_key=False, object_pairs_hook=_ascending, max_ext_len=0)
    if packed(value) != data:
        raise ValueError("another spelling of the same value")
    if _PERHAPS_NAN.search(data):
        _check_floats(value)
    if len(data) - len(data.translate(None, _OPENING)) > DEEPEST:
        _check_depth(value)
    return value


def _ascending(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the keys of a map do not ascend")
    _check_keys(tuple(found))
    return found


@lru_cache(maxsize=1024)
def _check_keys(keys: tuple[Any, ...]) -> None:
    """The same few maps of records come again and again."""
    if not _TEXTS.issuperset(map(type, keys)):
        raise ValueError("a key of a map is no text")
    if list(keys) != sorted(keys):
        raise ValueError("the keys of a map do not ascend")


def _check_floats(value: Any) -> None:
    stack = [value]
    while stack:
        each = stack.pop()
        if type(each) is float and each != each and struct.pack(">d", each) != _NAN:
            raise ValueError("a NaN that is not the one")
        stack.extend(each.values() if type(each) is dict else each if type(each) is list else ())


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST + 2):  # the envelope does not count
        level = [
            part
            for each in level
            if type(each) in (list, dict)
            for part in (each.values() if type(each) is dict else each)
            if type(part) in (list, dict)
        ]
        if not level:
            return
    raise ValueError(f"nested deeper than {DEEPEST} levels")


def _misshapen(body: Any, kind: str) -> str | None:
    if type(body) is not dict:
        return "its body is no map"
    always, sometimes = _SHAPES[kind]
    if not always.keys() <= body.keys():
        return f"{min(always.keys() - body.keys())} is missing"
    for name, value in body.items():
        expected = always.get(name)
        if expected is None:
            if name not in sometimes:
                return f"unknown field {name!r:.80}"
            expected, default = sometimes[name]
            if value == default:
                return f"{name} is its default"
        if expected != "any" and not (
            type(value) is _TYPES[expected] and (expected not in _TESTS or _TESTS[expected](value))
        ):
            return f"{name} is no {expected}"
    return None
