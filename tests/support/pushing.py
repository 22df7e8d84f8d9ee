"""Pushes to a bucket, and what must hold there after each, whatever happened to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from themis_vcs.errors import RefConflict, RemoteError
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.bucket.endpoint import BucketEndpoint
from themis_vcs.transfer.endpoint import Transferred
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer

REF = "names/demo"


def push(source: Repository, there: BucketEndpoint, run: Oid, expected: Oid | None, ref: str = REF) -> Transferred:
    """Push a run where the ref is expected to be somewhere."""
    return transfer(StoreEndpoint(source, "here"), there, [RefUpdate(ref, run, expected)], message="push")


def outcome(act: Callable[[], object]) -> str:
    """Return "done", or in a word how it failed. Other errors are none that a push may end with."""
    try:
        act()
    except RemoteError:
        return "unknown"
    except RefConflict:
        return "conflict"
    return "done"


def problems(there: BucketEndpoint, source: Repository, runs: Sequence[Oid | None]) -> list[str]:
    """Say what is wrong: refs elsewhere than at one of `runs`, or that lead to what is not there."""
    at = there.refs().get(REF)
    if at not in runs:
        return [f"{REF} is at {at and at.hex()}"]
    if at is None:
        return []
    with Repository.memory() as copy:
        transfer(there, StoreEndpoint(copy), [RefUpdate(REF, at)], message="fetch")
        reached = {oid for oid, _ in copy.walk([at])}
    return [] if reached == {oid for oid, _ in source.walk([at])} else ["what was fetched is not what was pushed"]
