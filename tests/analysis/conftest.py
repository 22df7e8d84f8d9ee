from __future__ import annotations

from collections.abc import Iterator

import pytest

from themis_vcs import InMemoryRunStore


@pytest.fixture
def store() -> Iterator[InMemoryRunStore]:
    with InMemoryRunStore() as opened:
        yield opened  # type: ignore[misc]
