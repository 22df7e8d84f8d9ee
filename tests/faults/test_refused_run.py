"""A store that cannot be written, and one that somebody else writes: the run is refused, reading goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import killing, scripted
from tests.support.journal import Journal
from tests.support.killing import Judge
from tests.support.mounts import read_only
from themis_vcs.errors import StorageError
from themis_vcs.store.fsck import fsck
from themis_vcs.store.repository import Repository


def test_a_read_only_store_refuses_a_run_and_can_be_read(tmp_path: Path, judge: Judge) -> None:
    trial = killing.run(tmp_path / "medium" / "run")
    with read_only(tmp_path / "medium"):
        again = killing.run(tmp_path / "again", store=trial.store)
        assert (again.status, again.record.calls) == (1, {})
        assert again.record.raised.startswith("StorageError ")
        with Repository.open(trial.store, readonly=True) as repository:
            assert scripted.outcome(repository) == judge.expected
            with pytest.raises(StorageError, match="reading only"):
                scripted.carry_out(repository, Journal(tmp_path / "calls"))
        assert fsck(trial.store).findings == []
    assert judge.problems(trial) == []


def test_a_run_beside_another_writer_names_it_and_can_be_repeated(tmp_path: Path, judge: Judge) -> None:
    with killing.running(tmp_path / "run", held=True) as program:
        # The fourth is in the middle of the first run, behind two that make the store.
        assert program.enter(4)
        store = program.trial.store
        beside = killing.run(tmp_path / "beside", store=store)
        assert (beside.status, beside.record.calls) == (13, {})
        assert f"process {program.process.pid} is writing" in beside.record.raised
        with Repository.open(store, readonly=True) as repository:
            assert list(repository.refs()) == []
        program.go_on()
        trial = program.end()
    repeated = killing.run(tmp_path / "beside", store=store)
    assert (trial.status, repeated.status, repeated.record.calls) == (0, 0, {})
    assert judge.problems(trial) == []
