"""Taking a stage bundle into a store, in either form. All of it is checked before a ref moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from themis_vcs.errors import Corrupt, DataError, UsageError
from themis_vcs.handoff.stages.adopt import Adopted, Options, adopt
from themis_vcs.handoff.stages.boundary import boundary_of
from themis_vcs.handoff.stages.cursor import Placed
from themis_vcs.handoff.stages.lines import Line
from themis_vcs.handoff.stages.read import Checked, read
from themis_vcs.model.derivation import key_of
from themis_vcs.model.objects import Run, Snapshot, Stage, Step, Track, load, references
from themis_vcs.model.oid import Oid
from themis_vcs.model.tree import case_of
from themis_vcs.pipeline.snapshot import run_id_of
from themis_vcs.pipeline.workspace import Workspace
from themis_vcs.store.repository import Repository
from themis_vcs.store.view import ARRIVED
from themis_vcs.transfer.bundle import Bundle
from themis_vcs.transfer.bundling import verify
from themis_vcs.transfer.endpoint import Progress
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import lacking


def take_lines(
    repository: Repository, lines: Callable[[], Iterable[Placed[Line]]], stage: str, options: Options
) -> Adopted:
    """Take in a bundle as JSON Lines, which is read twice: once to check all of it. DataError, Rejected."""
    found = read(lines(), Checked())
    _check_stage(found.stage, stage)
    workspace = Workspace(repository)
    arrived = read(lines(), _Kept(workspace))
    repository.flush()
    return adopt(workspace, arrived.run, stage, options)


def take_pack(
    repository: Repository, bundle: Bundle, stage: str, options: Options, progress: Progress | None = None
) -> Adopted:
    """Take in a bundle as a pack. Corrupt, DataError, Rejected."""
    refs = {ref: oid for ref, oid in bundle.refs().items() if ref.startswith("names/")}
    if len(refs) != 1 or bundle.needs:
        raise DataError(
            f"{bundle.name} is a bundle, but not one of a stage",
            hint="`themis bundle unbundle` and `themis pull` read bundles of whole lines of runs",
        )
    verify(bundle)
    (oid,) = refs.values()
    target = StoreEndpoint(repository)
    target.take(lacking(bundle, target, [oid]), bundle, progress)
    run = repository.load(oid, Run)
    names = [repository.load(each, Stage).name for each in run.stages]
    if run.parents or not names:
        raise DataError(f"{bundle.name}: its run has parents, or no stages: this is no stage bundle")
    _check_stage(names[-1], stage)
    workspace = Workspace(repository)
    _check_run(workspace, bundle.name, run)
    return adopt(workspace, run, stage, options)


def _check_stage(found: str, wanted: str) -> None:
    if found != wanted:
        name = boundary_of(found)
        raise UsageError(
            f"this is a bundle of the boundary {name}, not of {boundary_of(wanted)}",
            hint=f"`themis import {name}` takes it",
        )


class _Kept:
    """The sink that puts what was checked into a store. What steps derive is noted as having come from elsewhere."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, self._repository = workspace, workspace.repository
        self._derived: dict[bytes, Oid] = {}

    def keep(self, oid: Oid, payload: bytes, label: str, refers_to: Sequence[Oid]) -> None:
        self._repository.put_payload(oid, payload, label, refers_to)

    def tree(self, entries: Iterable[tuple[str, Oid]]) -> Oid:
        self._note()
        return self._workspace.build(entries)

    def step(self, oid: Oid, payload: bytes, step: Step) -> None:
        self._repository.put_payload(oid, payload, f"step:{step.stage}", tuple(references(step)))
        if step.value is not None:
            self._derived[key_of(step) + ARRIVED] = oid

    def _note(self) -> None:
        """Note what is not on record."""
        known = self._repository.backend.derivations_for(list(self._derived))
        for (key, oid), old in zip(self._derived.items(), known, strict=True):
            if old is None:
                self._repository.record(key, oid)
        self._derived.clear()


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
