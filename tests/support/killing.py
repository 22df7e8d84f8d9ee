"""Ending the scripted program at a chosen moment, or failing one of its system calls, and having the outcome judged.

`FULL` is set by THEMIS_FAULTS=full: every moment instead of a sample of them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support import journal, scripted
from tests.support.journal import Record
from themis_vcs.store.layout import Layout
from themis_vcs.store.repository import Repository

T = TypeVar("T")
FULL = os.environ.get("THEMIS_FAULTS") == "full"
ROOT = Path(__file__).parents[2]
TIMEOUT = 30.0
PAGES = ("pwrite64", "pwritev", "pwritev2", "writev")
_SYNCS = ("fdatasync", "fsync", "sync_file_range", "msync")
_NAMINGS = ("ftruncate", "fallocate", "rename", "renameat", "renameat2", "mkdir", "unlink", "unlinkat", "rmdir")
CALLS = (*PAGES, "write", *_SYNCS, *_NAMINGS)
_STRACE = ("strace", "-f", "-qq")
_LINE = re.compile(r"(\d+) +(\w+)\((.*)")


def _traces() -> bool:
    try:
        return subprocess.run([*_STRACE, "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


needs_strace = pytest.mark.skipif(not _traces(), reason="strace is not installed, or not permitted")


@dataclass(frozen=True)
class Point:
    """The n-th use of a system call by the scripted program, as strace counts: by call, and from 1."""

    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.call} {self.number}"


@dataclass
class Trial:
    """One execution of the scripted program."""

    store: Path
    written: Path
    status: int
    stderr: str = ""
    tampered: str = ""
    """The call that strace tampered with, as it prints it."""

    @property
    def record(self) -> Record:
        return journal.read(self.written)

    def clear(self) -> None:
        shutil.rmtree(self.store, ignore_errors=True)
        for path in self.written.parent.glob(self.written.stem + ".*"):
            path.unlink()


@dataclass
class Tally:
    """Figures of a series of trials, and what was wrong."""

    what: str
    tried: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    moment: float = field(default_factory=time.monotonic)

    def add(self, name: str, problems: list[str], *kinds: str) -> None:
        self.tried += 1
        self.counts.update(kinds)
        self.failures += [f"{name}: {problem}" for problem in problems]

    def report(self) -> str:
        """Print and return the figures; also append them to the file that THEMIS_FAULTS_REPORT names."""
        seconds = time.monotonic() - self.moment
        counts = "".join(f", {count} {kind}" for kind, count in sorted(self.counts.items()))
        failed = len({failure.partition(": ")[0] for failure in self.failures})
        text = f"{self.what}: {self.tried} tried, {failed} failed{counts}; {seconds:.0f} s"
        print(text)
        path = os.environ.get("THEMIS_FAULTS_REPORT")
        if path:
            with open(path, "a") as file:
                file.write(text + "\n")
        return text


class Judge:
    """The process that judges stores, and the outcome of an undisturbed run that it compares with."""

    def __init__(self, directory: Path) -> None:
        file = directory / "expected.json"
        trial = run(directory / "undisturbed")
        assert trial.status == 0, trial.stderr
        with Repository.open(trial.store, readonly=True) as repository:
            self.expected = scripted.outcome(repository)
        file.write_text(json.dumps(self.expected))
        self.size = Layout(trial.store).data.stat().st_size
        durations = trial.record.transactions
        self.transactions, self.transaction = len(durations), statistics.median(durations)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.aftermath", str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def problems(self, trial: Trial) -> list[str]:
        """What is wrong with the store of a trial, which is used for further runs by this."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(trial.store), str(trial.written)]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the process that judges stores has died"
        return list(json.loads(answer))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(TIMEOUT)
        assert self._process.stdout is not None
        self._process.stdout.close()


def paths(place: Path) -> tuple[Path, Path]:
    """The store and the journal of a trial called `place`."""
    return place.with_suffix(".store"), place.with_suffix(".journal")


def run(place: Path, *prefix: str, store: Path | None = None) -> Trial:
    """Execute the program to its end; `prefix` is a command to put before it."""
    place.parent.mkdir(exist_ok=True)
    usual, written = paths(place)
    store = store or usual
    done = subprocess.run(
        [*prefix, *_program(store, written, 0.0)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        timeout=TIMEOUT,
        check=False,
    )
    return Trial(store, written, done.returncode, done.stderr)


class Running:
    """The program while it runs. Waiting for a transaction leaves it there until `go_on`, if it is held."""

    def __init__(self, process: subprocess.Popen[bytes], trial: Trial, *, held: bool) -> None:
        self.process, self.trial, self._held = process, trial, held

    def enter(self, transactions: int = 1) -> bool:
        """Wait until it has begun so many more transactions; False if it ended before."""
        assert self.process.stdout is not None
        for left in reversed(range(transactions)):
            if not self.process.stdout.read(1):
                return False
            if left and self._held:
                self._send(b".")
        return True

    def go_on(self) -> None:
        """Let it go on, and hold it no more."""
        self._held = False
        assert self.process.stdin is not None
        self.process.stdin.close()

    def end(self) -> Trial:
        """Wait for the end that it finds by itself."""
        self.trial.status = self.process.wait()
        return self.trial

    def _send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()


@contextmanager
def running(place: Path, pause: float = 0.0, *, store: Path | None = None, held: bool = False) -> Iterator[Running]:
    """Start the program; it is killed at the end of the block, or after a time. With `held`, it waits in every
    transaction.
    """
    usual, written = paths(place)
    trial = Trial(store or usual, written, 0)
    with subprocess.Popen(
        _program(trial.store, written, pause),
        stdin=subprocess.PIPE if held else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    ) as process:
        watchdog = threading.Timer(TIMEOUT, process.kill)
        watchdog.start()
        try:
            yield Running(process, trial, held=held)
        finally:
            watchdog.cancel()
            process.kill()
            trial.status = process.wait()


def kill(place: Path, transactions: int, delay: float, pause: float) -> Trial:
    """Kill the program `delay` seconds after it began its n-th transaction."""
    with running(place, pause) as program:
        program.enter(transactions)
        _wait(delay)
    return program.trial


def tampered(place: Path, point: Point, effect: str) -> Trial:
    """Execute the program with `effect` at a point, such as "signal=KILL" or "error=EIO"."""
    log = place.with_suffix(".trace")
    inject = f"inject={point.call}:{effect}:when={point.number}"
    trial = run(place, *_STRACE, "-y", "-o", str(log), "-e", f"trace={point.call}", "-e", inject)
    lines = log.read_text(errors="replace").splitlines()
    trial.tampered = next((line for line in lines if "(INJECTED)" in line or "+++ killed by SIGKILL" in line), "")
    log.unlink()
    return trial


def points(place: Path, calls: Sequence[str] = CALLS) -> list[Point]:
    """Every use of one of the calls on the store by an undisturbed execution, in order of time."""
    log = place.with_suffix(".trace")
    trial = run(place, *_STRACE, "-y", "-o", str(log), "-e", f"trace={','.join(calls)}")
    assert trial.status == 0, trial.stderr
    counts: Counter[tuple[str, str]] = Counter()
    found, threads = [], set()
    for match in map(_LINE.match, log.read_text(errors="replace").splitlines()):
        if match is None:
            continue
        thread, call, arguments = match.groups()
        counts[thread, call] += 1
        if str(trial.store) in arguments:
            threads.add(thread)
            found.append(Point(call, counts[thread, call]))
    assert len(threads) == 1, f"the store is written by threads {threads}; strace counts by thread"
    log.unlink()
    trial.clear()
    return found


def sample(found: list[T], count: int) -> list[T]:
    """All of them in the full dose, otherwise `count`, evenly spread."""
    if FULL or len(found) <= count:
        return found
    return [found[place * len(found) // count] for place in range(count)]


def _program(store: Path, written: Path, pause: float) -> list[str]:
    return [sys.executable, "-m", "tests.support.scripted", str(store), str(written), str(pause)]


def _wait(seconds: float) -> None:
    """Sleep; the last fraction of a millisecond by looking at the clock, which sleeping overshoots."""
    end = time.perf_counter() + seconds
    if seconds > 0.001:
        time.sleep(seconds - 0.001)
    while time.perf_counter() < end:
        pass
