"""Looking for garbage less often while many objects are made and few of them form cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_SELDOM = 10_000


@contextmanager
def collected_seldom() -> Iterator[None]:
    """Raise the collector's first threshold for as long as the block lasts. A collector that is off stays off."""
    first, *others = gc.get_threshold()
    if not 0 < first < _SELDOM:
        yield
        return
    gc.set_threshold(_SELDOM, *others)
    try:
        yield
    finally:
        gc.set_threshold(first, *others)
