"""Comparisons in Python: the runs of any store that `Experiment.run` takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from themis_vcs.analysis.comparison.compare import compare as compare_in
from themis_vcs.analysis.comparison.document import Comparison
from themis_vcs.pipeline.config import StorageConfig
from themis_vcs.pipeline.stores import opened

if TYPE_CHECKING:
    from themis_vcs.pipeline.experiment import Store


def compare(store: Store, base: str, candidates: str | Sequence[str], **options: Any) -> Comparison:
    """Compare the runs that `candidates` names with that of `base`; each is a revision, such as the name of a run.

    `store` is a RunStore, a Repository, or the path of a store. `options` and errors are those of
    `analysis.comparison.compare.compare`, which are those of `themis compare`: metrics, by, cluster, failed, power,
    agreement, fail_if, seed.
    """
    with opened(store, StorageConfig()) as repository:
        return compare_in(repository, base, [candidates] if isinstance(candidates, str) else candidates, **options)
