"""A push and a fetch over a pipe are cut around every message and every 64 KB, at either side's sending.

No ref moves before its closure is there, and a repeat finishes and sends nothing again that arrived. The full dose
(THEMIS_FAULTS=full) takes all points, else a few of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar

import pytest

from tests.support.killing import FULL, Tally
from tests.support.stores import store_run
from themis_vcs.errors import RemoteError
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.endpoint import Endpoint
from themis_vcs.transfer.pipe import Pipe
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import lacking, transfer
from themis_vcs.transfer.wire_endpoint import WireEndpoint

CASES = 900
PACK = 48 << 10
STEP = 64 << 10
NEVER = 1 << 40
SAMPLE = 8

Way = Literal["push", "fetch"]
T = TypeVar("T")


class Counted(Pipe):
    """A pipe that notes after how many bytes each message ended, by the side that sent it."""

    def __init__(self, command: list[str], name: str) -> None:
        self.ends: dict[str, list[int]] = {"up": [0], "down": [0]}
        super().__init__(command, name)
        self._to, self._from = Counter(self._to, self.ends["up"]), Counter(self._from, self.ends["down"])


class Counter:
    """A stream that counts what goes through, and where it was flushed."""

    def __init__(self, stream: BinaryIO, ends: list[int]) -> None:
        self._stream, self._ends = stream, ends
        self._count = 14 if stream.readable() else 0

    def write(self, data: bytes) -> int:
        self._count += len(data)
        return self._stream.write(data)

    def flush(self) -> None:
        self._ends.append(self._count)
        self._stream.flush()

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._count += len(data)
        self._ends.append(self._count)
        return data

    def close(self) -> None:
        self._stream.close()


def answering(store: Path) -> list[str]:
    return [sys.executable, "-m", "themis_vcs.transfer.stdio", str(store)]


def cut(store: Path, up: int, down: int) -> list[str]:
    return [sys.executable, "-m", "tests.support.relay", str(up), str(down), *answering(store)]


class Trial:
    """A store with a run, and another one without."""

    def __init__(self, directory: Path, way: Way) -> None:
        self.far, self.way = directory / "far", way
        self.near = Repository.init(directory / "near")
        far = Repository.init(self.far)
        with far:
            self.run = store_run(self.near if way == "push" else far, CASES).run

    def go(self, wire: Callable[[], Pipe]) -> int:
        """Move the run, and return how many objects that took."""
        near = StoreEndpoint(self.near, origin="" if self.way == "push" else "far")
        with closing(WireEndpoint(wire(), pack_bytes=PACK)) as far:
            ends: tuple[Endpoint, Endpoint] = (near, far) if self.way == "push" else (far, near)
            return transfer(*ends, [RefUpdate("names/demo", self.run)], message=self.way).objects

    def lacking(self) -> int:
        with Repository.open(self.far) as far:
            ends = [StoreEndpoint(self.near), StoreEndpoint(far)]
            source, target = ends if self.way == "push" else ends[::-1]
            return sum(1 for _ in lacking(source, target, [self.run]))

    def problems(self) -> Iterator[str]:
        """Say what is wrong with the store that the run goes to."""
        with Repository.open(self.far) as far:
            target = far if self.way == "push" else self.near
            for name, oid in target.refs():
                whole = _walked(target, oid)
                if not whole:
                    yield f"{name} moved before its closure was there"

    def close(self) -> None:
        self.near.close()


def _walked(repository: Repository, oid: Oid) -> bool:
    try:
        return sum(1 for _ in repository.walk([oid])) > 0
    except Exception:
        return False


def points(directory: Path, way: Way) -> Iterator[tuple[str, int]]:
    """Yield where to cut: by the side that sends, around the end of each message and every 64 KB."""
    trial = Trial(directory, way)
    pipes: list[Counted] = []

    def wire() -> Counted:
        pipes.append(Counted(answering(trial.far), "far"))
        return pipes[-1]

    trial.go(wire)
    trial.close()
    for side, ends in pipes[0].ends.items():
        places = {place for end in set(ends) for place in (end, end + 3)} | set(range(STEP, max(ends), STEP))
        inside = sorted(place for place in places if place < max(ends))
        chosen = inside if FULL else inside[:: max(1, len(inside) // SAMPLE)]
        yield from ((side, place) for place in chosen)


@pytest.mark.parametrize("way", ["push", "fetch"])
def test_a_transfer_that_is_cut_goes_on(way: Way, tmp_path: Path) -> None:
    tally = Tally(f"a {way} over a pipe that is cut")
    for number, (side, place) in enumerate(points(tmp_path / "whole", way)):
        trial = Trial(tmp_path / str(number), way)
        limits = (place, NEVER) if side == "up" else (NEVER, place)
        problems = []
        try:
            trial.go(lambda limits=limits, trial=trial: Pipe(cut(trial.far, *limits), "far"))
            outcome = "through"
        except RemoteError:
            outcome = "cut"
        problems += trial.problems()
        left = trial.lacking()
        again = trial.go(lambda trial=trial: Pipe(answering(trial.far), "far"))
        if again != left:
            problems.append(f"{again} objects were sent where {left} were lacking")
        problems += trial.problems()
        if trial.lacking():
            problems.append("something is lacking after the repeat")
        trial.close()
        tally.add(f"{side} {place}", problems, outcome)
    text = tally.report()
    assert tally.failures == [], text
    assert tally.tried > 10
