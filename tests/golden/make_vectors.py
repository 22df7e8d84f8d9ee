"""Makes vectors.json: values and objects with their canonical bytes and ids, and bytes that must be refused.

Usage: python -m tests.golden.make_vectors

Made by `reference`, which shares no code with the package, so the vectors prove something about it.

Values are in a notation that every JSON library keeps. null, true, false, text and lists are themselves;
{"int": "-1"}; {"float": "bff0000000000000"} (its bits); {"bytes": "00ff"}; {"map": [[key, value], …]}, in any
order; {"repeat": {"text": "a"}, "times": n} and likewise for "bytes" and "list"; {"numbered": n} is the map
k00000 → 0, k00001 → 1, … to n - 1. Bytes are in hex, or a list of [hex, times]. Of long payloads there are
only "head" and "length"; the oid vouches for the rest.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from blake3 import blake3

from tests.golden import accepted, refused
from tests.golden.reference import CONTEXTS, derive, is_end, packed, tree_root

TARGET = Path(__file__).with_name("vectors.json")
LONG = 96


def noted(value: Any) -> Any:
    """A plain Python value in the notation of the vectors."""
    match value:
        case None | True | False:
            note = value
        case int():
            note = {"int": str(value)}
        case float():
            note = {"float": struct.pack(">d", value).hex()}
        case str():
            note = value if len(value) <= LONG else repeated({"text": value[0]}, value)
        case bytes():
            short = len(value) <= LONG
            note = {"bytes": value.hex()} if short else repeated({"bytes": value[:1].hex()}, value)
        case list():
            short = len(value) <= LONG // 4
            note = [noted(item) for item in value] if short else repeated({"list": noted(value[0])}, value)
        case _:
            short = len(value) <= LONG // 4
            note = {"map": [[key, noted(item)] for key, item in value.items()]} if short else {"numbered": len(value)}
    return note


def repeated(item: dict[str, Any], value: str | bytes | list[Any]) -> dict[str, Any]:
    return {"repeat": item, "times": len(value)}


def shown(data: bytes) -> dict[str, Any]:
    if len(data) <= 4 * LONG:
        return {"hex": data.hex()}
    return {"head": data[:24].hex(), "length": len(data)}


def vector(name: str, kind: str, body: Any) -> dict[str, Any]:
    payload = packed([1, kind, body])
    return {
        "name": name,
        "kind": kind,
        "value": noted(body),
        **shown(payload),
        "oid": derive("object", payload).hex(),
    }


def trees() -> Iterable[dict[str, Any]]:
    """Trees of d/00000 … where BLAKE3 of the key is the oid: of all keys, or of those (not) ending a leaf."""
    for keep, counts in (
        ("all", (0, 1, 2, 100, 1_000, 10_000, 50_000)),
        ("no ends", (3_000,)),
        ("ends", (3_000,)),
    ):
        for count in counts:
            keys = [f"d/{number:05d}" for number in range(count)]
            keys = [key for key in keys if keep == "all" or is_end(0, key) is (keep == "ends")]
            root, level, nodes = tree_root({key: blake3(key.encode()).digest() for key in keys})
            yield {"keys": keep, "of": count, "root": root.hex(), "level": level, "nodes": nodes}


def keyed(name: str, fields: Any) -> dict[str, Any]:
    return {"fields": noted(fields), "key": derive(name, packed(fields)).hex()}


def seeded(fields: list[Any]) -> dict[str, Any]:
    number = int.from_bytes(derive("seed", packed(fields))[:4], "big") % 2**31
    return {"fields": noted(fields), "seed": number}


def document() -> dict[str, Any]:
    return {
        "format": 1,
        "contexts": CONTEXTS,
        "values": [vector(name, "test", value) for name, value in accepted.values()],
        "objects": [vector(name, kind, body) for name, kind, body in accepted.objects()],
        "trees": list(trees()),
        "derivation_keys": [keyed("derivation", fields) for fields in accepted.derivations()],
        "track_keys": [keyed("track", fields) for fields in accepted.tracks()],
        "run_ids": [keyed("run id", identity) for identity in accepted.identities()],
        "seeds": [seeded(fields) for fields in accepted.seeds()],
        "rejected": list(refused.rejected()),
    }


def text() -> str:
    """The file: one vector a line."""
    parts = []
    for name, content in document().items():
        if isinstance(content, list):
            lines = ",\n".join("  " + json.dumps(item, ensure_ascii=True) for item in content)
            parts.append(f" {json.dumps(name)}: [\n{lines}\n ]")
        else:
            parts.append(f" {json.dumps(name)}: {json.dumps(content)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="ascii")
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes", file=sys.stderr)
