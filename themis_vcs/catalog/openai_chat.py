"""`builtin/openai_chat`: any model behind an OpenAI-compatible endpoint, as the generator and as a judge model.

Options become the body of a request; `chat_client` sends it. Trying again is left to the pipeline.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec
from blake3 import blake3

from themis_vcs.catalog.builtin import Builtin
from themis_vcs.catalog.chat_answer import ChatAnswer
from themis_vcs.catalog.chat_client import (
    CONNECT_SECONDS,
    MAX_RESPONSE,
    READ_SECONDS,
    TOTAL_SECONDS,
    ChatClient,
    Timeouts,
    normalised,
    provider_of,
)
from themis_vcs.errors import ProviderError
from themis_vcs.evaluation.contexts import GenerateContext
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.judging import JudgeResponse
from themis_vcs.evaluation.prompt import PromptSpec
from themis_vcs.evaluation.results import GenerationResult, Message
from themis_vcs.evaluation.secrets import is_reference
from themis_vcs.model import codec

_IDENTITY = "themis_vcs 2026-11-23 openai chat v1"
_CUT_OFF = frozenset({"length", "content_filter"})


class OpenAIChat(Builtin, frozen=True):
    """What the generator and the judge model have in common: the options, and the call.

    `base_url` ends before "/chat/completions". `api_key` is a reference: {"env": "NAME"}, {"file": "PATH"} or
    {"command": "PROGRAM ARGUMENTS"}. Options that are not set are not sent. `seed` says whether the seed of the
    sample is sent. `json_schema` asks for an answer that meets it; `response_format` is sent as it is. `extra_body`
    is laid over the request; a null in it takes a field out. The environment's proxy is not used. The other
    options are seconds and bytes.
    """

    kind: ClassVar[str] = "openai_chat"
    deterministic: ClassVar[bool] = False
    apart: ClassVar[frozenset[str]] = frozenset(
        {"api_key", "stream", "proxy", "connect_timeout", "read_timeout", "total_timeout", "max_response"}
    )

    base_url: str
    model: str
    api_key: str | dict[str, str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: bool = True
    json_schema: dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    extra_body: dict[str, Any] = msgspec.field(default_factory=dict)
    stream: bool = False
    connect_timeout: float = CONNECT_SECONDS
    read_timeout: float = READ_SECONDS
    total_timeout: float = TOTAL_SECONDS
    max_response: int = MAX_RESPONSE
    proxy: str | None = None

    def __post_init__(self) -> None:
        problems = "; ".join(_problems(self))
        if problems:
            raise ValueError(problems)
        for name in ("temperature", "top_p"):
            if type(getattr(self, name)) is int:  # 1 and 1.0 are one option and have one fingerprint
                msgspec.structs.force_setattr(self, name, float(getattr(self, name)))

    @property
    def provider(self) -> str:
        """ "host:port", which components of the same provider share for the limit of concurrent calls."""
        return provider_of(self.base_url)

    def fingerprint(self) -> bytes:
        """32 bytes: kind, version, endpoint, model and what is asked of it; not the key, nor how it is transported."""
        identity = {name: value for name, value in self.options().items() if name not in self.apart}
        identity["base_url"] = normalised(self.base_url)
        packed = codec.pack([self.kind, self.version, identity])
        return blake3(packed, derive_key_context=_IDENTITY).digest()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._client.aclose()

    async def ask(
        self, messages: Iterable[Message], seed: int | None, schema: dict[str, Any] | None = None
    ) -> ChatAnswer:
        """The complete answer to these messages. ProviderError if there is none."""
        return await self._client.complete(self.request(messages, seed, schema))

    def request(
        self, messages: Iterable[Message], seed: int | None, schema: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The body of the request. `schema` wins over the options `json_schema` and `response_format`."""
        asked = {
            "model": self.model,
            "messages": [{"role": each.role, "content": each.content} for each in messages],
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "stop": self.stop,
            "seed": seed if self.seed else None,
            "response_format": _response_format(schema or self.json_schema, self.response_format),
            "stream": self.stream or None,
            "stream_options": {"include_usage": True} if self.stream else None,
        }
        return {name: value for name, value in {**asked, **self.extra_body}.items() if value is not None}

    @cached_property
    def _client(self) -> ChatClient:
        return ChatClient(
            self.base_url,
            api_key=self.api_key,
            timeouts=Timeouts(self.connect_timeout, self.read_timeout, self.total_timeout),
            proxy=self.proxy,
            max_response=self.max_response,
        )


class OpenAIChatGenerator(OpenAIChat, frozen=True):
    """The system under evaluation is a chat model. The prompt is that of the experiment, or the case's input alone.

    A refusal, tool calls and a reasoning that the server gives apart go into `artifacts`.
    """

    async def generate(self, case: Case, ctx: GenerateContext) -> GenerationResult:
        answer = await self.ask((ctx.prompt_spec or PromptSpec()).render(case), ctx.seed)
        artifacts = {"refusal": answer.refusal, "reasoning": answer.reasoning, "tool_calls": answer.tool_calls}
        observed = {"id": answer.id, "model": answer.model, "system_fingerprint": answer.system_fingerprint}
        observed["request_id"] = answer.request_id
        return GenerationResult(
            answer.text,
            artifacts={name: value for name, value in artifacts.items() if value},
            finish_reason=answer.finish_reason,
            token_usage=answer.usage,
            latency_ms=answer.latency_ms,
            provider={name: value for name, value in observed.items() if value is not None},
        )


class OpenAIChatJudge(OpenAIChat, frozen=True):
    """The judge is a chat model; the prompt goes to it as one message of the user.

    An answer that was cut off is a failure, since half a verdict could read like another one.
    """

    async def judge(
        self, prompt: str, *, seed: int | None = None, schema: dict[str, Any] | None = None
    ) -> JudgeResponse:
        answer = await self.ask([Message("user", prompt)], seed, schema)
        if answer.finish_reason in _CUT_OFF:
            raise ProviderError(
                f"{self.provider}: the verdict was cut off (finish reason {answer.finish_reason})",
                category="truncated",
                retryable=False,
                hint="raise `max_tokens`" if answer.finish_reason == "length" else None,
            )
        return JudgeResponse(
            self.component_id,
            answer.text or answer.refusal,
            judge_model_version=self.model,
            effective_seed=seed if self.seed else None,
            token_usage=answer.usage,
            latency_ms=answer.latency_ms,
            provider_request_id=answer.request_id or answer.id,
        )


def _response_format(schema: dict[str, Any] | None, response_format: dict[str, Any] | None) -> dict[str, Any] | None:
    if schema is None:
        return response_format
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def _problems(options: OpenAIChat) -> Iterable[str]:
    """What is wrong with the options, one text each."""
    try:
        parts = urlsplit(options.base_url)
        fine = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        yield "base_url: not an http:// or https:// URL"
    elif parts.username is not None or parts.password is not None:
        yield "base_url: has credentials in it; give them by `api_key`"
    elif parts.fragment:
        yield "base_url: has a fragment"
    if not options.model:
        yield "model: is empty"
    if options.api_key is not None and not is_reference(options.api_key):
        yield 'api_key: a literal where a reference is needed; write {env = "NAME"}, or leave it out if none is needed'
    if options.json_schema is not None and options.response_format is not None:
        yield "json_schema and response_format: only one of them can be sent"
    for name in ("max_tokens", "connect_timeout", "read_timeout", "total_timeout", "max_response"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            yield f"{name}: must be positive"
    yield from (f"extra_body.{name}: is not an option" for name in options.extra_body if name in ("messages", "stream"))
