"""Runs that hold a secret, and having them forgotten."""

from __future__ import annotations

import random
from pathlib import Path

from themis_vcs.model import tree
from themis_vcs.model.objects import ComponentRef, Identity, Run, Snapshot, Stage, Track, Value
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.forgetting import Forgot, forget
from themis_vcs.store.repository import Repository

SECRET = random.Random(1).randbytes(500)
"""It cannot be compressed, so it lies in the file as it is."""


def secret_run(repository: Repository, parent: bytes | None, run_id: int, secret: object, name: str = "main") -> bytes:
    """Store a run with an id of its own, and one stage that holds a value; move the refs of runs to it."""
    value = repository.put(Value("generation", secret))
    built = tree.build([("d/c", value)])
    for oid, payload in [tree.EMPTY, *built.nodes.items()]:
        repository.put_payload(oid, payload, "tree")
    none = tree.EMPTY[0]
    component = ComponentRef("x", "1", bytes(32), "", {}, True)
    stage = repository.put(Stage("generate", [Track("t", component, value, 1, [], built.root, none, none)]))
    run = Run(
        run_id=bytes([run_id]) * 32,
        name=name,
        snapshot=repository.put(Snapshot(Identity(none, none, {}, {}), {})),
        stages=[stage],
        completed_through="generate",
        status="completed",
        parents=[parent] if parent else [],
        reason="test",
        time=1_700_000_000_000_000_000,
        who="tester",
        work={},
    )
    oid = repository.put(run)
    refs = {f"names/{name}": oid, f"runs/{run.run_id.hex()}/head": oid, f"runs/{run.run_id.hex()}/generate": stage}
    repository.commit([RefUpdate(ref, target) for ref, target in refs.items()], message="run")
    return oid


def forgotten(path: Path, *runs: bytes, **options: object) -> Forgot:
    return forget(path, runs, reason="it has a secret", who="tester@here", **options)  # type: ignore[arg-type]
