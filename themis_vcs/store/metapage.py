"""LMDB's two meta pages, read as bytes before LMDB is trusted with the file.

LMDB maps a file and believes it: one that is shorter than its meta page says kills the process with SIGBUS. Layout:
`struct MDB_page` and `struct MDB_meta` of LMDB 0.9 on a 64-bit machine, in its byte order.
"""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path
from typing import Final, NamedTuple

from lmdb.verify import VerifyError, verify

from themis_vcs.errors import Corrupt, FormatError, StorageError

MAGIC: Final = 0xBEEFC0DE
DATA_VERSION: Final = 1
_NO_PAGE: Final = 2**64 - 1
_META_FLAG: Final = 0x08

# Page header: number, padding, flags, bounds. Meta: magic, version, address, map size, then for the free list and
# the main table (page size or padding, flags, depth, branch, leaf and overflow pages, entries, root), last page, id.
_PAGE = struct.Struct("=QHHHH")
_META = struct.Struct("=IIQQ" + 2 * "IHHQQQQQ" + "QQ")
_READ_AGAIN: Final = 3
_PAUSE: Final = 0.02
_UNWRITTEN_PAGES: Final = 256


class Meta(NamedTuple):
    """What the newer meta page says."""

    page_size: int
    last_page: int
    transaction: int
    roots: tuple[int, int]


def check(data: Path) -> Meta:
    """Return the newer meta page of a data file, or raise Corrupt if LMDB must not be given the file.

    FormatError if another engine wrote it. A commit by another process may be seen half-way, so a fault counts only
    when it is still there a little later.
    """
    for attempt in range(_READ_AGAIN):
        try:
            return _check(data)
        except Corrupt:
            if attempt == _READ_AGAIN - 1:
                raise
        time.sleep(_PAUSE)
    raise AssertionError("unreachable")


def _check(data: Path) -> Meta:
    try:
        with data.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            first = _parse(file.read(_PAGE.size + _META.size), data, 0)
            file.seek(first.page_size)
            second = _parse(file.read(_PAGE.size + _META.size), data, 1)
    except OSError as error:
        raise StorageError(f"cannot read {data}: {error.strerror}") from error
    meta = max(first, second, key=lambda page: page.transaction)
    if any(root != _NO_PAGE and not 2 <= root <= meta.last_page for root in meta.roots):
        raise Corrupt(f"{data}: its meta page points outside the file")
    missing = meta.last_page + 1 - size // meta.page_size
    if missing > 0 and not _only_free_pages(data, missing):
        raise Corrupt(
            f"{data} is cut short: {size:,} bytes, and its meta page speaks of "
            f"{(meta.last_page + 1) * meta.page_size:,}"
        )
    return meta


def _only_free_pages(data: Path, missing: int) -> bool:
    """Say whether the absent end of a file holds nothing: LMDB does not write a last page that it freed at once."""
    if missing > _UNWRITTEN_PAGES:
        return False
    try:
        problems: list[str] = verify(str(data), subdir=False)  # type: ignore[no-untyped-call]
    except (VerifyError, ValueError, struct.error):
        return False
    return not problems


def _parse(page: bytes, data: Path, number: int) -> Meta:
    if len(page) < _PAGE.size + _META.size:
        raise Corrupt(f"{data} is cut short: meta page {number} is not there")
    _, _, flags, _, _ = _PAGE.unpack_from(page)
    fields = _META.unpack_from(page, _PAGE.size)
    magic, version = fields[0], fields[1]
    if magic == MAGIC and version != DATA_VERSION and version < 16:
        raise FormatError(
            f"{data} has LMDB data format {version}; this version reads {DATA_VERSION}",
            hint="use the version of themis that wrote it",
        )
    page_size = fields[4]
    if magic != MAGIC or version != DATA_VERSION or not flags & _META_FLAG or not _is_page_size(page_size):
        raise Corrupt(f"{data}: meta page {number} is damaged")
    return Meta(page_size, fields[20], fields[21], (fields[11], fields[19]))


def _is_page_size(size: int) -> bool:
    return 256 <= size <= 65536 and size & (size - 1) == 0
