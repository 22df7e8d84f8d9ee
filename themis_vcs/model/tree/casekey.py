"""Case keys: the text that names a case, or one of its samples, in every tree.

`quote(dataset) "/" quote(case) ["/" index]` (TREE-13). Only what would make a key ambiguous or invisible is
quoted, so that keys stay readable in any script.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from themis_vcs.errors import DataError
from themis_vcs.model.codec import MAX_KEY
from themis_vcs.model.tree.build import check_key

# "%", "/", the controls of ASCII and of Latin-1, one UTF-8 byte at a time.
_SPECIAL = re.compile("[%/\x00-\x1f\x7f-\x9f]")
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)


def case_key(dataset_id: str, case_id: str, index: int | None = None) -> str:
    """Return the tree key of a case, or of sample `index` (from 0) of it.

    Raises DataError for an empty id, a lone surrogate, a negative index, and for a key of over 1,024 bytes.
    """
    if not dataset_id or not case_id:
        raise DataError(f"case {case_id!r:.100} of dataset {dataset_id!r:.100}: an id is empty")
    key = f"{quote(dataset_id)}/{quote(case_id)}"
    if index is not None:
        if index < 0:
            raise DataError(f"case {key!r:.100}: sample index {index} is negative")
        key = f"{key}/{index}"
    if len(key) > MAX_KEY or not key.isascii():
        check_key(key)
    return key


def split_key(key: str) -> tuple[str, str, int | None]:
    """Return (dataset id, case id, index or None); DataError unless `case_key` makes `key` of them."""
    parts = key.split("/")
    if len(parts) not in (2, 3) or not all(parts) or (len(parts) == 3 and not _INDEX.fullmatch(parts[2])):
        raise DataError(f"{key!r:.100} is not a case key", hint="a case key is DATASET/CASE or DATASET/CASE/INDEX")
    index = int(parts[2]) if len(parts) == 3 else None
    if "%" not in key and key.isprintable():
        return parts[0], parts[1], index
    try:
        dataset_id, case_id = (unquote_to_bytes(part).decode() for part in parts[:2])
    except UnicodeError:
        raise DataError(f"{key!r:.100} is not a case key: its escapes are no UTF-8") from None
    if case_key(dataset_id, case_id, index) != key:
        raise DataError(f"{key!r:.100} is not a case key", hint="only %, / and control characters are escaped, as %2F")
    return dataset_id, case_id, index


def case_of(key: str) -> str:
    """Return the key of the case that the key of a sample or a draw belongs to; the key of a case is its own."""
    return key if key.count("/") == 1 else key.rpartition("/")[0]


def quote(text: str) -> str:
    """Return `text` with "%", "/" and control characters as %XX of each of their UTF-8 bytes, upper-case."""
    if text.isprintable() and "%" not in text and "/" not in text:
        return text
    return _SPECIAL.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)
