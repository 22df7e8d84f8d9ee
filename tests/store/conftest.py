from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from themis_vcs.store.repository import Repository


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store can be made."""
    return tmp_path / "store"


@pytest.fixture
def repository(path: Path) -> Iterator[Repository]:
    """An empty store on disk."""
    with Repository.init(path) as made:
        yield made


@pytest.fixture(params=["memory", "lmdb"])
def any_repository(request: pytest.FixtureRequest, path: Path) -> Iterator[Repository]:
    """An empty store of each kind."""
    with Repository.memory() if request.param == "memory" else Repository.init(path) as made:
        yield made
