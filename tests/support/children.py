"""Running a function in a forked child process, and hearing what became of it."""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable
from typing import Any


class Child:
    """A child process that runs `body` and gives back its result."""

    def __init__(self, body: Callable[[], Any]) -> None:
        receive, send = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(receive)
            try:
                try:
                    answer: tuple[bool, Any] = (True, body())
                except BaseException:
                    answer = (False, traceback.format_exc())
                with os.fdopen(send, "wb") as stream:
                    pickle.dump(answer, stream)
            finally:
                os._exit(0)
        os.close(send)
        self._stream = os.fdopen(receive, "rb")

    def kill(self, number: int) -> None:
        """Send a signal and wait for the end."""
        os.kill(self.pid, number)
        os.waitpid(self.pid, 0)
        self._stream.close()

    def result(self) -> Any:
        """Wait for the end and return the result; the child's failure fails the test."""
        with self._stream as stream:
            data = stream.read()
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        assert status == 0, f"the child ended with {status}"
        fine, value = pickle.loads(data)
        assert fine, value
        return value


def in_child(body: Callable[[], Any]) -> Any:
    """Run `body` in a child process and return its result."""
    return Child(body).result()
