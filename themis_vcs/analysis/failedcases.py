"""What is done with cases that have no score: left out of a mean, or counted as 0."""

from __future__ import annotations

from themis_vcs.errors import UsageError
from themis_vcs.store.repository import Repository
from themis_vcs.store.settings import FAILED, Failed, Settings


def failed_cases(repository: Repository, asked: Failed | None) -> Failed:
    """Return what was asked for, else what the setting `analysis.failed` of the store says. UsageError."""
    if asked is None:
        return FAILED[0] if repository.path is None else Settings(repository.path).failed
    if asked not in FAILED:
        raise UsageError(f"failed: {asked!r:.80} is none of {', '.join(FAILED)}")
    return asked
