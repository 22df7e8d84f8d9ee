"""Many at once, or one alone: what lets a process resize or close its map while no transaction of its own is open.

KeyboardInterrupt may come between any two steps, also before somebody who entered could see to it that they leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock, get_ident


class Gate:
    """A shared and exclusive lock between threads. Not re-entrant: nobody may enter twice, or be alone while inside."""

    def __init__(self) -> None:
        self._condition = Condition(Lock())
        self._inside: set[int] = set()
        self._alone = False

    def enter(self) -> None:
        with self._condition:
            while self._alone:
                self._condition.wait()
            self._inside.add(get_ident())

    def leave(self) -> None:
        with self._condition:
            self._inside.discard(get_ident())
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
            # Who asks to be alone is not inside, though an interrupt may have kept them from leaving.
            self._inside.discard(get_ident())
            try:
                while self._inside:
                    self._condition.wait()
            except BaseException:
                self._alone = False
                self._condition.notify_all()
                raise

    def reopen(self) -> None:
        with self._condition:
            self._alone = False
            self._condition.notify_all()
