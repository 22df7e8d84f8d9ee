"""Comparisons in Python: the runs of any store that `Experiment.run` takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from themis_vcs.analysis.comparison.compare import compare as compare_in
from themis_vcs.analysis.comparison.document import Comparison
from themis_vcs.pipeline.stores import opened_to_read

if TYPE_CHECKING:
    from themis_vcs.pipeline.experiment import Store


def compare(
    store: Store,
    base: str,
    candidates: str | Sequence[str],
    *,
    metrics: str | Sequence[str] = (),
    fail_if: str | Sequence[str] = (),
    **options: Any,
) -> Comparison:
    """Compare the runs that `candidates` names with that of `base`; each is a revision, such as the name of a run.

    `store` is a RunStore, a Repository, or the path of a store. `metrics` and `fail_if` are one or several; the other
    options are those of `themis compare`: by, cluster, failed, power, agreement, seed. Errors are those of
    `analysis.comparison.compare.compare`, and NoStore.
    """
    with opened_to_read(store) as repository:
        return compare_in(
            repository, base, _several(candidates), metrics=_several(metrics), fail_if=_several(fail_if), **options
        )


def _several(given: str | Sequence[str]) -> Sequence[str]:
    return [given] if isinstance(given, str) else given
