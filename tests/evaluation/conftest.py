from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.fingerprinting import Fingerprinter, fingerprinter


@pytest.fixture(scope="session")
def fingerprint_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fingerprinter]:
    with fingerprinter(tmp_path_factory.mktemp("fingerprints")) as ask:
        yield ask
