from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.components import calls
from themis_vcs import InMemoryRunStore, LmdbRunStore
from themis_vcs.pipeline.stores import RunStore


@pytest.fixture(params=["memory", "lmdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunStore]:
    with InMemoryRunStore() if request.param == "memory" else LmdbRunStore(tmp_path / "store") as opened:
        yield opened


@pytest.fixture(autouse=True)
def counted() -> Counter[str]:
    calls.clear()
    return calls
