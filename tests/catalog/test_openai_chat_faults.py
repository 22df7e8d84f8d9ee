"""`builtin/openai_chat` against llmock, which breaks answers as providers do and grades the client."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llmock.pytest_plugin import LLMock

from themis_vcs.catalog.openai_chat import OpenAIChatGenerator
from themis_vcs.errors import ProviderError
from themis_vcs.evaluation.contexts import GenerateContext
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.results import GenerationResult
from themis_vcs.pipeline.attempts import Caller
from themis_vcs.pipeline.config import RuntimeConfig


def generated(llmock: LLMock, attempts: list[dict[str, Any]] | None = None, **options: Any) -> GenerationResult:
    """One result; by the pipeline's rules for another try where `attempts` is given."""

    async def run() -> GenerationResult:
        made = OpenAIChatGenerator(base_url=llmock.base_url(), model="gpt-4o", api_key="env:OPENAI_API_KEY", **options)
        context = GenerateContext("d", "c", 0, 7)
        try:
            if attempts is None:
                return await made.generate(Case("c", "Hello"), context)
            caller = Caller(RuntimeConfig(retry_attempts=6, retry_delay=0.05, retry_max_delay=0.2))
            return await caller.call(lambda: made.generate(Case("c", "Hello"), context), attempts, made)
        finally:
            await made.aclose()

    return asyncio.run(run())


def failed(llmock: LLMock, **options: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        generated(llmock, **options)
    return caught.value


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_whole(llmock: LLMock, stream: bool) -> None:
    llmock.reply("one two three")
    result = generated(llmock, stream=stream)
    assert (result.final_output, result.finish_reason) == ("one two three", "stop")
    assert set(result.token_usage or {}) >= {"prompt_tokens", "completion_tokens"}


def test_a_limit_carries_its_retry_after(llmock: LLMock) -> None:
    llmock.rate_limit(retry_after=2)
    error = failed(llmock)
    assert (error.status, error.category, error.retryable, error.retry_after) == (429, "rate_limited", True, 2.0)


@pytest.mark.parametrize("status", [500, 502, 503, 529])
def test_a_server_error_may_pass(llmock: LLMock, status: int) -> None:
    llmock.fail(status)
    error = failed(llmock)
    assert (error.status, error.category, error.retryable) == (status, "server_error", True)


def test_a_prompt_that_is_too_long_does_not(llmock: LLMock) -> None:
    llmock.context_overflow()
    error = failed(llmock)
    assert (error.status, error.retryable) == (400, False)
    assert "maximum context length" in error.message


def test_a_slow_answer_is_given_up(llmock: LLMock) -> None:
    llmock.delay(5)
    assert failed(llmock, read_timeout=0.1).category == "timeout"


@pytest.mark.parametrize(
    ("fault", "category"),
    [("truncate", "incomplete"), ("disconnect", "connection"), ("corrupt", "malformed")],
)
@pytest.mark.parametrize("after_chunks", [0, 1, 3])
def test_a_cut_stream_is_no_answer(llmock: LLMock, fault: str, category: str, after_chunks: int) -> None:
    llmock.reply("one two three four five")
    getattr(llmock, fault)(after_chunks=after_chunks)
    error = failed(llmock, stream=True)
    assert (error.category, error.retryable) == (category, True)


def test_a_stalled_stream_is_given_up(llmock: LLMock) -> None:
    llmock.stall(seconds=5)
    assert failed(llmock, stream=True, read_timeout=0.1).category == "timeout"


def test_the_pipeline_gets_through_all_of_it(llmock: LLMock) -> None:
    llmock.rate_limit(retry_after=0.2).fail(503)
    llmock.truncate(after_chunks=2).disconnect(after_chunks=2).corrupt(after_chunks=2)
    llmock.reply("one two three four five", times=4)
    attempts: list[dict[str, Any]] = []
    assert generated(llmock, attempts, stream=True).final_output == "one two three four five"
    assert len(attempts) == 5
    assert attempts[0]["delay"] >= 0.2
    llmock.assert_resilient()
