"""Bundles of more objects than a walk remembers."""

from __future__ import annotations

import io

import pytest

from tests.support.stores import store_run
from themis_vcs.store.repository import Repository
from themis_vcs.transfer import bundling, transfer
from themis_vcs.transfer.bundle import Bundle


def test_an_object_that_the_walk_has_forgotten_comes_once_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "REMEMBERED", 10)
    monkeypatch.setattr("themis_vcs.store.walk.BATCH", 8)
    file = io.BytesIO()
    with Repository.memory() as repository:
        run = store_run(repository, 300).run
        objects = sum(1 for _ in repository.walk([run]))
        made = bundling.create(repository, {"names/demo": run}, lambda _: file)
    assert made.brought.objects == objects
    assert bundling.verify(Bundle([file], "test.bundle")).objects == objects
