"""Bytes that no reader may take, with the requirement that they break."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.golden.accepted import fill, objects
from tests.golden.reference import packed

TEST = "9301a474657374"


def rejected_values() -> Iterable[tuple[str, str, str]]:
    """(requirement, name, hex of a body)"""
    yield from (
        ("ENC-5", f"integer too long: {body}", body)
        for body in (
            "cc00",
            "cc7f",
            "cd0000",
            "cd00ff",
            "ce0000ffff",
            "cf00000000ffffffff",
            "d000",
            "d07f",
            "d0e0",
            "d0ff",
            "d100ff",
            "d1ff80",
            "d2ffff8000",
            "d20000ffff",
            "d3ffffffff80000000",
            "d30000000000000001",
            "d37fffffffffffffff",
        )
    )
    yield from (("ENC-6", f"float of 32 bits: {body}", body) for body in ("ca00000000", "ca3f800000", "ca7fc00000"))
    yield from (
        ("ENC-6", f"another NaN: {body}", body)
        for body in (
            "cb7ff0000000000001",
            "cb7ff4000000000000",
            "cb7ff8000000000001",
            "cbfff8000000000000",
            "cb7fffffffffffffff",
        )
    )
    yield from (
        ("ENC-7", f"text with too long a header: {body}", body)
        for body in ("d900", "d90161", "da000161", "db0000000161")
    )
    yield from (
        ("ENC-2", f"no UTF-8: {body}", body)
        for body in (
            "a180",
            "a1c3",
            "a2c328",
            "a2c080",
            "a3e080af",
            "a3eda080",
            "a3edbfbf",
            "a4f4908080",
            "a4f08080af",
            "a1ff",
            "a6eda0bdedb880",
        )
    )
    yield from (
        ("ENC-8", f"bytes with too long a header: {body}", body) for body in ("c50000", "c5000161", "c600000000")
    )
    yield from (
        ("ENC-9", f"list with too long a header: {body}", body) for body in ("dc0000", "dc0001c0", "dd00000000")
    )
    yield from (
        ("ENC-10", f"map with too long a header: {body}", body) for body in ("de0000", "de0001a161c0", "df00000000")
    )
    yield "ENC-10", "keys not sorted", "82a16201a16102"
    yield "ENC-10", "keys sorted by length", "82a17a01a2616102"
    yield "ENC-10", "keys sorted by UTF-16", "82a4f090808001a3efbfbf02"
    yield "ENC-10", "keys not sorted, deep inside", "9181a1789182a16201a16102"
    yield "ENC-3", "key twice", "82a16101a16101"
    yield "ENC-3", "key twice, other value", "82a16101a16102"
    yield from (
        ("ENC-3", f"key that is no text: {body}", body)
        for body in ("8101c0", "81c0c0", "81c40161c0", "81c2c0", "819000", "8180c0")
    )
    yield from (
        ("ENC-11", f"extension: {body}", body)
        for body in (
            "d40100",
            "c70001",
            "c70101ff",
            "c8000001",
            "c900000000ff",
            "d80100112233445566778899aabbccddeeff",
        )
    )
    yield from (
        ("ENC-11", f"timestamp: {body}", body)
        for body in ("d6ff00000000", "d7ff0000000000000000", "c70cff000000000000000000000000", "c700ff")
    )
    yield "ENC-11", "byte that MessagePack never uses", "c1"
    yield from (
        ("ENC-17", f"cut short: {body}", body)
        for body in (
            "a2",
            "a261",
            "cd00",
            "cb00",
            "91",
            "81",
            "81a161",
            "c403aabb",
            "ddffffffff",
            "dfffffffff",
            "dbffffffff",
            "c6ffffffff",
        )
    )
    yield from (("ENC-17", f"bytes after the end: {body}", body) for body in ("c0c0", "9000", "a16100", "00c1"))


def rejected_payloads() -> Iterable[tuple[str, str, str]]:
    """(requirement, name, hex of a payload)"""
    yield from (
        ("ENC-15", f"no envelope: {payload}", payload)
        for payload in (
            "",
            "93",
            "9301",
            "9301a4",
            TEST,
            "c0",
            "00",
            "01",
            "93c3a474657374c0",
            "9300a474657374c0",
            "93ffa474657374c0",
            "93cc01a474657374c0",
            "93cb3ff0000000000000a474657374c0",
            "dc000301a474657374c0",
            "9201a474657374",
            "9401a474657374c0c0",
            "83a474657374c0",
            "9301c40474657374c0",
            "9301d90474657374c0",
            "9301a0c0",
            "9301a454657374c0",
            "9301a431657374c0",
            "9301a4746573e9c0",
            "9301c0c0",
            "930101c0",
        )
    )


def rejected_objects() -> Iterable[tuple[str, str, str, Any]]:
    """(requirement, name, kind, body)"""
    by_name = {name: body for name, _, body in objects()}
    step, leaf, node, blob = (by_name[name] for name in ("step with a value", "tree leaf", "tree node", "blob"))
    without = {key: item for key, item in step.items() if key != "params"}
    yield "OBJ-1", "kind that does not exist", "test", None
    yield "OBJ-1", "body that is no map", "value", ["case", None]
    yield "OBJ-1", "field that is unknown", "value", {"type": "case", "data": None, "note": 1}
    yield "OBJ-1", "field that is missing", "step", without
    yield "OBJ-1", "field of the wrong type", "step", {**step, "seed": "7"}
    yield "OBJ-1", "number for an integer", "step", {**step, "seed": 7.0}
    yield "OBJ-1", "default spelled out: null", "step", {**step, "seed": None}
    yield "OBJ-1", "default spelled out: empty map", "step", {**step, "origin": {}}
    yield "OBJ-1", "default spelled out: empty list", "blob", {**blob, "chunks": []}
    yield "OBJ-3", "oid of 31 bytes", "step", {**step, "params": bytes(31)}
    yield "OBJ-3", "oid as text", "step", {**step, "params": fill(2).hex()}
    yield "OBJ-6", "value without a type", "value", {"type": "", "data": None}
    yield (
        "OBJ-7",
        "step with value and error",
        "step",
        {**step, "error": by_name["step that failed"]["error"]},
    )
    yield (
        "OBJ-7",
        "step without value and error",
        "step",
        {key: item for key, item in step.items() if key != "value"},
    )
    yield "TREE-2", "tree keys that descend", "tree", {**leaf, "keys": ["d/c2", "d/c1"]}
    yield "TREE-2", "tree key twice", "tree", {**leaf, "keys": ["d/c1", "d/c1"]}
    yield "TREE-2", "tree key that is empty", "tree", {**leaf, "keys": ["", "d/c1"]}
    yield "TREE-2", "tree key that is too long", "tree", {**leaf, "keys": ["a", "b" * 1_025]}
    yield "TREE-2", "tree key of too many bytes", "tree", {**leaf, "keys": ["a", "é" * 512 + "z"]}
    yield "TREE-3", "tree with an oid too few", "tree", {**leaf, "oids": fill(1)}
    yield "TREE-3", "tree with half an oid more", "tree", {**leaf, "oids": leaf["oids"] + bytes(16)}
    yield "TREE-3", "tree leaf with counts", "tree", {**leaf, "counts": [1, 1]}
    yield "TREE-3", "tree node without counts", "tree", {**leaf, "level": 1}
    yield "TREE-3", "tree node with a count too many", "tree", {**node, "counts": [1, 8, 1]}
    yield "TREE-3", "tree node with a negative count", "tree", {**node, "counts": [1, -8]}
    yield (
        "TREE-6",
        "tree node of 513 keys",
        "tree",
        {"level": 0, "keys": [f"{n:03d}" for n in range(513)], "oids": bytes(32 * 513)},
    )
    yield "TREE-8", "empty tree above level 0", "tree", {"level": 1, "keys": [], "oids": b""}
    yield "TREE-9", "tree that is too high", "tree", {**node, "level": 32}
    yield "OBJ-12", "blob of another size", "blob", {**blob, "size": 4}
    yield "OBJ-12", "blob with data and chunks", "blob", {**blob, "chunks": [fill(1)]}


def rejected_runs() -> Iterable[tuple[str, str, list[list[Any]]]]:
    """(requirement, name, payload as [[hex, times], …])"""
    yield "ENC-3", "key too long", [[TEST + "81da0401", 1], ["6b", 1025], ["c0", 1]]
    yield "ENC-12", "nested too deep", [[TEST, 1], ["91", 64], ["90", 1]]
    yield "ENC-12", "nested far too deep", [[TEST, 1], ["91", 5_000], ["90", 1]]
    yield "ENC-13", "an element too many", [[TEST + "dd000f423d", 1], ["90", 999_997]]
    yield "ENC-13", "lists that promise too much", [[TEST, 1], ["dd000f0000", 60], ["c0", 20_000]]


def rejected() -> Iterable[dict[str, Any]]:
    """All of them; those with `schema` are canonical, but no objects."""
    for requirement, name, body in rejected_values():
        yield _refusal(requirement, name, TEST + body)
    for requirement, name, payload in rejected_payloads():
        yield _refusal(requirement, name, payload)
    for payload in ("9302a474657374c0", "9202c0", "917f", "9f02", "9303d40100"):
        yield {**_refusal("ENC-16", f"newer format: {payload}", payload), "error": "unknown-format"}
    for requirement, name, payload_runs in rejected_runs():
        yield _refusal(requirement, name, payload_runs)
    for requirement, name, kind, body in rejected_objects():
        yield {**_refusal(requirement, name, runs(packed([1, kind, body]))), "schema": True}


def _refusal(requirement: str, name: str, payload: str | list[list[Any]]) -> dict[str, Any]:
    return {"name": name, "requirement": requirement, "payload": payload, "error": "decoding"}


def runs(payload: bytes) -> str | list[list[Any]]:
    """Hex, or [[hex, times], …] if it ends in many zeros."""
    content = payload.rstrip(b"\0")
    zeros = len(payload) - len(content)
    return payload.hex() if zeros < 1_000 else [[content.hex(), 1], ["00", zeros]]
