from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from themis_vcs.store.backend import Backend
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.memory import MemoryBackend


@pytest.fixture(params=["memory", "lmdb"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """Every implementation of the protocol, empty."""
    makers: dict[str, Callable[[], Backend]] = {
        "memory": MemoryBackend,
        "lmdb": lambda: LmdbBackend(tmp_path / "store", create=True, map_size=1 << 20),
    }
    made = makers[request.param]()
    yield made
    made.close()
