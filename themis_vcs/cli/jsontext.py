"""JSON that may be shown on a terminal: nothing in it is taken for a command by that."""

from __future__ import annotations

import re
from typing import Any, Final

_UNUSUAL: Final = re.compile(r"[^\x20-\x7e\n]")


def to_json(value: Any, *, pretty: bool = True) -> str:
    """A value as JSON whose strings hold only printable characters; the others stand there as JSON's own escapes.

    Bytes become base64, and a number that is not finite null.
    """
    import msgspec

    encoded = msgspec.json.encode(value)
    return printable_json((msgspec.json.format(encoded, indent=2) if pretty else encoded).decode())


def printable_json(text: str) -> str:
    """JSON with escapes for what is not printable."""
    return _UNUSUAL.sub(lambda found: found[0] if found[0].isprintable() else _json_escape(found[0]), text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
