"""Calling components: limits per provider, time-outs, and another try after a failure that may pass."""

from __future__ import annotations

import asyncio
import inspect
import random
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from themis_vcs.pipeline.config import RuntimeConfig

T = TypeVar("T")


class Timeout(Exception):
    """A component did not return in time."""

    category = "timeout"
    retryable = True


class Caller:
    """Calls of one run. Holds the semaphores, so it belongs to one event loop."""

    def __init__(self, runtime: RuntimeConfig) -> None:
        self.runtime = runtime
        self._providers = {name: asyncio.Semaphore(limit) for name, limit in runtime.provider_concurrency.items()}

    async def call(
        self, function: Callable[[], Awaitable[T] | T], attempts: list[dict[str, Any]], component: object
    ) -> T:
        """The result of `function`, after as many tries as it takes; every failed try is appended to `attempts`.

        The function must not block; wrap one that does in `in_thread`. The last failure is raised as it came.
        """
        # the place in the provider's queue; providers without a configured limit have none
        queue = self._providers.get(getattr(component, "provider", None) or "")
        number = 1
        while True:
            try:
                if queue is None:
                    return await self._once(function)
                async with queue:
                    return await self._once(function)
            except Exception as error:
                delay = self._delay(error, number)
                attempts.append(
                    {
                        "number": number,
                        "error": type(error).__name__,
                        "message": str(error)[:500],
                        "delay": delay,
                    }
                )
                if delay is None:
                    raise
            await asyncio.sleep(delay)
            number += 1

    async def _once(self, function: Callable[[], Awaitable[T] | T]) -> T:
        seconds = self.runtime.timeout
        try:
            async with asyncio.timeout(seconds) as deadline:
                result = function()
                return await result if inspect.isawaitable(result) else result
        except TimeoutError:
            if deadline.expired():
                raise Timeout(f"no answer within {seconds:g} s") from None
            raise

    def _delay(self, error: Exception, number: int) -> float | None:
        """Seconds until the next try; None if there shall be none."""
        if number >= self.runtime.retry_attempts or not retryable(error):
            return None
        runtime = self.runtime
        ceiling = min(runtime.retry_delay * runtime.retry_backoff ** (number - 1), runtime.retry_max_delay)
        return max(random.uniform(0, ceiling), retry_after(error) or 0.0)


def retryable(error: BaseException) -> bool:
    """Whether a failure may pass: it says so itself, its HTTP status is 429 or 5xx, or the connection failed."""
    declared = getattr(error, "retryable", None)
    if isinstance(declared, bool):
        return declared
    status = getattr(error, "status_code", None) or getattr(error, "status", None)
    if isinstance(status, int):
        return status == 429 or status >= 500
    return isinstance(error, TimeoutError | ConnectionError)


def retry_after(error: BaseException) -> float | None:
    """Seconds that the provider asked to wait, from the error's `retry_after` or its response's header."""
    declared = getattr(error, "retry_after", None)
    if declared is None:
        headers = getattr(getattr(error, "response", None), "headers", None)
        declared = headers.get("retry-after") if headers is not None and hasattr(headers, "get") else None
    try:
        return max(0.0, float(declared)) if declared is not None else None
    except (TypeError, ValueError):
        return None


async def in_thread(function: Callable[[], T]) -> T:
    """The result of a function that may block. A call that never returns is left behind in its daemon thread."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result, error = None, None
        try:
            result = function()
        except BaseException as caught:  # noqa: BLE001
            error = caught if isinstance(caught, Exception) else RuntimeError(repr(caught))
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, daemon=True, name="themis-component").start()
    return await future


def awaited(result: Any) -> Any:
    """The result itself, or what it comes to if it is an awaitable; to be called outside of an event loop."""

    async def wait() -> Any:
        return await result

    return asyncio.run(wait()) if inspect.isawaitable(result) else result


class Chunk:
    """Plain functions called one after the other in a thread, so that one that never returns can be given up.

    `outcomes` has what the calls returned so far, or the exceptions that they raised.
    """

    def __init__(self, calls: Sequence[Callable[[], Any]], timeout: float) -> None:
        self.calls, self.timeout = calls, timeout
        self.outcomes: list[Any] = []
        self._started = 0.0
        self._worker: threading.Thread | None = None
        self._turn = threading.Lock()

    async def run(self) -> None:
        """Make all calls. When it is cancelled, the call that is being made is the last."""
        try:
            while len(self.outcomes) < len(self.calls):
                finished = asyncio.Event()
                self._start(asyncio.get_running_loop(), finished)
                while not (finished.is_set() or self._given_up()):
                    with suppress(TimeoutError):
                        async with asyncio.timeout(min(1.0, self.timeout)):
                            await finished.wait()
        finally:
            with self._turn:
                self._worker = None

    def _given_up(self) -> bool:
        """Whether the call that is being made has taken too long, and its thread was left behind."""
        with self._turn:
            if len(self.outcomes) == len(self.calls) or time.monotonic() - self._started <= self.timeout:
                return False
            self._worker = None
            self.outcomes.append(Timeout(f"no answer within {self.timeout:g} s"))
            return True

    def _start(self, loop: asyncio.AbstractEventLoop, finished: asyncio.Event) -> None:
        def work() -> None:
            me = threading.current_thread()
            for call in self.calls[len(self.outcomes) :]:
                outcome = attempt(call)
                with self._turn:
                    if self._worker is not me:
                        return
                    self.outcomes.append(outcome)
                    self._started = time.monotonic()
            if not loop.is_closed():
                loop.call_soon_threadsafe(finished.set)

        self._started = time.monotonic()
        self._worker = threading.Thread(target=work, daemon=True, name="themis-components")
        self._worker.start()


def attempt(call: Callable[[], Any]) -> Any:
    """What a call returns, or the exception that it raises."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001
        return error
