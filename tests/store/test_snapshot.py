"""Copies of a store, and where a store is found."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from tests.support.records import values
from tests.support.stores import store_run
from themis_vcs.errors import NoStore, StorageError, UsageError
from themis_vcs.store.discovery import find
from themis_vcs.store.fsck import fsck
from themis_vcs.store.repository import Repository


def contents(repository: Repository) -> tuple[object, ...]:
    backend = repository.backend
    names = [name for name, _ in repository.refs()]
    return (
        sorted(backend.everything()),
        list(repository.refs()),
        [repository.reflog(name) for name in names],
        list(backend.derivations()),
        list(backend.tracks()),
        repository.local("run"),
    )


def test_a_snapshot_holds_everything_and_is_private(repository: Repository, tmp_path: Path) -> None:
    store_run(repository, 50)
    for value in values(700):
        repository.put(value)
    repository.snapshot(tmp_path / "copy")
    with Repository.open(tmp_path / "copy") as copy:
        assert contents(copy) == contents(repository)
    assert fsck(tmp_path / "copy").findings == []
    assert {stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / "copy").rglob("*")} == {0o600, 0o700}
    assert {each.name for each in tmp_path.iterdir()} == {"store", "copy"}


def test_a_snapshot_is_smaller_than_a_store_with_a_history(repository: Repository, tmp_path: Path) -> None:
    for draw in range(40):
        store_run(repository, 20, draw=draw)
    repository.snapshot(tmp_path / "copy")
    with Repository.open(tmp_path / "copy") as copy:
        assert copy.statistics().file_bytes < repository.statistics().file_bytes
        assert copy.statistics().free_bytes < repository.statistics().free_bytes


def test_a_snapshot_taken_while_others_write_is_a_state_that_was(path: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    with Repository.init(path) as repository:
        store_run(repository, 5)

        def write() -> None:
            draw = 0
            while not stop.is_set():
                draw += 1
                store_run(repository, 10, draw=draw)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for number in range(4):
                with Repository.open(path) as other:
                    other.snapshot(tmp_path / f"copy{number}")
        finally:
            stop.set()
            thread.join()
    for number in range(4):
        assert fsck(tmp_path / f"copy{number}").findings == []


def test_a_snapshot_never_replaces_anything(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("there", "link"):
        with pytest.raises(StorageError, match="exists already"):
            repository.snapshot(tmp_path / name)
    with pytest.raises(StorageError):
        repository.snapshot(tmp_path / "no directory" / "copy")
    assert (tmp_path / "there").read_text() == "mine"


def test_a_store_in_memory_has_no_files_to_copy(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Repository.memory().snapshot(tmp_path / "copy")


def test_settings_travel_with_a_snapshot(repository: Repository, path: Path, tmp_path: Path) -> None:
    (path / "config.toml").write_text("[run]\n")
    repository.snapshot(tmp_path / "copy")
    assert (tmp_path / "copy" / "config.toml").read_text() == "[run]\n"


def test_a_store_is_found_from_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THEMIS_DIR", raising=False)
    Repository.init(tmp_path / ".themis").close()
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert find(deep) == tmp_path / ".themis"
    monkeypatch.chdir(deep)
    assert find() == tmp_path / ".themis"


def test_the_variable_decides_before_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Repository.init(tmp_path / ".themis").close()
    monkeypatch.setenv("THEMIS_DIR", os.fspath(tmp_path / "other"))
    assert find(tmp_path) == tmp_path / "other"


def test_where_there_is_none_the_way_to_make_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THEMIS_DIR", raising=False)
    (tmp_path / ".themis").mkdir()
    with pytest.raises(NoStore) as caught:
        find(tmp_path)
    assert "themis init" in str(caught.value.hint)
