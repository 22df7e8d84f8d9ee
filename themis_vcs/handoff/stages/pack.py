"""What a run holds up to a boundary, as a bundle file: the smaller form, which clone and pull read too."""

from __future__ import annotations

from typing import BinaryIO

from themis_vcs.handoff.stages.boundary import Part
from themis_vcs.store.repository import Repository
from themis_vcs.transfer import bundling
from themis_vcs.transfer.endpoint import Progress


def pack(repository: Repository, part: Part, file: BinaryIO, progress: Progress | None = None) -> bundling.Made:
    """Write a stage bundle as a pack. The run with fewer stages is put into the store for it, where no ref names it."""
    oid = repository.put(part.run)
    repository.flush()
    return bundling.create(repository, {f"names/{part.run.name}": oid}, lambda _: file, progress=progress)
