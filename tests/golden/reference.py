"""The formats of docs/reference/format once more, in the plainest way, to hold the package against.

Shares no code with the package, and is slow.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from blake3 import blake3

CONTEXTS = {
    "object": "themis_vcs 2026-11-23 object v1",
    "tree key": "themis_vcs 2026-11-23 tree key v1",
    "derivation": "themis_vcs 2026-11-23 derivation v1",
    "track": "themis_vcs 2026-11-23 track v1",
    "seed": "themis_vcs 2026-11-23 seed v1",
    "run id": "themis_vcs 2026-11-23 run id v1",
}


def derive(context: str, data: bytes) -> bytes:
    return blake3(data, derive_key_context=CONTEXTS[context]).digest()


def sized(value: int, forms: Sequence[tuple[int, int]]) -> bytes:
    """The first head byte whose big-endian field of so many bytes holds `value`."""
    head, width = next((head, width) for head, width in forms if value < 256**width)
    return bytes([head]) + value.to_bytes(width, "big")


def integer(value: int) -> bytes:
    if 0 <= value < 128:
        return bytes([value])
    if value > 0:
        return sized(value, [(0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)])
    if value >= -32:
        return bytes([256 + value])
    width = next(width for width in (1, 2, 4, 8) if value >= -(256**width) // 2)
    return bytes([{1: 0xD0, 2: 0xD1, 4: 0xD2, 8: 0xD3}[width]]) + value.to_bytes(width, "big", signed=True)


def packed(value: Any) -> bytes:
    """ENC-5 to ENC-11, for plain Python values."""
    count = len(value) if isinstance(value, (list, dict)) else 0
    match value:
        case None | True | False:
            data = {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
        case int():
            data = integer(value)
        case float():
            data = b"\xcb" + (b"\x7f\xf8" + bytes(6) if value != value else struct.pack(">d", value))
        case str():
            text = value.encode()
            short = len(text) < 32
            head = bytes([0xA0 + len(text)]) if short else sized(len(text), [(0xD9, 1), (0xDA, 2), (0xDB, 4)])
            data = head + text
        case bytes():
            data = sized(len(value), [(0xC4, 1), (0xC5, 2), (0xC6, 4)]) + value
        case list():
            head = bytes([0x90 + count]) if count < 16 else sized(count, [(0xDC, 2), (0xDD, 4)])
            data = head + b"".join(map(packed, value))
        case dict():
            head = bytes([0x80 + count]) if count < 16 else sized(count, [(0xDE, 2), (0xDF, 4)])
            data = head + b"".join(packed(key) + packed(value[key]) for key in sorted(value, key=str.encode))
        case _:
            raise TypeError(f"no encoding for {value!r}")
    return data


def is_end(level: int, key: str) -> bool:
    return int.from_bytes(derive("tree key", bytes([level]) + key.encode())[:4], "big") < 2**32 // 128


def tree_root(entries: dict[str, bytes]) -> tuple[bytes, int, int]:
    """TREE-3 to TREE-8, the plain way: (root, its level, number of nodes)."""
    row = [(key, entries[key], 1) for key in sorted(entries, key=str.encode)]
    level = written = 0
    while True:
        parts: list[list[tuple[str, bytes, int]]] = [[]]
        for entry in row:
            parts[-1].append(entry)
            if is_end(level, entry[0]) or len(parts[-1]) == 512:
                parts.append([])
        above = []
        for part in [part for part in parts if part] or [[]]:
            body: dict[str, Any] = {"level": level, "keys": [key for key, _, _ in part]}
            body["oids"] = b"".join(oid for _, oid, _ in part)
            if level:
                body["counts"] = [count for _, _, count in part]
            oid = derive("object", packed([1, "tree", body]))
            above.append((part[-1][0] if part else "", oid, sum(count for _, _, count in part)))
        written += len(above)
        if len(above) == 1:
            return above[0][1], level, written
        row, level = above, level + 1
