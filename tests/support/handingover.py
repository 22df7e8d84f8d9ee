"""What tests of stage bundles have in common: two stores, and what a run holds in each."""

from __future__ import annotations

from pathlib import Path

from themis_vcs import InMemoryRunStore, LmdbRunStore
from themis_vcs.handoff.stages.boundary import BOUNDARIES, part_of
from themis_vcs.handoff.stages.lines import encode
from themis_vcs.handoff.stages.write import write
from themis_vcs.model.objects import Run, Stage
from themis_vcs.pipeline.stores import RunStore
from themis_vcs.store.repository import Repository
from themis_vcs.store.resolve import resolve_run

KINDS = ("memory", "lmdb")


def new_store(kind: str, path: Path) -> RunStore:
    """An empty store of this kind."""
    return InMemoryRunStore() if kind == "memory" else LmdbRunStore(path)


def head(repository: Repository, revision: str = "main") -> Run:
    """The run that a revision names."""
    return resolve_run(repository, revision)[1]


def stages(repository: Repository, revision: str = "main") -> dict[str, Stage]:
    """The stages of a run by name."""
    found = [repository.load(oid, Stage) for oid in head(repository, revision).stages]
    return {stage.name: stage for stage in found}


def text_of(repository: Repository, boundary: str, *, only: bool = False) -> str:
    """The bundle of the run `main` as JSON Lines."""
    part = part_of(repository, head(repository), BOUNDARIES[boundary], only=only)
    return b"".join(map(encode, write(repository, part))).decode()
