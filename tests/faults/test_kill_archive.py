"""`themis archive create` and `restore` are killed at random, and at every call that writes, syncs or names.

Under the name of an archive there is all of it or nothing. A store that is restored has no ref before its closure. In
both cases the next call finishes. The full dose (THEMIS_FAULTS=full) takes every call and 60 random moments each.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.archives import archived, store_runs
from tests.support.commandline import COMMAND, environment
from tests.support.killing import CALLS, FULL, Point, Tally, needs_strace, sample
from tests.support.mounts import Ballast, tmpfs
from themis_vcs.archive.verify import verify
from themis_vcs.store.fsck import fsck
from themis_vcs.store.repository import Repository
from themis_vcs.store.resolve import resolve_run
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import lacking

POINTS = 6
MOMENTS = 60 if FULL else 4
ROOMS = 20 if FULL else 4
SEED = os.environ.get("THEMIS_SEED", "1")
STRACE = ("strace", "-f", "-qq", "-y")
LINE = re.compile(r"(\d+) +(\w+)\((.*)")
Judge = Callable[[Path], list[str]]


class Shelf:
    """A store, an archive of it, and the commands that are killed, each in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.store, self.archive = directory / "store", directory / "made.zip"
        with Repository.init(self.store) as repository:
            store_runs(repository, 6)
            archived(repository, self.archive)
            self.runs = {name: resolve_run(repository, name) for name in ("main", "first")}

    def create(self, work: Path, target: str) -> list[str]:
        return [COMMAND, "--store", str(self.store), "archive", "create", "--all", "-o", str(work / target)]

    def restore(self, work: Path) -> list[str]:
        return [COMMAND, "archive", "restore", str(self.archive), str(work / "back")]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"))


def run(command: list[str], *prefix: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, *command], env=environment(), capture_output=True, text=True, timeout=120, check=False
    )


def points(command: list[str], work: Path) -> list[Point]:
    """Every call of an undisturbed command that concerns its directory."""
    log = work.with_suffix(".trace")
    done = run(command, *STRACE, "-o", str(log), "-e", f"trace={','.join(CALLS)}")
    assert done.returncode == 0, done.stderr
    counts: Counter[tuple[str, str]] = Counter()
    found = []
    for match in map(LINE.match, log.read_text(errors="replace").splitlines()):
        if match is not None:
            thread, call, arguments = match.groups()
            counts[thread, call] += 1
            if str(work) in arguments:
                found.append(Point(call, counts[thread, call]))
    return found


def killed_at(command: list[str], point: Point) -> bool:
    """Kill a command at a point; False if it did not get there."""
    inject = f"inject={point.call}:signal=KILL:when={point.number}"
    return run(command, *STRACE, "-o", "/dev/null", "-e", f"trace={point.call}", "-e", inject).returncode != 0


def killed_after(command: list[str], seconds: float) -> bool:
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    process.kill()
    return process.wait() < 0


def whole_or_nothing(shelf: Shelf, work: Path, target: str) -> list[str]:
    """What is wrong with what a `create` that was killed has left, and with the next one."""
    wrong = []
    seen = [each.name for each in work.iterdir() if not each.name.startswith(".")]
    if seen not in ([], [target]):
        wrong.append(f"it left {seen}")
    there = bool(seen)
    if there and verify(work / target).problems:
        wrong.append("what has the name is not whole")
    if there:
        return wrong
    with Repository.open(shelf.store, readonly=True) as repository:
        archived(repository, work / target)
    if verify(work / target).problems:
        wrong.append("what the next call made is not whole")
    return wrong


def restored_or_not(shelf: Shelf, work: Path) -> list[str]:
    """What is wrong with what a `restore` that was killed has left, and with the next one."""
    wrong = []
    store = work / "back" / ".themis"
    if (store / "format").exists():
        with Repository.open(store) as repository:
            refs = [oid for name, oid in repository.refs() if name.startswith(("names/", "remotes/", "tags/"))]
            target = StoreEndpoint(repository)
            if any(True for _ in lacking(target, target, refs)):
                wrong.append("a ref is there before its closure")
    again = run(shelf.restore(work))
    if again.returncode != 0:
        return [*wrong, f"the next call ended with {again.returncode}: {again.stderr}"]
    with Repository.open(store) as repository:
        if {name: resolve_run(repository, name) for name in shelf.runs} != shelf.runs:
            wrong.append("the roots are not those of the archive")
    return wrong + [finding.message for finding in fsck(store).findings if finding.severity == "damage"]


def commands(shelf: Shelf, verb: str) -> tuple[Callable[[Path], list[str]], Judge]:
    if verb == "restore":
        return shelf.restore, lambda work: restored_or_not(shelf, work)
    return lambda work: shelf.create(work, verb), lambda work: whole_or_nothing(shelf, work, verb)


VERBS = pytest.mark.parametrize("verb", ["made", "made.zip", "restore"])


@needs_strace
@VERBS
def test_killed_at_every_call(verb: str, shelf: Shelf, tmp_path: Path) -> None:
    command, judge = commands(shelf, verb)
    tally = Tally(f"archive {'restore' if verb == 'restore' else f'create of {verb}'} killed at a call")
    first = tmp_path / "first"
    first.mkdir()
    found = points(command(first), first)
    assert {each.call for each in found} >= {"write", "fsync"} or verb == "restore"
    for number, point in enumerate(sample(found, POINTS)):
        work = tmp_path / str(number)
        work.mkdir()
        killed = killed_at(command(work), point)
        tally.add(str(point), judge(work), "killed" if killed else "through")
        shutil.rmtree(work)
    text = tally.report()
    assert tally.failures == [], text
    assert tally.counts["killed"] >= 0.9 * tally.tried, text


@VERBS
def test_killed_at_random(verb: str, shelf: Shelf, tmp_path: Path) -> None:
    command, judge = commands(shelf, verb)
    draw = random.Random(SEED)
    tally = Tally(f"archive {'restore' if verb == 'restore' else f'create of {verb}'} killed at random")
    (tmp_path / "first").mkdir()
    started = time.perf_counter()
    assert run(command(tmp_path / "first")).returncode == 0
    seconds = time.perf_counter() - started
    for number in range(MOMENTS):
        work = tmp_path / str(number)
        work.mkdir()
        killed = killed_after(command(work), draw.uniform(0.2, 1.1) * seconds)
        tally.add(str(number), judge(work), "killed" if killed else "through")
        shutil.rmtree(work)
    text = tally.report()
    assert tally.failures == [], text


@pytest.mark.parametrize("target", ["made", "made.zip"])
def test_a_disk_that_is_too_small_leaves_nothing(target: str, shelf: Shelf, tmp_path: Path) -> None:
    tally = Tally(f"archive create of {target} on a disk that is too small")
    with tmpfs(tmp_path / "disk", 16 << 20) as disk:
        assert run(shelf.create(disk, target)).returncode == 0
        taken = sum(each.stat().st_size for each in disk.rglob("*") if each.is_file())
        run(["rm", "-r", str(disk / target)])
        for number in range(ROOMS):
            ballast = Ballast(disk)
            ballast.leave(taken * number // ROOMS)
            done = run(shelf.create(disk, target))
            wrong = [] if done.returncode == 1 and "No space left" in done.stderr else [f"{done}"]
            left = [each.name for each in disk.iterdir() if each != ballast.path]
            tally.add(str(number), wrong + ([f"it left {left}"] if left else []))
            ballast.drop()
        assert run(shelf.create(disk, target)).returncode == 0
        assert verify(disk / target).problems == []
    text = tally.report()
    assert tally.failures == [], text
