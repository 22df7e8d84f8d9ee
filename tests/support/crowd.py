"""One of several processes that work on one store at the same time.

    python -m tests.support.crowd KIND STORE NUMBER SECONDS

does KIND (run, replay, push, gc, forget) again and again, and writes to stdout, as a line of JSON each, what it knows
to have been done: a ref that only it moves and where that is, or "again" where it had to give way.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.components import AfterEquals, Answer
from tests.support.experiments import experiment
from tests.support.forgetting import forgotten, secret_run
from themis_vcs.errors import RefConflict, StoreBusy
from themis_vcs.model.objects import Run
from themis_vcs.store.backend import ANY, RefUpdate
from themis_vcs.store.gc import Policy, gc
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer

SHARED = "together"


def say(what: str, value: str = "") -> None:
    print(json.dumps([what, value]), flush=True)


def run(store: Path, number: int, turn: int) -> None:
    """A run under a name of its own, and one under a name that others move too."""
    for name in (f"run-{number}", SHARED):
        made = experiment(4, name=name, generator=Answer(salt=f"{number}/{turn % 3}/"), metrics=[])
        with Repository.open(store) as repository:
            done = made.run(store=repository)
            if name != SHARED:
                _acknowledge(repository, f"names/{name}")
                continue
            # Only this process makes runs with this id, the last of them under this name.
            made_here = repository.ref(f"runs/{done.run_id}/head") or b""
            if repository.load(made_here, Run).name == SHARED:
                say(SHARED, made_here.hex())


def replay(store: Path, number: int, turn: int) -> None:
    """A run, then the same with another parser."""
    made = experiment(4, name=f"replay-{number}", metrics=[])
    if turn == 0:
        made.run(store=store)
    experiment(4, name=f"replay-{number}", parser=AfterEquals((str(turn % 5),)), metrics=[]).replay(
        stage="parse", store=store
    )
    with Repository.open(store) as repository:
        _acknowledge(repository, f"names/replay-{number}")


def push(store: Path, number: int, turn: int) -> None:
    """A run in a store in memory, sent to the store."""
    name = f"names/push-{number}"
    with Repository.memory() as here, Repository.open(store) as there:
        experiment(4, name=f"push-{number}", generator=Answer(salt=f"push {number}/{turn % 4}"), metrics=[]).run(
            store=here
        )
        oid = here.ref(name)
        transfer(StoreEndpoint(here), StoreEndpoint(there), [RefUpdate(name, oid, ANY)], message="push")
        _acknowledge(there, name)


def collect(store: Path, number: int, turn: int) -> None:
    """Delete all that nothing reaches."""
    found = gc(store, Policy(grace=0, reflog=0, wait=10))
    say("collected", str(found.objects))


def forget(store: Path, number: int, turn: int) -> None:
    """A run that is thrown away."""
    name = f"forget-{number}-{turn}"
    with Repository.open(store) as repository:
        run = secret_run(repository, None, 1 + (number * 31 + turn) % 250, f"secret {number}/{turn}", name)
        say("forget", run.hex())
    forgotten(store, run, wait=10)
    say("forgotten", run.hex())


KINDS: dict[str, Callable[[Path, int, int], None]] = {
    "run": run,
    "replay": replay,
    "push": push,
    "gc": collect,
    "forget": forget,
}


def _acknowledge(repository: Repository, name: str) -> None:
    say(name, (repository.ref(name) or b"").hex())


def main(kind: str, store: Path, number: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < end:
        try:
            KINDS[kind](store, number, turn)
        except (StoreBusy, RefConflict) as error:
            say("again", str(error)[:200])
        turn += 1


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
