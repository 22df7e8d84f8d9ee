"""Programs to be killed that delete, repair and forget, on a store made for it, and what must hold of it afterwards.

    python -m tests.support.upkeep gc|repair|forget STORE OTHER

deletes all that no ref reaches in STORE, repairs it with what OTHER has, or forgets the run of `names/secret`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.support.damage import damage_frame
from tests.support.forgetting import SECRET, forgotten, secret_run
from tests.support.killing import _LINE, _STRACE, CALLS, ROOT, TIMEOUT, Point
from tests.support.stores import store_run
from themis_vcs.model.oid import Oid
from themis_vcs.store import gc as collecting
from themis_vcs.store.backend import ANY, RefUpdate
from themis_vcs.store.forgetting import finish
from themis_vcs.store.fsck import fsck
from themis_vcs.store.gc import Policy, gc
from themis_vcs.store.layout import Layout
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.repair import repair
from themis_vcs.transfer.store_endpoint import StoreEndpoint

NOW = Policy(grace=0, reflog=0)
CASES = 60


@dataclass
class Scene:
    """A store, a healthy copy of it, what refs reach in it, and what they do not."""

    path: Path
    other: Path
    kept: set[Oid]
    garbage: set[Oid]
    refs: dict[str, Oid]
    damaged: list[Oid]

    def copy(self, place: Path) -> Path:
        """A copy of the store to work on."""
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.path, place, ignore=shutil.ignore_patterns("lock.mdb"))
        return place

    def problems(self, what: str, store: Path) -> list[str]:
        """What is wrong with a store in which `what` was killed; it is called once more."""
        problems = [] if what == "repair" else self._unsound(store, "after the kill")
        PROGRAMS[what](store, self.other)
        problems += self._unsound(store, "after the next call")
        with Repository.open(store, readonly=True) as repository:
            found = set(repository.backend.oids())
        if what == "gc" and found & self.garbage:
            problems.append(f"{len(found & self.garbage)} objects are left that nothing reaches")
        if what == "forget" and SECRET in Layout(store).data.read_bytes():
            problems.append("the secret is still in the file")
        leftovers = [each.name for each in store.iterdir() if each.name.startswith((".", "repair"))]
        return problems + [f"left behind: {each}" for each in leftovers]

    def _unsound(self, store: Path, when: str) -> list[str]:
        problems = [f"{when}: {each.message}" for each in fsck(store).findings if each.severity != "note"]
        if problems:
            return problems
        with Repository.open(store, readonly=True) as repository:
            lost = repository.missing(self.kept)
            moved = self.refs.items() - dict(repository.refs()).items()
            for oid in self.kept - set(lost):
                repository.read(oid)
        problems += [f"{when}: lost {oid.hex()}" for oid in lost]
        return problems + [f"{when}: lost the ref {name}" for name, _ in moved]


def scene(directory: Path, *, damaged: bool = False) -> Scene:
    """Make a store with runs under two names and twice as much that nothing reaches."""
    path, other = directory / "scene", directory / "other"
    with Repository.init(path) as repository:
        for draw in range(3):
            store_run(repository, CASES, draw=draw)
        repository.commit([RefUpdate(name, None, ANY) for name, _ in repository.refs()], message="drop")
        last = store_run(repository, CASES, draw=9)
        refs = dict(repository.refs())
        kept = {oid for oid, _ in repository.walk(refs.values())}
        secret_run(repository, None, 77, SECRET, "secret")
        found = Scene(path, other, kept, set(repository.backend.oids()) - kept, refs, [])
        found.garbage -= {row[:32] for row in _dictionaries(repository)}
        found.garbage -= {oid for oid, _ in repository.walk([repository.ref("names/secret") or b""])}
    if damaged:
        shutil.copytree(path, other, ignore=shutil.ignore_patterns("lock.mdb"))
        found.damaged = [last.stage, *list(last.values.values())[:20]]
        with Repository.open(path) as repository:
            for oid in found.damaged:
                damage_frame(repository, oid)
    return found


def _dictionaries(repository: Repository) -> list[bytes]:
    backend = repository.backend
    with backend.environment.reading() as reader:  # type: ignore[attr-defined]
        return [bytes(row) for _, row in reader.cursor("dictionaries")]


def program(what: str, store: Path, other: Path) -> list[str]:
    """The command that runs this module on a store."""
    return [sys.executable, "-m", "tests.support.upkeep", what, str(store), str(other)]


def points(what: str, store: Path, other: Path, log: Path) -> list[Point]:
    """Every use of a call that writes, syncs or names by an undisturbed execution on the store, in order of time."""
    subprocess.run(
        [*_STRACE, "-y", "-o", str(log), "-e", f"trace={','.join(CALLS)}", *program(what, store, other)],
        cwd=ROOT, timeout=TIMEOUT, check=True,
    )  # fmt: skip
    counts: Counter[tuple[str, str]] = Counter()
    found = []
    for match in map(_LINE.match, log.read_text(errors="replace").splitlines()):
        if match is not None:
            thread, call, arguments = match.groups()
            counts[thread, call] += 1
            if str(store) in arguments:
                found.append(Point(call, counts[thread, call]))
    return found


def killed(what: str, store: Path, other: Path, point: Point) -> bool:
    """Execute it and kill it at a point; return whether it got there."""
    inject = f"inject={point.call}:signal=KILL:when={point.number}"
    done = subprocess.run(
        [*_STRACE, "-o", "/dev/null", "-e", f"trace={point.call}", "-e", inject, *program(what, store, other)],
        cwd=ROOT, timeout=TIMEOUT, capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode != 0


def main(what: str, store: Path, other: Path) -> None:
    collecting._AT_ONCE = 25
    PROGRAMS[what](store, other)


def _repair(store: Path, other: Path) -> None:
    with Repository.open(other, readonly=True) as there:
        repair(store, StoreEndpoint(there))


def _gc(store: Path, other: Path) -> None:
    gc(store, NOW)


def _forget(store: Path, other: Path) -> None:
    if finish(store) is None:
        with Repository.open(store, readonly=True) as repository:
            run = repository.ref("names/secret")
        if run is not None:
            forgotten(store, run)


PROGRAMS = {"gc": _gc, "repair": _repair, "forget": _forget}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
