"""One call of an OpenAI-compatible chat endpoint over HTTP, and every way in which it can go wrong.

It sends one request and returns a complete answer or raises ProviderError. It does not try again: the pipeline does,
by what the error says of itself. What a request means and what becomes of the answer is the business of `openai_chat`;
the forms of an answer are that of `chat_answer`.

Nothing of the environment changes a call: no proxy variables, no .netrc. Redirects are not followed, so that the key
goes to the host that was named and to no other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httpx2
import msgspec

from themis_vcs.catalog.chat_answer import ChatAnswer, Incomplete, Malformed, from_events, from_json
from themis_vcs.errors import ProviderError
from themis_vcs.evaluation.secrets import REDACTED, redact, resolve_reference

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 120.0
TOTAL_SECONDS: Final = 600.0
MAX_RESPONSE: Final = 16 * 1024 * 1024

_MAX_ERROR_BODY = 64 * 1024
_MAX_REASON = 500
_USED_UP = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_MAY_PASS = frozenset({408, 409, 425, 429})


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds: to connect, for each wait on the server, and for the whole call."""

    connect: float = CONNECT_SECONDS
    read: float = READ_SECONDS
    total: float = TOTAL_SECONDS


class ChatClient:
    """Calls `{base_url}/chat/completions`. One object may serve several event loops, each by connections of its own."""

    def __init__(
        self,
        base_url: str,
        *,
        api_key: object = None,
        timeouts: Timeouts | None = None,
        proxy: str | None = None,
        max_response: int = MAX_RESPONSE,
    ) -> None:
        self.provider = provider_of(base_url)
        self._url = endpoint_of(base_url)
        self._api_key, self._key = api_key, ""
        self._timeouts, self._proxy, self._max_response = timeouts or Timeouts(), proxy, max_response
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient] = WeakKeyDictionary()

    async def complete(self, body: Mapping[str, Any]) -> ChatAnswer:
        """The whole answer to a request with this body. ProviderError if there is none, or only a part of one.

        UsageError if the reference to the key leads nowhere.
        """
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeouts.total):
                answer = await self._exchange(msgspec.json.encode(body))
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise self._error(f"no answer in time ({_named(error)})", "timeout", True) from error
        except httpx2.TransportError as error:
            raise self._error(f"the connection failed ({_named(error)}): {error}", "connection", True) from error
        except Incomplete as error:
            raise self._error(f"the answer is not complete: {error}", "incomplete", True) from error
        except (Malformed, httpx2.DecodingError) as error:
            raise self._error(f"what was sent is no answer: {error}", "malformed", True) from error
        return msgspec.structs.replace(answer, latency_ms=round((time.perf_counter() - started) * 1000, 3))

    async def aclose(self) -> None:
        """Close the connections that belong to the running event loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    async def _exchange(self, content: bytes) -> ChatAnswer:
        async with self._client().stream("POST", self._url, content=content, headers=self._headers()) as response:
            if response.status_code != httpx2.codes.OK:
                raise await self._refusal(response)
            if response.headers.get("content-encoding", "identity") != "identity":
                raise Malformed("it is compressed, which was not asked for")
            async with aclosing(self._bounded(response)) as chunks:
                if response.headers.get("content-type", "").startswith("text/event-stream"):
                    answer = await from_events(chunks)
                else:
                    answer = from_json(b"".join([chunk async for chunk in chunks]))
            return msgspec.structs.replace(answer, request_id=response.headers.get("x-request-id"))

    async def _bounded(self, response: httpx2.Response) -> AsyncGenerator[bytes, None]:
        size = 0
        async for chunk in response.aiter_raw():
            size += len(chunk)
            if size > self._max_response:
                limit = f"over the limit of {self._max_response:,} bytes"
                raise self._error(f"the answer is {limit}", "too_large", False, status=response.status_code)
            yield chunk

    async def _refusal(self, response: httpx2.Response) -> ProviderError:
        """The error that an HTTP status other than 200 stands for."""
        status, body = response.status_code, b""
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _MAX_ERROR_BODY:
                break
        reason, code = _reason(body[:_MAX_ERROR_BODY])
        used_up = code in _USED_UP
        retryable = not used_up and (status in _MAY_PASS or status >= 500)
        return self._error(
            f"HTTP {status}{': ' if reason else ''}{reason}",
            "rate_limited" if status == 429 else "server_error" if status >= 500 else _refused(status),
            retryable,
            status=status,
            retry_after=retry_after(response.headers, time.time()) if retryable else None,
            hint=_hint(status, used_up),
        )

    def _error(
        self,
        what: str,
        category: str,
        retryable: bool,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> ProviderError:
        text = what.replace(self._key, REDACTED) if self._key else what
        return ProviderError(
            f"{self.provider}: {redact(text)[:_MAX_REASON]}",
            category=category,
            retryable=retryable,
            status=status,
            retry_after=retry_after,
            hint=hint,
        )

    def _headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        if self._api_key is not None:
            self._key = self._key or resolve_reference(self._api_key)
            headers["authorization"] = f"Bearer {self._key}"
        return headers

    def _client(self) -> httpx2.AsyncClient:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None or client.is_closed:
            seconds = self._timeouts
            client = self._clients[loop] = httpx2.AsyncClient(
                headers={"accept-encoding": "identity", "user-agent": "themis"},
                timeout=httpx2.Timeout(seconds.read, connect=seconds.connect, pool=None),
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=64),
                # reading all certificates costs 50 ms, and nothing here would look at them
                verify=self._url.startswith("https:") or self._proxy is not None,
                follow_redirects=False,
                proxy=self._proxy,
                trust_env=False,
            )
        return client


def provider_of(base_url: str) -> str:
    """ "host:port" of a base URL: who answers, and whose concurrency is limited."""
    parts = urlsplit(base_url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def normalised(base_url: str) -> str:
    """A base URL as far as it says what answers: no credentials, no query, no default port, no slash at its end."""
    parts = urlsplit(base_url)
    default = 443 if parts.scheme == "https" else 80
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port and parts.port != default else ""
    return f"{parts.scheme.lower()}://{host}{port}{parts.path.rstrip('/')}"


def endpoint_of(base_url: str) -> str:
    """Where requests go; a query in the base URL (an API version) stays."""
    query = urlsplit(base_url).query
    return f"{normalised(base_url)}/chat/completions{'?' if query else ''}{query}"


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait, from Retry-After (seconds or an HTTP date) or retry-after-ms; None if neither can be read.

    A date counts from the server's own clock, if it sent that, and else from `now` (Unix time).
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        return seconds if 0 <= seconds < float("inf") else None
    try:
        until = parsedate_to_datetime(headers["retry-after"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None
    with suppress(KeyError, ValueError, OverflowError):
        now = parsedate_to_datetime(headers["date"]).timestamp()
    return max(0.0, until - now)


def _reason(body: bytes) -> tuple[str, str]:
    """(message, code) of an error response; a body that is no JSON is its own message."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return " ".join(body.decode("utf-8", "replace").split()), ""
    error = decoded.get("error", decoded) if isinstance(decoded, dict) else decoded
    if not isinstance(error, dict):
        return str(error), ""
    return str(error.get("message") or error.get("detail") or ""), str(error.get("code") or error.get("type") or "")


def _refused(status: int) -> str:
    return "credentials" if status in (401, 403) else "rejected"


def _hint(status: int, used_up: bool) -> str | None:
    if used_up:
        return "the account's quota is used up; trying again will not help"
    if status in (401, 403):
        return "look at `api_key`: which reference it is, and what that holds"
    if 300 <= status < 400:
        return "`base_url` answers with a redirect, which is not followed; give the URL that it leads to"
    return "look at `base_url` and `model`" if status == 404 else None


def _named(error: BaseException) -> str:
    return type(error).__name__
