"""Records from one store to another: beside a loop that copies them, git, restic and DVC; and what little costs.

The store that is sent has one run whose values are the records. What is timed on a wire includes the process at its
other end, but not the start of it.
"""

from __future__ import annotations

import gc
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

from pytest import MonkeyPatch

from tests.benchmarks.figure import Dose, Figure, clock, ratio
from tests.benchmarks.rivals import Dvc, Git, Restic, installed, write_files
from tests.benchmarks.store_put import Loop
from tests.support.commandline import COMMAND
from tests.support.records import values
from tests.support.serving import serving
from tests.support.sshd import SSHD, sshd
from themis_vcs.model import tree
from themis_vcs.model.objects import ComponentRef, Identity, Run, Snapshot, Stage, Track, Value, dump
from themis_vcs.model.oid import Oid
from themis_vcs.store.address import parse
from themis_vcs.store.backend import ANY, RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer import sharing, ssh
from themis_vcs.transfer.endpoint import Endpoint, Transferred
from themis_vcs.transfer.http.client import open_http
from themis_vcs.transfer.pipe import Pipe
from themis_vcs.transfer.sharing import Insistence, plan_push
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import lacking
from themis_vcs.transfer.wire_endpoint import WireEndpoint

_NAME = "names/main"
_CHANGED = 100


def rows(dose: Dose, directory: Path) -> Iterator[Figure]:
    """Yield the speed of a whole store first, then what a push of little and of nothing takes."""
    records = list(values(dose.records))
    with Repository.init(directory / "source") as source:
        first = store_records(source, records)
        loop = _looped(records, directory)
        gc.freeze()  # What a push of its own process would not hold is not to be looked through while one is timed.
        # More rounds than elsewhere: two ends of a wire feel what else runs on either processor.
        rounds = range(2 * dose.rounds + 1)
        seconds = [_round(source, loop, directory / f"round-{number}") for number in rounds]
        times = {name: [each[name] for each in seconds] for name in seconds[0]}
        what = f"push of {dose.records:,} records to an empty store on a path"
        yield Figure(f"{what} over a loop that copies unverified", ratio(times["loop"], times["path"]), least=0.3)
        for wire in times.keys() - {"loop", "path"}:
            yield Figure(
                f"push over {wire} on loopback, over that on a path", ratio(times["path"], times[wire]), least=0.5
            )
        yield from _memory(directory)
        yield from _rivals(records[: dose.files], dose, directory, dose.records / median(times["path"]))
        yield from _little(source, records, first, dose, directory)


def store_records(repository: Repository, records: Sequence[Value], parent: Oid | None = None) -> Oid:
    """Store a run whose values are the records, and return it."""
    params = repository.put(Value("params", {}))
    keys = [tree.case_key("made-up", f"{number:07d}") for number in range(len(records))]
    built = tree.build(zip(keys, [repository.put(record) for record in records], strict=True))
    for oid, payload in (tree.EMPTY, *built.nodes.items()):
        repository.put_payload(oid, payload, "tree")
    component = ComponentRef("made-up", "1", bytes(32), "", {}, True)
    none = tree.EMPTY[0]
    stage = repository.put(Stage("generate", [Track("made-up", component, params, 1, [], built.root, none, none)]))
    snapshot = repository.put(Snapshot(Identity(none, none, {}, {}), {}))
    parents = [parent] if parent else []
    run = repository.put(Run(bytes(32), "main", snapshot, [stage], "generate", "stopped", parents, "", 1, "me", {}))
    repository.commit([RefUpdate(_NAME, run, ANY)], message="benchmark")
    return run


def push(source: Repository, target: Endpoint) -> Transferred:
    """Push the run."""
    there = target.refs()
    changes = plan_push(source, there, {_NAME: source.ref(_NAME) or b""}, "", Insistence())
    return sharing.push(source, target, changes, seen=there).brought


@contextmanager
def piped(directory: Path) -> Iterator[Endpoint]:
    """A store behind a process of its own, made if it is not there."""
    Repository.init(directory).close()
    with closing(
        WireEndpoint(Pipe([sys.executable, "-m", "themis_vcs.transfer.stdio", str(directory)], "there"))
    ) as wire:
        yield wire


@contextmanager
def over_ssh(directory: Path) -> Iterator[Endpoint]:
    """A store at the other end of ssh."""
    Repository.init(directory).close()
    with sshd(directory.with_name("sshd")) as server, MonkeyPatch.context() as patch:
        patch.setenv(ssh.VARIABLE, server.command)
        address = parse(f"ssh://{server.user}@{server.host}:{server.port}{directory}")
        with closing(WireEndpoint(ssh.connect(address, "there", COMMAND))) as wire:
            yield wire


@contextmanager
def over_http(directory: Path) -> Iterator[Endpoint]:
    """A store that is served over HTTP."""
    Repository.init(directory).close()
    with serving(directory) as server, closing(open_http(server.url)) as wire:
        yield wire


@contextmanager
def on_a_path(directory: Path) -> Iterator[Endpoint]:
    """A store in this process, made if it is not there."""
    with Repository.init(directory) as repository:
        yield StoreEndpoint(repository)


_WIRES = {"path": on_a_path, "pipe": piped, "HTTP": over_http, **({"ssh": over_ssh} if SSHD else {})}


def _looped(records: Sequence[Value], directory: Path) -> Loop:
    (directory / "loop").mkdir()
    loop = Loop(directory / "loop", records[:500])
    loop.put(records)
    return loop


def _round(source: Repository, loop: Loop, place: Path) -> dict[str, float]:
    (place / "loop").mkdir(parents=True)
    copy = Loop(place / "loop", [])
    seconds = {"loop": clock(lambda: loop.copy_to(copy)).wall}
    copy.env.close()
    for name, opened in _WIRES.items():
        with opened(place / name) as target:
            seconds[name] = clock(lambda target=target: push(source, target)).wall
    shutil.rmtree(place)
    return seconds


def _memory(directory: Path) -> Iterator[Figure]:
    """The most that either side of HTTP took in memory while the records were pushed and then fetched."""
    Repository.init(directory / "served").close()
    with serving(directory / "served") as server:
        sides = {
            "pushes": [COMMAND, "--store", str(directory / "source"), "push", server.url, "main"],
            "clones": [COMMAND, "clone", server.url, str(directory / "cloned")],
        }
        for side, command in sides.items():
            yield Figure(f"memory of the process that {side} over HTTP", _peak(command) / 2**20, "MiB", most=200)
        yield Figure("memory of the process that serves both", server.memory()["VmHWM"] / 2**20, "MiB", most=200)


def _peak(command: Sequence[str]) -> int:
    """Run a command and return the most memory that it was seen to take, in bytes.

    The kernel's own figure for a child that has ended begins with what its parent took.
    """
    most = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
            most = max(most, int(found[1]) << 10 if found else 0)
            time.sleep(0.01)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return most


def _rivals(records: Sequence[Value], dose: Dose, directory: Path, rate: float) -> Iterator[Figure]:
    """What others make of sending files that they have stored, one per record."""
    write_files([dump(record) for record in records], directory / "files")
    rivals: dict[str, tuple[Callable[[], Callable[[], None]], float]] = {}
    if installed("git"):
        rivals["git push to a bare repository"] = (lambda: Git(directory / "files", directory / "git").pusher(), 10)
    if installed("restic"):
        rivals["restic copy"] = (lambda: Restic(directory / "files", directory / "restic").copier(), 4)
    if installed("dvc"):
        rivals["dvc push"] = (lambda: Dvc(directory / "files", directory / "dvc").pusher(), 10)
    for name, (made, least) in rivals.items():
        send = made()
        seconds = [clock(send).wall for _ in range(dose.rounds)]
        row = f"push of records to a path over {name}, of {len(records):,} files"
        yield Figure(row, rate / (len(records) / median(seconds)), least=least)


def _little(source: Repository, records: Sequence[Value], first: Oid, dose: Dose, directory: Path) -> Iterator[Figure]:
    with on_a_path(directory / "there") as target:
        push(source, target)
        nothing = [clock(lambda: push(source, target)).wall for _ in range(20)]
        yield Figure("push of nothing new, on a path", median(nothing) * 1000, "ms", most=50)
    changed = list(records)
    edited = range(0, len(records), _CHANGED)
    for number, record in zip(edited, values(len(edited), seed=2), strict=True):
        changed[number] = record
    store_records(source, changed, first)
    with piped(shutil.copytree(directory / "there", directory / "piped")) as wire:
        items = list(lacking(StoreEndpoint(source), wire, [source.ref(_NAME) or b""]))
        sent = push(source, wire)
    frames = sum(item.frame.size for item in items)
    rounds = [(_onto(source, directory), _onto(source, directory, directory / "there")) for _ in range(dose.rounds)]
    shares = [little / (0.05 * whole + 0.1) for whole, little in rounds]
    what = f"push after one record in a hundred of {dose.records:,} changed"
    yield Figure(f"{what}: objects sent / new objects", sent.objects / len(items), "", least=1, most=1)
    yield Figure(f"{what}: bytes sent / bytes of the new frames", sent.size / frames, "", most=1.1)
    yield Figure(f"{what}: time / (5 % of the first push + 0.1 s)", median(shares), "", most=1)


def _onto(source: Repository, directory: Path, there: Path | None = None) -> float:
    """Return the seconds of a push to a copy of a store, to an empty one if none is given."""
    place = directory / "onto"
    if there is not None:
        shutil.copytree(there, place)
    with on_a_path(place) as target:
        seconds = clock(lambda: push(source, target)).wall
    shutil.rmtree(place)
    return seconds
