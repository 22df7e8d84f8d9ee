from __future__ import annotations

from collections import Counter

import pytest

from tests.support.components import calls


@pytest.fixture(autouse=True)
def counted() -> Counter[str]:
    calls.clear()
    return calls
