"""What `builtin/openai_chat` asks and what it makes of answers, against a server that says what it is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.canned_server import canned, completion, delta, events, response
from themis_vcs.catalog.chat_answer import from_events
from themis_vcs.catalog.chat_client import normalised, retry_after
from themis_vcs.catalog.openai_chat import OpenAIChatGenerator, OpenAIChatJudge
from themis_vcs.catalog.registry import resolve
from themis_vcs.errors import ConfigurationError, ProviderError, UsageError
from themis_vcs.evaluation.contexts import GenerateContext
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.fingerprint import fingerprint
from themis_vcs.evaluation.judging import JudgeResponse
from themis_vcs.evaluation.prompt import PromptSpec
from themis_vcs.evaluation.results import GenerationResult, Message

CASE = Case("c", "What is 2+3?")
SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}}


def context(prompt: PromptSpec | None = None) -> GenerateContext:
    return GenerateContext("d", "c", 0, 7, prompt)


async def generate(generator: OpenAIChatGenerator, prompt: PromptSpec | None = None) -> GenerationResult:
    try:
        return await generator.generate(CASE, context(prompt))
    finally:
        await generator.aclose()


async def ask(judge: OpenAIChatJudge, schema: dict[str, Any] | None = None) -> JudgeResponse:
    try:
        return await judge.judge("Is it right?", seed=3, schema=schema)
    finally:
        await judge.aclose()


def generated(
    *answers: bytes, pause: float = 0.0, prompt: PromptSpec | None = None, **options: Any
) -> tuple[GenerationResult, list[Any]]:
    """The result for one case, and the requests as (line, headers, body)."""
    with canned(*answers, pause=pause) as server:
        generator = OpenAIChatGenerator(base_url=server.url, model="m", **options)
        return asyncio.run(generate(generator, prompt)), server.requests


def failed(*answers: bytes, pause: float = 0.0, **options: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        generated(*answers, pause=pause, **options)
    return caught.value


def judged(answer: bytes, *, schema: dict[str, Any] | None = None, **options: Any) -> tuple[JudgeResponse, Any]:
    """The verdict, and the body of the request."""
    with canned(answer) as server:
        judge = OpenAIChatJudge(base_url=server.url, model="m", **options)
        return asyncio.run(ask(judge, schema)), server.requests[0][2]


def test_an_answer_becomes_a_result_with_its_observations() -> None:
    result, _ = generated(response(completion("5", system_fingerprint="fp"), x_request_id="r-1"))
    assert (result.final_output, result.finish_reason) == ("5", "stop")
    assert result.token_usage == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert result.provider == {
        "id": "c-1", "model": "m-2026", "system_fingerprint": "fp", "request_id": "r-1"
    }  # fmt: skip
    assert result.latency_ms is not None and result.latency_ms > 0


def test_only_options_that_are_set_are_sent() -> None:
    _, requests = generated(response(completion()))
    [(line, headers, body)] = requests
    assert line == "POST /v1/chat/completions HTTP/1.1"
    assert "authorization" not in headers
    assert body == {"model": "m", "messages": [{"role": "user", "content": "What is 2+3?"}], "seed": 7}


def test_options_are_sent_under_their_names() -> None:
    options = {"temperature": 0, "top_p": 0.5, "max_tokens": 9, "stop": ["\n"], "json_schema": SCHEMA}
    _, requests = generated(response(completion()), **options, extra_body={"top_k": 4, "seed": None, "max_tokens": 8})
    body = requests[0][2]
    assert {name: body.get(name) for name in ("temperature", "top_p", "max_tokens", "stop", "top_k", "seed")} == {
        "temperature": 0, "top_p": 0.5, "max_tokens": 8, "stop": ["\n"], "top_k": 4, "seed": None,
    }  # fmt: skip
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA


def test_the_prompt_of_the_experiment_is_rendered() -> None:
    prompt = PromptSpec("Be brief.", "Q: {input}", [Message("user", "1+1?"), Message("assistant", "2")])
    _, requests = generated(response(completion()), prompt=prompt, seed=False)
    assert requests[0][2] == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "1+1?"},
            {"role": "assistant", "content": "2"},
            {"role": "user", "content": "Q: What is 2+3?"},
        ],
    }


def test_a_verdict_is_asked_for_with_the_schema_of_the_call() -> None:
    verdict, body = judged(response(completion('{"score": 1}')), schema=SCHEMA, temperature=0.0)
    assert body["messages"] == [{"role": "user", "content": "Is it right?"}]
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert (verdict.judge_model_id, verdict.raw_response, verdict.effective_seed) == ("openai_chat", '{"score": 1}', 3)
    assert (verdict.judge_model_version, verdict.provider_request_id) == ("m", "c-1")


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_cut_off_answer_is_a_result_but_no_verdict(reason: str) -> None:
    result, _ = generated(response(completion("5 is", reason)))
    assert (result.final_output, result.finish_reason) == ("5 is", reason)
    with pytest.raises(ProviderError, match="cut off") as caught:
        judged(response(completion("5 is", reason)))
    assert (caught.value.category, caught.value.retryable) == ("truncated", False)


@pytest.mark.parametrize("end", ["data: [DONE]\n\n", ""])
def test_a_stream_becomes_the_same_result(end: str) -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}
    opening = delta(role="assistant")
    stream = events(opening, delta("2 + 3 "), ": still here", delta("= 5"), delta(None, "stop"), usage, end=end)
    result, requests = generated(stream, stream=True)
    plain, _ = generated(response(completion("2 + 3 = 5")))
    assert (result.final_output, result.finish_reason) == (plain.final_output, plain.finish_reason)
    assert result.token_usage == plain.token_usage
    assert requests[0][2]["stream_options"] == {"include_usage": True}


def test_a_stream_may_be_cut_anywhere_into_packets() -> None:
    whole = events(delta("a\u20acb"), delta("c", "stop")).partition(b"\r\n\r\n")[2].replace(b"\n", b"\r\n")

    async def read(size: int) -> str:
        async def chunks() -> Any:
            for start in range(0, len(whole), size):
                yield whole[start : start + size]

        return (await from_events(chunks())).text

    assert {asyncio.run(read(size)) for size in range(1, len(whole) + 1)} == {"a\u20acbc"}


def test_tool_calls_reasoning_and_refusals_are_kept_apart() -> None:
    call = {"index": 0, "id": "t", "function": {"name": "add", "arguments": '{"a":'}}
    more = {"index": 0, "function": {"arguments": "1}"}}
    stream = events(
        delta(reasoning_content="hm"), delta(tool_calls=[call]), delta(tool_calls=[more]), delta(None, "tool_calls")
    )
    result, _ = generated(stream, stream=True)
    assert result.final_output == ""
    assert result.artifacts["reasoning"] == "hm"
    assert result.artifacts["tool_calls"] == [
        {"id": "t", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
    ]
    message = {"role": "assistant", "content": None, "refusal": "no"}
    refused, _ = generated(response({"choices": [{"message": message, "finish_reason": "stop"}]}))
    assert (refused.final_output, refused.artifacts) == ("", {"refusal": "no"})


NO_ANSWER = [
    pytest.param(response(completion(finish_reason=None)), "incomplete", id="no finish reason"),
    pytest.param(response(completion(finish_reason="")), "incomplete", id="empty finish reason"),
    pytest.param(response(b""), "incomplete", id="empty body"),
    pytest.param(response(completion(choices=[])), "malformed", id="no choices"),
    pytest.param(response(completion(choices=None)), "malformed", id="choices null"),
    pytest.param(response(completion(choices=["x"])), "malformed", id="choice that is text"),
    pytest.param(response(completion(choices=[{"finish_reason": "stop"}])), "malformed", id="no message"),
    pytest.param(response(completion(content=3)), "malformed", id="content that is a number"),
    pytest.param(response(b'{"choices": ['), "malformed", id="cut JSON"),
    pytest.param(response(b"[1]"), "malformed", id="another document"),
    pytest.param(response(b'"\xff"'), "malformed", id="not UTF-8"),
    pytest.param(response(b'{"choices": NaN}'), "malformed", id="NaN"),
    pytest.param(response(b"<html>", content_type="text/html"), "malformed", id="web page"),
    pytest.param(response({"error": {"message": "overloaded"}}), "malformed", id="error with status 200"),
    pytest.param(response(completion(), content_encoding="gzip"), "malformed", id="compressed"),
    pytest.param(response(completion(), length=10_000), "connection", id="connection cut in the body"),
    pytest.param(b"HTTP/1.1 200 OK\r\ncontent-", "connection", id="connection cut in the headers"),
    pytest.param(b"", "connection", id="connection closed at once"),
    pytest.param(b"SSH-2.0-OpenSSH\r\n\r\n", "connection", id="another protocol"),
    pytest.param(events(delta("5"), delta("6"), end=""), "incomplete", id="stream that just ends"),
    pytest.param(events(delta("5")), "incomplete", id="stream without a finish reason"),
    pytest.param(events(end=""), "incomplete", id="empty stream"),
    pytest.param(events(delta("5"), '{"choi'), "malformed", id="stream with a broken event"),
    pytest.param(events(delta("5"), {"error": {"message": "x"}}), "malformed", id="stream with an error"),
    pytest.param(events(delta("5"), "3"), "malformed", id="stream with a number"),
]


@pytest.mark.parametrize(("answer", "category"), NO_ANSWER)
def test_what_is_no_answer_is_a_failure_that_may_pass(answer: bytes, category: str) -> None:
    error = failed(answer, stream=b"event-stream" in answer)
    assert (error.category, error.retryable) == (category, True)


@pytest.mark.parametrize(
    ("status", "category", "retryable"),
    [
        ("400 Bad Request", "rejected", False),
        ("401 Unauthorized", "credentials", False),
        ("403 Forbidden", "credentials", False),
        ("404 Not Found", "rejected", False),
        ("408 Request Timeout", "rejected", True),
        ("422 Unprocessable", "rejected", False),
        ("429 Too Many Requests", "rate_limited", True),
        ("500 Internal Server Error", "server_error", True),
        ("503 Service Unavailable", "server_error", True),
        ("529 Overloaded", "server_error", True),
    ],
)
def test_a_status_says_what_went_wrong_and_whether_to_try_again(status: str, category: str, retryable: bool) -> None:
    error = failed(response({"error": {"message": "because"}}, status))
    assert (error.status, error.category, error.retryable) == (int(status[:3]), category, retryable)
    assert "because" in error.message


def test_a_used_up_quota_is_not_tried_again() -> None:
    error = failed(response({"error": {"message": "pay", "code": "insufficient_quota"}}, "429 Too Many Requests"))
    assert (error.category, error.retryable) == ("rate_limited", False)


def test_a_redirect_is_not_followed() -> None:
    with canned(response(completion())) as elsewhere:
        error = failed(response(b"", "307 Temporary Redirect", location=elsewhere.url))
    assert (error.retryable, elsewhere.requests) == (False, [])
    assert "redirect" in (error.hint or "")


@pytest.mark.parametrize("stream", [False, True])
def test_an_endless_answer_is_given_up(stream: bool) -> None:
    answer = events(*[delta("x" * 1000)] * 100) if stream else response(b" " * 100_000)
    error = failed(answer, stream=stream, max_response=10_000)
    assert (error.category, error.retryable) == ("too_large", False)


@pytest.mark.parametrize("option", ["read_timeout", "total_timeout"])
def test_a_server_that_says_nothing_is_given_up(option: str) -> None:
    error = failed(b"", pause=30, **{option: 0.05})
    assert (error.category, error.retryable) == ("timeout", True)


def test_a_server_that_drips_is_given_up_after_the_total_time() -> None:
    drops = [events(end=""), *[b": still here\n\n"] * 500]
    with canned(drops, pause=0.02) as server:
        judge = OpenAIChatJudge(base_url=server.url, model="m", stream=True, read_timeout=5, total_timeout=0.2)
        with pytest.raises(ProviderError) as caught:
            asyncio.run(ask(judge))
    assert caught.value.category == "timeout"


def test_nobody_there_is_a_connection_failure() -> None:
    generator = OpenAIChatGenerator(base_url="http://127.0.0.1:1", model="m")
    with pytest.raises(ProviderError) as caught:
        asyncio.run(generate(generator))
    assert (caught.value.category, caught.value.retryable) == ("connection", True)
    assert "127.0.0.1:1" in caught.value.message


def test_the_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PROVIDER", "topsecret-1234")
    _, requests = generated(response(completion()), api_key={"env": "MY_PROVIDER"})
    assert requests[0][1]["authorization"] == "Bearer topsecret-1234"
    echo = response({"error": {"message": "bad key topsecret-1234"}}, "401 Unauthorized")
    error = failed(echo, api_key="env:MY_PROVIDER")
    assert "topsecret" not in f"{error.message} {error.hint} {error!r}"
    assert "bad key [redacted]" in error.message


def test_a_key_that_is_not_there_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(UsageError, match="NO_SUCH_KEY"):
        generated(response(completion()), api_key={"env": "NO_SUCH_KEY"})


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    result, _ = generated(response(completion("5")))
    assert result.final_output == "5"


def test_one_object_serves_one_event_loop_after_the_other() -> None:
    with canned(response(completion("5"))) as server:
        generator = OpenAIChatGenerator(base_url=server.url, model="m")
        assert [asyncio.run(generate(generator)).final_output for _ in range(2)] == ["5", "5"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"base_url": "localhost:80", "model": "m"}, "base_url"),
        ({"base_url": "ftp://h/v1", "model": "m"}, "base_url"),
        ({"base_url": "http://h:99999", "model": "m"}, "base_url"),
        ({"base_url": "https://me:word@h/v1", "model": "m"}, "base_url: has credentials"),
        ({"base_url": "http://h", "model": ""}, "model"),
        ({"base_url": "http://h", "model": "m", "api_key": "sk-proj-0123456789abcdef"}, "api_key: a literal"),
        ({"base_url": "http://h", "model": "m", "api_key": {"key": "x"}}, "api_key: a literal"),
        ({"base_url": "http://h", "model": "m", "max_tokens": 0}, "max_tokens"),
        ({"base_url": "http://h", "model": "m", "read_timeout": -1}, "read_timeout"),
        ({"base_url": "http://h", "model": "m", "json_schema": {}, "response_format": {}}, "json_schema"),
        ({"base_url": "http://h", "model": "m", "extra_body": {"messages": []}}, "extra_body.messages"),
        ({"base_url": "http://h", "model": "m", "temprature": 1}, "temprature"),
    ],
)
def test_bad_options_are_refused_by_name(options: dict[str, Any], named: str) -> None:
    for role in ("generator", "judge_model"):
        with pytest.raises(ConfigurationError, match=named) as caught:
            resolve(role, "builtin/openai_chat", options)
        assert "sk-proj" not in str(caught.value) and "word" not in str(caught.value)


BASE = {"base_url": "http://127.0.0.1:8080/v1", "model": "m"}


@pytest.mark.parametrize(
    "change",
    [
        {"api_key": {"env": "A"}},
        {"stream": True},
        {"read_timeout": 3},
        {"proxy": "http://127.0.0.1:3128"},
        {"max_response": 10_000},
        {"base_url": "http://127.0.0.1:8080/v1/"},
        {"base_url": "HTTP://127.0.0.1:8080/v1?api-version=2"},
    ],
)
def test_how_it_is_transported_is_not_in_the_fingerprint(change: dict[str, Any]) -> None:
    assert fingerprint(OpenAIChatGenerator(**{**BASE, **change})) == fingerprint(OpenAIChatGenerator(**BASE))


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "http://127.0.0.1:8081/v1"},
        {"base_url": "https://127.0.0.1:8080/v1"},
        {"model": "n"},
        {"temperature": 0.0},
        {"top_p": 1.0},
        {"max_tokens": 5},
        {"stop": "x"},
        {"seed": False},
        {"json_schema": SCHEMA},
        {"response_format": {"type": "json_object"}},
        {"extra_body": {"top_k": 1}},
        {"name": "other"},
    ],
)
def test_what_is_asked_is_in_the_fingerprint(change: dict[str, Any]) -> None:
    assert fingerprint(OpenAIChatGenerator(**{**BASE, **change})) != fingerprint(OpenAIChatGenerator(**BASE))


def test_numbers_have_one_fingerprint() -> None:
    one, other = (OpenAIChatGenerator(**BASE, temperature=each) for each in (1, 1.0))
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:30 GMT", "date": "Mon, 23 Nov 2026 12:00:00 GMT"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 90.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=10.0) == seconds


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("http://Host:80/v1/", "http://host/v1"),
        ("https://h:443", "https://h"),
        ("https://h:8443/a/b?x=1", "https://h:8443/a/b"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
    ],
)
def test_a_base_url_is_normalised(url: str, plain: str) -> None:
    assert normalised(url) == plain


def test_the_provider_is_host_and_port() -> None:
    assert OpenAIChatJudge(base_url="https://api.example.org/v1", model="m").provider == "api.example.org:443"
    assert OpenAIChatJudge(base_url="http://[::1]:9/v1", model="m").provider == "[::1]:9"
