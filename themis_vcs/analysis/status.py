"""Where every name of a store stands. Of a run little more is read than its run object and the note of its scores."""

from __future__ import annotations

from typing import Any

import msgspec

from themis_vcs.analysis.metrics import MetricMean, means_at_hand
from themis_vcs.analysis.moment import moment
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.scores import ScoreNotes
from themis_vcs.errors import NotFound
from themis_vcs.model.objects import Run, Snapshot
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.history import distance, origin_of


class Tracked(msgspec.Struct, frozen=True):
    """A name of a remote as it was last seen: how many runs the name here is ahead of it, and behind it."""

    name: str
    ahead: int
    behind: int


class NameStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A name and the run at its head.

    `failed` has the stages in which steps failed; `metrics` is None where the means would take long; `code` is the git
    state, if any. `origin` is the remote that the run came from, None for one made here; `remotes` has the names of
    remotes that are called like this one.
    """

    name: str
    oid: str
    run_id: str
    status: str
    completed_through_stage: str | None
    time: str
    failed: dict[str, int]
    metrics: dict[str, MetricMean] | None
    code: dict[str, Any] | None
    origin: str | None
    remotes: list[Tracked]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A store at a glance. `chosen_by` says which setting named it."""

    store: str
    chosen_by: str
    objects: int
    bytes: int
    runs: int
    tags: int
    names: list[NameStatus]


def status(repository: Repository, store: str, chosen_by: str) -> Status:
    """The names of a store, the newest first."""
    counts = repository.statistics()
    reader = Reader(repository)
    heads = [_head(reader, ref.removeprefix("names/"), oid) for ref, oid in repository.refs("names/")]
    return Status(
        store=store,
        chosen_by=chosen_by,
        objects=counts.objects,
        bytes=counts.file_bytes,
        runs=sum(1 for ref, _ in repository.refs("runs/") if ref.endswith("/head")),
        tags=sum(1 for _ in repository.refs("tags/")),
        names=sorted(heads, key=lambda head: head.time, reverse=True),
    )


def _head(reader: Reader, name: str, oid: bytes) -> NameStatus:
    repository = reader.repository
    run = repository.get(oid)
    if not isinstance(run, Run):
        raise NotFound(f"names/{name} is at a {type(run).__name__.lower()}, not at a run")
    snapshot = repository.load(run.snapshot, Snapshot)
    return NameStatus(
        name=name,
        oid=oid.hex(),
        run_id=run.run_id.hex(),
        status=run.status,
        completed_through_stage=run.completed_through,
        time=moment(run.time),
        failed={stage: counts[2] for stage, counts in run.work.items() if counts[2]},
        metrics=means_at_hand(reader, run.stages, reader.size(snapshot.identity.cases), ScoreNotes(reader, name)),
        code=snapshot.provenance.get("git"),
        origin=origin_of(repository, oid),
        remotes=_tracked(repository, name, oid),
    )


def _tracked(repository: Repository, name: str, head: bytes) -> list[Tracked]:
    found = []
    for ref, oid in repository.refs("remotes/"):
        remote = ref.removeprefix("remotes/")
        if remote.split("/", 1)[1] == name:
            far = distance(repository, head, oid)
            found.append(Tracked(remote, far.ahead, far.behind))
    return found
