"""A store on this machine as an endpoint, and what a store makes of refs that arrive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from themis_vcs.errors import Corrupt, MissingReference, ObjectNotFound, Rejected, UsageError
from themis_vcs.model import refname
from themis_vcs.model.objects import Run, Snapshot, Stage, TreeNode
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import ANY, RefUpdate, Stored
from themis_vcs.store.repository import Repository
from themis_vcs.store.tombstones import ref_of
from themis_vcs.transfer.endpoint import SHARED, Progress, Source, Transferred, check_shared
from themis_vcs.transfer.history import FROM, runs_behind
from themis_vcs.transfer.intake import ALLOW, Intake, refusal
from themis_vcs.transfer.kinds import check_ref

_TOLD: Final = 1_000


class StoreEndpoint:
    """A store. `name` is what messages call it.

    `origin` makes it the store of who fetches: where the runs come from is noted, and refs of remotes may move.
    """

    def __init__(self, repository: Repository, name: str = "this store", *, origin: str = "") -> None:
        self.repository, self._origin = repository, origin
        self.name = name

    def refs(self) -> dict[str, Oid]:
        return {name: oid for prefix in SHARED for name, oid in self.repository.refs(prefix)}

    def missing(self, oids: Sequence[Oid]) -> list[Oid]:
        return self.repository.lacking(oids)

    def objects(self, oids: Sequence[Oid]) -> Iterator[Stored]:
        try:
            yield from self.repository.stored(oids)
        except ObjectNotFound as error:
            raise Corrupt(f"object {error.oid.hex()} is missing, and something refers to it", oid=error.oid) from error

    def dictionary(self, oid: Oid) -> bytes:
        return self.repository.read(oid)

    def take(self, items: Iterable[Stored], source: Source, progress: Progress | None = None) -> Transferred:
        intake = Intake(self.repository, source.dictionary)
        count = size = 0
        with self.repository.working():
            try:
                for count, item in enumerate(items, start=1):
                    intake.add(item)
                    size += item.frame.size
                    if progress is not None and count % _TOLD == 0:
                        progress(Transferred(count, size))
            finally:
                # What came so far is whole in itself, and need not come again.
                intake.flush()
        return Transferred(count, size)

    def move(self, updates: Sequence[RefUpdate], message: str) -> None:
        check_shared(updates, (*SHARED, "remotes/") if self._origin else SHARED)
        absent = self.repository.missing([update.new for update in updates if update.new is not None])
        self._refuse_forgotten(updates, absent)
        if absent:
            raise MissingReference(absent[0], None)
        for update in updates:
            if update.new is not None:
                check_ref(update.name, update.new, self.repository.read(update.new))
        runs = list(self._new_runs(updates))
        local = {}
        if self._origin:
            local = {FROM + oid.hex(): self._origin.encode() for oid, run in runs if self._is_unknown(oid, run)}
        back = [RefUpdate(ref_of(oid), None, ANY) for oid, _ in runs if self.repository.ref(ref_of(oid)) is not None]
        self.repository.commit([*updates, *self._run_refs(runs), *back], message=message, local=local)

    def close(self) -> None:
        self.repository.close()

    def _refuse_forgotten(self, updates: Sequence[RefUpdate], absent: Sequence[Oid]) -> None:
        """Rejected if a ref is to move to a run that was forgotten here."""
        gone = self.repository.forgotten().intersection(absent) if absent else ()
        refused = [(update.name, refusal(self.repository, update.new)) for update in updates if update.new in gone]
        if refused:
            raise Rejected(self.name, refused, hint=ALLOW)

    def _is_unknown(self, oid: Oid, run: Run) -> bool:
        """Say whether neither a ref nor a note says that this run was here."""
        return self.repository.ref(_head(run)) is None and self.repository.local(FROM + oid.hex()) is None

    def _new_runs(self, updates: Sequence[RefUpdate]) -> Iterator[tuple[Oid, Run]]:
        """Yield the runs that names are about to lead to and none does yet, newest first."""
        known = {oid for prefix in ("names/", "remotes/") for _, oid in self.repository.refs(prefix)}
        for update in updates:
            if update.new is not None and update.name.startswith(("names/", "remotes/")):
                yield from runs_behind(self.repository, update.new, known)

    def _run_refs(self, runs: Sequence[tuple[Oid, Run]]) -> list[RefUpdate]:
        """Return the moves of `runs/…` that come with runs, the newest first, after a look at these."""
        moves: dict[str, RefUpdate] = {}
        for oid, run in runs:
            stages = self._checked(oid, run)
            if _head(run) not in moves and self._is_newer(run, oid):
                targets = {_head(run): oid, **{f"runs/{run.run_id.hex()}/{name}": at for name, at in stages.items()}}
                moves.update((name, RefUpdate(name, target, ANY)) for name, target in targets.items())
        return list(moves.values())

    def _is_newer(self, run: Run, oid: Oid) -> bool:
        """Say whether a state of a run shall take the place of the one that its ref is at."""
        old = self.repository.ref(_head(run))
        return old is None or any(old == behind for behind, _ in runs_behind(self.repository, oid))

    def _checked(self, oid: Oid, run: Run) -> dict[str, Oid]:
        """Return the stages of a run by name, after a look at the objects that hold it together."""
        identity = self.repository.load(run.snapshot, Snapshot).identity
        roots = [identity.cases, identity.datasets]
        stages: dict[str, Oid] = {}
        for at in run.stages:
            stage = self.repository.load(at, Stage)
            roots += [root for track in stage.tracks for root in (track.values, track.steps, track.failures)]
            stages[stage.name] = at
            try:
                refname.check(f"runs/{run.run_id.hex()}/{stage.name}")
            except UsageError as error:
                raise Corrupt(f"run {oid.hex()} has a stage that cannot be one: {error.message}", oid=oid) from error
        for root in dict.fromkeys(roots):
            self.repository.load(root, TreeNode)
        return stages


def _head(run: Run) -> str:
    return f"runs/{run.run_id.hex()}/head"
