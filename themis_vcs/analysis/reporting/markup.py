"""Pieces of HTML pages, whose text may be hostile: escaped, and with what is unprintable spelled out."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """A list of what things are."""
    return "<dl>" + "".join(f"<dt>{text(name)}</dt><dd>{text(said)}</dd>" for name, said in pairs) + "</dl>\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of text."""
    heading = "".join(f'<th scope="col">{text(name)}</th>' for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{text(each)}</td>" for each in row) + "</tr>\n" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{heading}</tr></thead>\n<tbody>{body}</tbody></table></div>\n'


def text(said: str) -> str:
    """Text for HTML; what is unprintable, bidirectional controls too, becomes U+XXXX."""
    return escape("".join(each if each.isprintable() or each in "\n\t" else f"U+{ord(each):04X}" for each in said))


def digest(source: str) -> str:
    """A style sheet or script as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
