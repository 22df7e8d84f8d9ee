"""The pages of a store's file, checked without LMDB while nobody writes.

What is wrong with a page says nothing yet of what cannot be read; that is for `inspection` to find out.
"""

from __future__ import annotations

from typing import Final

from lmdb.verify import VerifyError, verify

from themis_vcs.errors import StorageError
from themis_vcs.store.layout import Layout
from themis_vcs.store.writelock import WriteLock

_REPORTED: Final = 20


def structure(layout: Layout, wait: float) -> list[str]:
    """Return what is wrong with the pages. StoreBusy after `wait` seconds behind somebody who writes."""
    try:
        lock = WriteLock(layout.write_lock)
    except StorageError:
        return _problems(layout)
    try:
        with lock.held(wait):
            return _problems(layout)
    finally:
        lock.close()


def _problems(layout: Layout) -> list[str]:
    try:
        found: list[str] = verify(str(layout.data), subdir=False)  # type: ignore[no-untyped-call]
    except (VerifyError, ValueError) as error:
        found = [str(error)]
    said = [f"the database file is not as it was written: {problem}" for problem in found[:_REPORTED]]
    return said if len(found) <= _REPORTED else [*said, f"and {len(found) - _REPORTED} more faults of structure"]
