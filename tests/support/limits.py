"""Trying hostile input within limits: 256 MB beyond what is in use before it, two seconds of processor time each."""

from __future__ import annotations

import resource
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

MEMORY = 256 << 20
SECONDS = 2.0


def limit_memory(more: int = MEMORY) -> None:
    """Let this process use so many bytes more than it uses now."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, used + more))


def tried(trials: int, trial: Callable[[], Callable[[], str]]) -> Counter[str]:
    """Return how often each outcome came of a trial, which `trial` prepares; the process ends if one takes too long."""
    outcomes: Counter[str] = Counter()
    limit_memory()
    # Without a handler, the signal ends the process.
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    for _ in range(trials):
        outcome = trial()
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        outcomes[outcome()] += 1
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return outcomes
