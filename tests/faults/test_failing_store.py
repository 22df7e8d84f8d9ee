"""The writes that happen once a second during a stage: what a run does when one of them fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.components import Answer, calls
from tests.support.experiments import experiment
from themis_vcs import Case, RuntimeConfig
from themis_vcs.errors import StorageError, StoreBusy, ThemisError
from themis_vcs.pipeline import execute
from themis_vcs.store.backend import Batch
from themis_vcs.store.memory import MemoryBackend
from themis_vcs.store.repository import Repository

CASES = 40


@dataclass
class Slow(Answer):
    """A generator that takes as long as a write is apart from the next."""

    async def generate(self, case: Case, ctx: Any) -> Any:
        await asyncio.sleep(0.02)
        return await super().generate(case, ctx)


@dataclass
class Failing(MemoryBackend):
    """A store whose writes fail as `failures` says of their numbers, from 1."""

    failures: dict[int, ThemisError] = field(default_factory=dict)
    calls_at_write: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def apply(self, batch: Batch) -> int:
        self.calls_at_write.append(calls["generate"])
        failure = self.failures.get(len(self.calls_at_write))
        if failure is not None:
            raise failure
        return super().apply(batch)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    monkeypatch.setattr(execute, "_FLUSH_SECONDS", 0.05)
    calls.clear()
    return calls


def _run(store: Failing) -> None:
    experiment(CASES, generator=Slow(), runtime=RuntimeConfig(max_concurrent_tasks=1)).run(
        store=Repository(store), until_stage="generate"
    )


def test_a_store_that_fails_ends_the_run_before_more_is_paid_for(often: Counter[str]) -> None:
    failure = StorageError("an input/output error")
    store = Failing(failures=dict.fromkeys(range(2, 1000), failure))
    with pytest.raises(StorageError, match="an input/output error"):
        _run(store)
    assert often["generate"] < store.calls_at_write[1] + 5


def test_a_store_that_is_busy_once_is_written_again_soon() -> None:
    store = Failing(failures={2: StoreBusy("process 1 is writing")})
    _run(store)
    during = [number for number in store.calls_at_write if 0 < number < CASES]
    assert len(during) > 3
