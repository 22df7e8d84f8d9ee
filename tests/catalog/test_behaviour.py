"""No built-in component changes its answers without changing its version, all that its fingerprint has of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.behaviour import RECORDED, observe_all

KNOWN: dict[str, list[Any]] = json.loads(RECORDED.read_text("utf-8"))
FOUND = observe_all()


@pytest.mark.parametrize("name", sorted(KNOWN | FOUND))
def test_a_version_keeps_its_answers(name: str) -> None:
    assert FOUND.get(name) == KNOWN.get(name), (
        "the answers are not those recorded for this version: if that is meant, raise the `version` of the "
        "component and run `python -m tests.support.behaviour`"
    )
