"""Forging runs: every hash right, whoever makes them has the specification and this project's own code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from themis_vcs import Repository
from themis_vcs.audit.audit import Audit, Scope
from themis_vcs.audit.finding import Finding, Level, Verdict
from themis_vcs.audit.reexecution import Asked
from themis_vcs.model import tree
from themis_vcs.model.derivation import key_of
from themis_vcs.model.objects import Run, Snapshot, Stage, Step, Track, TreeNode, Value, load
from themis_vcs.model.oid import Oid
from themis_vcs.performer.performer import StoredPerformer
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.tables import Writer

CASE = "sums/c1"


def audited(
    repository: Repository, oid: Oid | None = None, through: Level = "provenance", **scope: Any
) -> tuple[list[Finding], list[Verdict]]:
    """The findings and verdicts of an audit, by default of what `main` is at."""
    audit = Audit(repository, oid or head(repository), scope=Scope(**scope))
    return list(audit.findings(through)), audit.verdicts


def reexecuted(
    repository: Repository, oid: Oid | None = None, timeout: float = 30.0, **asked: Any
) -> tuple[list[Finding], list[Verdict]]:
    """An audit through all levels, with the components that this store trusts."""
    oid = oid or head(repository)
    performer = StoredPerformer(
        repository, repository.load(oid, Run).snapshot, imports=True, trust_code=True, timeout=timeout
    )
    try:
        return audited(repository, oid, "re-execution", reexecution=Asked(performer=performer, **asked))
    finally:
        performer.close()


def head(repository: Repository, name: str = "main") -> Oid:
    """Where a name is."""
    oid = repository.ref(f"names/{name}")
    assert oid is not None
    return oid


def codes(found: tuple[list[Finding], list[Verdict]]) -> set[str]:
    """The codes of what was found."""
    return {finding.code for finding in found[0]}


def outcomes(found: tuple[list[Finding], list[Verdict]]) -> list[str]:
    """What each level came to."""
    return [verdict.outcome for verdict in found[1]]


def rewritten(
    repository: Repository,
    stage: str,
    change: Callable[[Track], Track] | None = None,
    run_too: Callable[[Run], Run] = lambda run: run,
) -> Oid:
    """A run that differs from the one at hand in the first track of a stage, with every hash above it made anew."""

    def first(tracks: list[Track]) -> list[Track]:
        return tracks if change is None else [change(tracks[0]), *tracks[1:]]

    return with_tracks(repository, stage, first, run_too)


def with_tracks(
    repository: Repository,
    stage: str,
    change: Callable[[list[Track]], list[Track]],
    run_too: Callable[[Run], Run] = lambda run: run,
) -> Oid:
    """A run that differs from the one at hand in the tracks of a stage."""
    run = repository.load(head(repository), Run)
    stages = []
    for oid in run.stages:
        body = repository.load(oid, Stage)
        if body.name == stage:
            oid = repository.put(replace(body, tracks=change(body.tracks)))
        stages.append(oid)
    forged = repository.put(run_too(replace(run, stages=stages)))
    repository.flush()
    return forged


def changed(repository: Repository, root: Oid, changes: dict[str, Oid | None]) -> Oid:
    """A tree with some entries changed."""
    built = tree.update(root, changes, lambda oid: repository.load(oid, TreeNode))
    for payload in built.nodes.values():
        repository.put(load(payload, TreeNode))
    return built.root


def at(repository: Repository, root: Oid, key: str) -> Oid:
    """What a tree has under a key."""
    oid = tree.get(root, key, lambda each: repository.load(each, TreeNode))
    assert oid is not None
    return oid


def with_step(repository: Repository, key: str = CASE, **fields: Any) -> Callable[[Track], Track]:
    """A track in which the receipt of a case says something else."""

    def change(track: Track) -> Track:
        step = replace(repository.load(at(repository, track.steps, key), Step), **fields)
        return with_receipt(repository, key, step)(track)

    return change


def with_value(
    repository: Repository, key: str, alter: Callable[[Any], Any], *, receipt: bool = False, index: bool = False
) -> Callable[[Track], Track]:
    """A track in which the value of a case has other data; with `receipt`, the receipt names it; with `index`, that is
    what the store's index leads to as well.
    """

    def change(track: Track) -> Track:
        value = repository.load(at(repository, track.values, key), Value)
        forged = repository.put(replace(value, data=alter(value.data)))
        track = replace(track, values=changed(repository, track.values, {key: forged}))
        if not receipt:
            return track
        step = replace(repository.load(at(repository, track.steps, key), Step), value=forged)
        return with_receipt(repository, key, step, index=index)(track)

    return change


def with_receipt(repository: Repository, key: str, step: Step, *, index: bool = False) -> Callable[[Track], Track]:
    """A track that has this receipt for a case."""

    def change(track: Track) -> Track:
        forged = repository.put(step)
        if index:
            repository.record(key_of(step), forged)
        return replace(track, steps=changed(repository, track.steps, {key: forged}))

    return change


def asking_for(repository: Repository, **stages: Any) -> Oid:
    """A run that says that something else was asked for in some stages."""
    snapshot = repository.load(repository.load(head(repository), Run).snapshot, Snapshot)
    identity = replace(snapshot.identity, stages={**snapshot.identity.stages, **stages})
    forged = repository.put(replace(snapshot, identity=identity))
    return rewritten(repository, "", run_too=lambda run: replace(run, snapshot=forged))


def written(repository: Repository, write: Callable[[Writer], object]) -> None:
    """Write into the database behind the store's back."""
    assert isinstance(repository.backend, LmdbBackend)
    repository.backend.environment.write(write)
