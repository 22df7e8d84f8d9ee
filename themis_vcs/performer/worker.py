"""Calling somebody's code so that it can neither raise through, nor hang, nor end this process by an exit."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine
from typing import Any


class NoAnswer(Exception):
    """A call did not return in time."""


class Exited(Exception):
    """A call tried to end the process."""


class Worker:
    """One thread with an event loop of its own, in which calls are made one after the other.

    A call that takes too long is left behind in its thread, and the next is made in another one.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Any] | None = None
        self._results: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def call(self, function: Callable[[], Coroutine[Any, Any, Any]], seconds: float) -> Any:
        """What the coroutine comes to; raises what it raises, NoAnswer if that takes too long."""
        if self._calls is None:
            self._start()
        assert self._calls is not None
        self._calls.put(function)
        try:
            result, error = self._results.get(timeout=seconds)
        except queue.Empty:
            self.close()
            raise NoAnswer(f"no answer within {seconds:g} s") from None
        if error is None:
            return result
        if isinstance(error, Exception):
            raise error
        raise Exited(repr(error)[:500])

    def close(self) -> None:
        """Let the thread end when its call has."""
        if self._calls is not None:
            self._calls.put(None)
        self._calls = None

    def _start(self) -> None:
        calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
        results: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        self._calls, self._results = calls, results

        def work() -> None:
            with asyncio.Runner() as runner:
                while (function := calls.get()) is not None:
                    try:
                        results.put((runner.run(function()), None))
                    except BaseException as error:  # noqa: BLE001
                        results.put((None, error))

        threading.Thread(target=work, daemon=True, name="themis-performer").start()
