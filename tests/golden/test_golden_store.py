"""Stores that earlier versions wrote stay readable, to the last object."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.golden.make_store import FACTS, STORE, facts
from themis_vcs import Repository
from themis_vcs.errors import FormatError
from themis_vcs.model.objects import load
from themis_vcs.store.fsck import fsck


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STORE, tmp_path / "store"))


def test_a_golden_store_holds_what_it_held(copy: Path) -> None:
    with Repository.open(copy, readonly=True) as repository:
        assert facts(repository) == json.loads(FACTS.read_text())
        for _, payload in repository.backend.everything():
            load(payload)


def test_a_golden_store_is_sound(copy: Path) -> None:
    assert fsck(copy).findings == []


def test_a_store_of_a_newer_version_is_refused_and_says_so(copy: Path) -> None:
    (copy / "format").write_text("themis-store 2\n")
    with pytest.raises(FormatError, match="2"):
        Repository.open(copy)
