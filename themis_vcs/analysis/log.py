"""How a name came to where it stands: each run with its means, what changed against its parent, and what was reused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import msgspec

from themis_vcs.analysis.changes import RunChanges, changes
from themis_vcs.analysis.metrics import MetricMean, means_at_hand
from themis_vcs.analysis.moment import moment
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.scores import ScoreNotes
from themis_vcs.analysis.summary import Work, work_of
from themis_vcs.model.objects import Run, Snapshot, Tag
from themis_vcs.model.oid import Oid
from themis_vcs.store.repository import Repository


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A run in a line of runs. Of its `parents`, those in `forgotten` are gone.

    `metrics` is None where the means would take long, as of older runs with many cases. `changes` are against the first
    parent; None for a run without one.
    """

    oid: str
    run_id: str
    name: str
    refs: list[str]
    time: str
    who: str
    reason: str
    status: str
    completed_through_stage: str | None
    parents: list[str]
    forgotten: list[str]
    work: dict[str, Work]
    metrics: dict[str, MetricMean] | None
    changes: RunChanges | None


def log(reader: Reader, start: Oid) -> Iterator[LogEntry]:
    """The run at `start` and those that it came from, each once, children before parents."""
    repository = reader.repository
    refs = refs_by_target(repository)
    notes: dict[str, ScoreNotes] = {}
    gone = repository.forgotten()
    pending, seen = [start], {start, *gone}
    while pending:
        oid = pending.pop(0)
        run = repository.load(oid, Run)
        noted = notes.setdefault(run.name, ScoreNotes(reader, run.name))
        yield _entry(reader, oid, run, refs.get(oid, []), noted, gone)
        fresh = [parent for parent in run.parents if parent not in seen]
        seen.update(fresh)
        pending.extend(fresh)


def refs_by_target(repository: Repository) -> dict[Oid, list[str]]:
    """The names that stand at each run, here and as REMOTE/NAME in remotes, and tags with "tag: " before them."""
    found: dict[Oid, list[str]] = defaultdict(list)
    for prefix in ("names/", "remotes/"):
        for ref, oid in repository.refs(prefix):
            found[oid].append(ref.removeprefix(prefix))
    for ref, oid in repository.refs("tags/"):
        found[peeled(repository, oid)].append("tag: " + ref.removeprefix("tags/"))
    return found


def peeled(repository: Repository, oid: Oid) -> Oid:
    """What a tag names in the end; the oid itself if it is not that of a tag."""
    while isinstance(tag := repository.get(oid), Tag):
        oid = tag.target
    return oid


def _entry(reader: Reader, oid: Oid, run: Run, refs: list[str], notes: ScoreNotes, gone: set[Oid]) -> LogEntry:
    repository = reader.repository
    snapshot, found = repository.load(run.snapshot, Snapshot), None
    if run.parents and run.parents[0] not in gone:
        parent = repository.load(run.parents[0], Run)
        found = changes(reader, repository.load(parent.snapshot, Snapshot), snapshot)
    return LogEntry(
        oid=oid.hex(),
        run_id=run.run_id.hex(),
        name=run.name,
        refs=refs,
        time=moment(run.time),
        who=run.who,
        reason=run.reason,
        status=run.status,
        completed_through_stage=run.completed_through,
        parents=[parent.hex() for parent in run.parents],
        forgotten=[parent.hex() for parent in run.parents if parent in gone],
        work=work_of(run),
        metrics=means_at_hand(reader, run.stages, reader.size(snapshot.identity.cases), notes),
        changes=found,
    )
