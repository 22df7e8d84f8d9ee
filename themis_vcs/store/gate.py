"""Many at once, or one alone: what lets a process resize or close its map while no transaction of its own is open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock


class Gate:
    """A shared and exclusive lock between threads. Not re-entrant: nobody may enter twice, or be alone while inside."""

    def __init__(self) -> None:
        self._condition = Condition(Lock())
        self._inside = 0
        self._alone = False

    def enter(self) -> None:
        with self._condition:
            while self._alone:
                self._condition.wait()
            self._inside += 1

    def leave(self) -> None:
        with self._condition:
            self._inside -= 1
            if self._alone:
                self._condition.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until everybody has left, and keep others out meanwhile."""
        self.shut()
        try:
            yield
        finally:
            self.reopen()

    def shut(self) -> None:
        with self._condition:
            while self._alone:
                self._condition.wait()
            self._alone = True
            while self._inside:
                self._condition.wait()

    def reopen(self) -> None:
        with self._condition:
            self._alone = False
            self._condition.notify_all()
