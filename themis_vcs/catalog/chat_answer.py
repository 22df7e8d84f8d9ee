"""The answer of a chat endpoint, read from one JSON document or put together from a stream of events.

An answer without a finish reason is not one: a stream that just ends is how a cut connection behind a proxy looks.
Pure but for awaiting the chunks; sizes are bounded by whoever hands them in.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import msgspec


class Incomplete(Exception):
    """An answer that ends before it is finished."""


class Malformed(Exception):
    """Something that is no answer at all."""


class ChatAnswer(msgspec.Struct, frozen=True):
    """A complete answer. `usage` counts tokens; `reasoning`, `refusal` and `tool_calls` may be empty."""

    text: str
    finish_reason: str
    refusal: str = ""
    reasoning: str = ""
    tool_calls: list[Any] = []
    usage: dict[str, int] = {}
    id: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    request_id: str | None = None
    latency_ms: float = 0.0


def from_json(data: bytes) -> ChatAnswer:
    """The answer in a response that is one JSON document. Incomplete or Malformed if there is none."""
    document = _object(_decoded(data), "the response")
    _refuse_error(document)
    choice = _first_choice(document)
    if choice is None:
        raise Malformed("it has no choices")
    message = _object(choice.get("message"), "choices[0].message")
    return _answer(
        document,
        text=_text(message.get("content")),
        refusal=_text(message.get("refusal")),
        reasoning=_text(message.get("reasoning_content") or message.get("reasoning")),
        tool_calls=message.get("tool_calls") or [],
        finish_reason=choice.get("finish_reason"),
    )


async def from_events(chunks: AsyncIterator[bytes]) -> ChatAnswer:
    """The answer in a stream of server-sent events. Incomplete or Malformed if there is none."""
    assembly = _Assembly()
    async with aclosing(_events(chunks)) as events:
        async for event in events:
            if event == b"[DONE]":
                break
            assembly.add(_object(_decoded(event), "an event"))
    return assembly.answer()


class _Assembly:
    def __init__(self) -> None:
        self._seen: dict[str, Any] = {}
        self._parts: dict[str, list[str]] = {"content": [], "refusal": [], "reasoning": []}
        self._calls: dict[int, dict[str, Any]] = {}
        self._finish_reason: Any = None

    def add(self, event: dict[str, Any]) -> None:
        _refuse_error(event)
        for name in ("id", "model", "system_fingerprint", "usage"):
            if event.get(name) is not None:
                self._seen[name] = event[name]
        choice = _first_choice(event)
        if choice is None:
            return
        delta = choice.get("delta")
        delta = {} if delta is None else _object(delta, "choices[0].delta")
        for name, parts in self._parts.items():
            value = delta.get(name)
            parts.append(_text(delta.get("reasoning_content") if name == "reasoning" and value is None else value))
        for call in delta.get("tool_calls") or []:
            self._add_call(_object(call, "choices[0].delta.tool_calls"))
        self._finish_reason = choice.get("finish_reason") or self._finish_reason

    def answer(self) -> ChatAnswer:
        if self._finish_reason is None:
            raise Incomplete("the stream ended without a finish reason")
        return _answer(
            self._seen,
            text="".join(self._parts["content"]),
            refusal="".join(self._parts["refusal"]),
            reasoning="".join(self._parts["reasoning"]),
            tool_calls=[call for _, call in sorted(self._calls.items())],
            finish_reason=self._finish_reason,
        )

    def _add_call(self, call: dict[str, Any]) -> None:
        index = call.get("index", 0)
        if type(index) is not int:
            raise Malformed("the index of a tool call is no number")
        function = _object(call.get("function") or {}, "the function of a tool call")
        known = self._calls.setdefault(index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
        known["id"] += _text(call.get("id"))
        for name in ("name", "arguments"):
            known["function"][name] += _text(function.get(name))


async def _events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The data of each event. https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.6"""
    rest, data = b"", list[bytes]()
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" ").rstrip(b"\r"))
            elif not line.strip() and data:
                yield b"\n".join(data)
                data = []
    if rest.startswith(b"data:"):
        data.append(rest[5:].strip())
    if data:
        yield b"\n".join(data)


def _answer(document: dict[str, Any], *, finish_reason: Any, tool_calls: Any, **texts: str) -> ChatAnswer:
    if not isinstance(finish_reason, str) or not finish_reason:
        raise Incomplete("it has no finish reason")
    if not isinstance(tool_calls, list):
        raise Malformed("its tool calls are no list")
    known: dict[str, Any] = dict(texts)
    for name in ("id", "model", "system_fingerprint"):
        known[name] = value if isinstance(value := document.get(name), str) else None
    return ChatAnswer(finish_reason=finish_reason, tool_calls=tool_calls, usage=_usage(document.get("usage")), **known)


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise (Malformed if data.strip() else Incomplete)(f"JSON: {error}") from error


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"{what} is no object")
    return value


def _first_choice(document: dict[str, Any]) -> dict[str, Any] | None:
    choices = document.get("choices")
    if choices is None or choices == []:
        return None
    if not isinstance(choices, list):
        raise Malformed("its choices are no list")
    return _object(choices[0], "choices[0]")


def _refuse_error(document: dict[str, Any]) -> None:
    """Some servers answer 200 and then send an error instead of the rest."""
    error = document.get("error")
    if error:
        raise Malformed(
            f"the server sent an error: {error.get('message', error) if isinstance(error, dict) else error}"
        )


def _text(value: Any) -> str:
    """Text as it is, nothing for null, the text parts of a list of parts."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list):
        return "".join(_text(_object(part, "a part of the content").get("text")) for part in value)
    raise Malformed("a text in it is none")


def _usage(value: Any) -> dict[str, int]:
    """The counts of tokens; details get names such as "prompt_tokens_details.cached_tokens"."""
    found = {}
    for name, count in value.items() if isinstance(value, dict) else ():
        inner = {f"{name}.{part}": each for part, each in count.items()} if isinstance(count, dict) else {name: count}
        found.update({part: each for part, each in inner.items() if type(each) is int})
    return found
