"""Reading a store in a child process: LMDB maps its file, and a damaged one may end the process by a signal."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from themis_vcs.cli.failure import exit_status
from themis_vcs.cli.output import Output
from themis_vcs.errors import Corrupt

_DAMAGE = frozenset({signal.SIGBUS, signal.SIGABRT, signal.SIGSEGV, signal.SIGFPE, signal.SIGILL})
_FORWARDED = (signal.SIGTERM, signal.SIGHUP)


def in_child(body: Callable[[], Any], output: Output) -> int:
    """Run `body` in a forked child and return its exit status; death by a signal of damage is reported as Corrupt."""
    output.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = exit_status(body, output)
        finally:
            os._exit(status)
    return _outcome(_wait(child), output)


def _wait(child: int) -> int:
    """The wait status of the child. What interrupts a person's terminal interrupts the child as well."""
    before = {number: signal.signal(number, lambda received, _: os.kill(child, received)) for number in _FORWARDED}
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return os.waitpid(child, 0)[1]
    finally:
        signal.signal(signal.SIGINT, interrupt)
        for number, handler in before.items():
            signal.signal(number, handler)


def _outcome(status: int, output: Output) -> int:
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return code
    number = signal.Signals(-code)
    if number in _DAMAGE:

        def fail() -> None:
            raise Corrupt(f"the store is damaged: reading it ended by {number.name}")

        return exit_status(fail, output)
    return 128 + number
