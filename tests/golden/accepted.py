"""The values, objects, trees and keys of the golden vectors, in plain Python values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def values() -> Iterable[tuple[str, Any]]:
    yield from (("null", None), ("true", True), ("false", False), ("zero", 0))
    yield "integers around one byte", [127, 128]
    yield "small negative integers", [-32, -33]
    for bits in (5, 7, 8, 15, 16, 31, 32, 53, 63, 64):
        yield f"integers around 2^{bits}", [2**bits - 1, *([2**bits, 2**bits + 1] if bits < 64 else [])]
        if bits < 64:
            low = [-(2**bits) + 1, -(2**bits), *([-(2**bits) - 1] if bits < 63 else [])]
            yield f"integers around -2^{bits}", low
    yield from (("largest integer", 2**64 - 1), ("smallest integer", -(2**63)))
    yield "float and integer differ", [1.0, 1]
    floats = (
        -0.0,
        float("nan"),
        float("inf"),
        float("-inf"),
        0.1,
        5e-324,
        1.7976931348623157e308,
        2.0**53 + 2,
    )
    yield from zip(("negative zero", "NaN", "infinity", "minus infinity"), floats, strict=False)
    yield from ((f"float {number!r}", number) for number in floats[4:])
    yield "empty text", ""
    yield from (("é as one character", "é"), ("é as two characters", "e\u0301"))
    yield from (
        ("outside the basic plane", "\U0001f600"),
        ("text with a zero", "a\0b"),
        ("last character", "\U0010ffff"),
    )
    yield "bytes", b"\x00\xff"
    for count in (0, 15, 16, 31, 32, 255, 256, 65535, 65536):
        yield f"text of {count} bytes", "a" * count
        yield f"{count} bytes", b"\xa5" * count
        yield f"list of {count}", [None] * count
        yield f"map of {count}", numbered(count)
    yield "text of 33 bytes in 11 characters", "語" * 11
    yield "keys by UTF-8, not UTF-16", {"b": 1, "a": 2, "\uffff": 3, "\U00010000": 4}
    yield "keys of which one begins the other", {"ab": 1, "a": 2, "": 3, "a\0": 4, "B": 5}
    yield "longest key", {"k" * 1024: None}
    yield "nested empties", {"z": [{}, [], {"k": None}]}
    nested: Any = []
    for _ in range(63):
        nested = [nested]
    yield "deepest nesting", nested


def fill(number: int) -> bytes:
    return bytes([number]) * 32


def objects() -> Iterable[tuple[str, str, Any]]:
    data = {"case_id": "c1", "input": "2+2?", "expected_output": "4"}
    yield "value", "value", {"type": "case", "data": data}
    yield "value without data", "value", {"type": "score", "data": None}
    step = {
        "stage": "parse",
        "component": "builtin/text",
        "fingerprint": fill(1),
        "params": fill(2),
        "inputs": [fill(3)],
        "case": "d/c1",
    }
    yield "step with a value", "step", {**step, "value": fill(4)}
    observations = {"latency_ms": 12.5, "tokens": {"input": 10, "output": 3}}
    yield (
        "step with everything",
        "step",
        {**step, "seed": 7, "value": fill(4), "observations": observations, "origin": {"host": "a"}},
    )
    error = {
        "category": "timeout",
        "type": "builtins.TimeoutError",
        "message": "after 30 s",
        "retryable": True,
    }
    yield "step that failed", "step", {**step, "error": error}
    yield "empty tree", "tree", {"level": 0, "keys": [], "oids": b""}
    yield "tree leaf", "tree", {"level": 0, "keys": ["d/c1", "d/c2"], "oids": fill(1) + fill(2)}
    yield (
        "tree node",
        "tree",
        {"level": 1, "keys": ["d/c1", "d/c9"], "oids": fill(1) + fill(2), "counts": [1, 8]},
    )
    component = {
        "id": "builtin/text",
        "version": "1",
        "fingerprint": fill(1),
        "target": "builtin/text",
        "config": {},
        "deterministic": True,
    }
    track = {
        "id": "parse",
        "component": component,
        "params": fill(2),
        "fanout": 1,
        "inputs": [["reduced", fill(3)]],
        "values": fill(4),
        "steps": fill(5),
        "failures": fill(6),
    }
    yield "stage", "stage", {"name": "parse", "tracks": [track]}
    judge = {**component, "id": "j", "deterministic": False, "config": {"model": "m"}}
    yield (
        "stage with a judge",
        "stage",
        {"name": "judge", "tracks": [{**track, "component": {**component, "also": [judge]}}]},
    )
    run = {
        "run_id": fill(1),
        "name": "baseline",
        "snapshot": fill(2),
        "stages": [fill(3)],
        "completed_through": "judge",
        "status": "completed",
        "parents": [fill(4)],
        "reason": "run",
        "time": 1_795_000_000_000_000_000,
        "who": "ada",
        "work": {"judge": [3, 2, 1]},
    }
    yield "run", "run", run
    yield (
        "run that finished nothing",
        "run",
        {**run, "completed_through": None, "stages": [], "parents": [], "work": {}},
    )
    (identity,) = identities()
    yield "snapshot", "snapshot", {"identity": identity, "provenance": {"python": "3.11.7"}}
    yield "blob", "blob", {"size": 3, "data": b"abc"}
    yield "empty blob", "blob", {"size": 0}
    yield "blob of chunks", "blob", {"size": 2_000_000, "chunks": [fill(1), fill(2)]}
    yield (
        "tag",
        "tag",
        {
            "name": "tags/v1",
            "target": fill(1),
            "message": "first",
            "time": 1_795_000_000_000_000_000,
            "who": "ada",
        },
    )
    yield "dictionary", "dictionary", {"data": b"\x37\xa4\x30\xec", "label": "value:generation"}


def identities() -> Iterable[Any]:
    """What run ids are the hashes of."""
    yield {"cases": fill(1), "datasets": fill(2), "revisions": {"d": None}, "stages": {"parse": {"parser": "p"}}}


def derivations() -> Iterable[list[Any]]:
    """The fields of derivation keys: one, and then each field changed."""
    base = ["parse", fill(1), fill(2), [fill(3)], "d/c1", None]
    yield base
    for at, other in enumerate(("score", fill(9), fill(9), [fill(9)], "d/c2", 0)):
        yield [*base[:at], other, *base[at + 1 :]]
    yield [*base[:3], [fill(3), fill(4)], *base[4:]]
    yield [*base[:3], [fill(4), fill(3)], *base[4:]]


def tracks() -> Iterable[list[Any]]:
    """The fields of track keys."""
    yield ["parse", "parse", fill(1), fill(2), 1, [], [["reduced", fill(3)]]]
    yield ["generate", "generate", fill(1), fill(2), 3, [1, 2], []]


def seeds() -> Iterable[list[Any]]:
    """What seeds are derived from: a base and its parts."""
    yield from ([0], [1, "d/c1", 0], [1, "d/c1", 1], [2**63, "sample", -1])


def numbered(count: int) -> dict[str, int]:
    return {f"k{number:05d}": number for number in range(count)}
