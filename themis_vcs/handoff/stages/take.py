"""Taking a stage bundle into a store, in either form. All of it is checked before a ref moves."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from typing import TypeVar

from themis_vcs.errors import Corrupt, DataError, UsageError
from themis_vcs.handoff.stages.adopt import Adopted, Options, adopt
from themis_vcs.handoff.stages.boundary import boundary_of
from themis_vcs.handoff.stages.cursor import Placed
from themis_vcs.handoff.stages.lines import Line
from themis_vcs.handoff.stages.read import read
from themis_vcs.handoff.stages.spool import Spool
from themis_vcs.model.objects import Run, Snapshot, Stage, Step, Track, load
from themis_vcs.model.oid import Oid
from themis_vcs.model.tree import case_of
from themis_vcs.pipeline.garbage import collected_seldom
from themis_vcs.pipeline.snapshot import run_id_of
from themis_vcs.pipeline.workspace import Workspace
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.bundle import Bundle
from themis_vcs.transfer.bundling import verify
from themis_vcs.transfer.endpoint import Progress
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import lacking

T = TypeVar("T", Run, Stage)


def take_lines(repository: Repository, lines: Iterable[Placed[Line]], stage: str, options: Options) -> Adopted:
    """Take in a bundle as JSON Lines. Nothing is stored before all of it is checked. DataError, Rejected."""
    workspace = Workspace(repository)
    with tempfile.TemporaryFile() as file, collected_seldom():
        spool = Spool(file)
        arrived = read(lines, spool)
        _check_stage(arrived.stage, stage)
        spool.pour(repository)
    repository.flush()
    return adopt(workspace, arrived.run, stage, options)


def take_pack(
    repository: Repository, bundle: Bundle, stage: str, options: Options, progress: Progress | None = None
) -> Adopted:
    """Take in a bundle as a pack. Corrupt, DataError, Rejected."""
    run = _only_run(bundle)
    _check_stage(_peek(bundle, run.stages[-1], Stage).name, stage)
    verify(bundle)
    target = StoreEndpoint(repository)
    (oid,) = bundle.refs().values()
    target.take(lacking(bundle, target, [oid]), bundle, progress)
    workspace = Workspace(repository)
    _check_run(workspace, bundle.name, run)
    return adopt(workspace, run, stage, options)


def _only_run(bundle: Bundle) -> Run:
    """Return the run of a stage bundle. DataError if it is a bundle of another kind."""
    oids = [oid for ref, oid in bundle.refs().items() if ref.startswith("names/")]
    if len(oids) == len(bundle.refs()) == 1 and not bundle.needs:
        run = _peek(bundle, oids[0], Run)
        if run.stages and not run.parents:
            return run
    raise DataError(
        f"{bundle.name} is a bundle, but not one of a stage",
        hint="`themis bundle unbundle` and `themis pull` read bundles of whole lines of runs",
    )


def _peek(bundle: Bundle, oid: Oid, kind: type[T]) -> T:
    (item,) = bundle.objects([oid])
    return load(item.payload, kind)


def _check_stage(found: str, wanted: str) -> None:
    if found != wanted:
        name = boundary_of(found)
        raise UsageError(
            f"this is a bundle of the boundary {name}, not of {boundary_of(wanted)}",
            hint=f"`themis import {name}` takes it",
        )


def _check_run(workspace: Workspace, source: str, run: Run) -> None:
    """Check of a run in a pack what the lines of the other form say of themselves. Corrupt."""
    identity = workspace.repository.load(run.snapshot, Snapshot).identity
    if run_id_of(identity) != run.run_id:
        raise Corrupt(f"{source}: the snapshot does not hash to the run id {run.run_id.hex()}")
    cases = {key for key, _ in workspace.scan(identity.cases)}
    for oid in run.stages:
        stage = workspace.repository.load(oid, Stage)
        for track in stage.tracks:
            _check_track(workspace, f"{source}: {stage.name} {track.id}", stage.name, track, cases)


def _check_track(workspace: Workspace, where: str, stage: str, track: Track, cases: set[str]) -> None:
    values = dict(workspace.scan(track.values))
    for root, failed in ((track.steps, False), (track.failures, True)):
        entries = dict(workspace.scan(root))
        if not failed and entries.keys() != values.keys():
            raise Corrupt(f"{where}: its steps are not those of its values")
        for oid, payload in workspace.repository.read_many(entries.values()):
            step = load(payload, Step)
            if entries.get(step.case) != oid or step.stage != stage or case_of(step.case) not in cases:
                raise Corrupt(f"{where}: step {oid.hex()} is of {step.stage} {step.case!r:.200}", oid=oid)
            if step.value != values.get(step.case):
                raise Corrupt(f"{where}: step {oid.hex()} has another value than its track", oid=oid)
