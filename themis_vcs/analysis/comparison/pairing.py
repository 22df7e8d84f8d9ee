"""Which cases of two runs belong together: those with one key, DATASET/CASE. Equal ids of two datasets do not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from themis_vcs.analysis.comparison.casescores import CaseScores
from themis_vcs.analysis.lookup import Located
from themis_vcs.analysis.statistics.units import Labels


@dataclass(frozen=True)
class Pairing:
    """Where the cases of both runs stand in each of them, and the keys of those that are not the same in both.

    `changed` are in both runs under one key, with another content. They are paired all the same.
    """

    keys: list[str]
    base: Labels
    candidate: Labels
    only_base: list[str]
    only_candidate: list[str]
    changed: list[str]


def pairing(scores: CaseScores, base: Located, candidate: Located) -> Pairing:
    """Pair the cases of two runs. Of their trees of cases only the branches that differ are compared."""
    one, other = scores.table(base), scores.table(candidate)
    if one is other:
        places = np.arange(len(one.keys))
        return Pairing(one.keys, places, places, [], [], [])
    changes = scores.reader.diff(base.snapshot.identity.cases, candidate.snapshot.identity.cases)
    gone = {change.key for change in changes if change.new is None}
    keys = [key for key in one.keys if key not in gone] if gone else one.keys
    return Pairing(
        keys,
        np.fromiter((one.places[key] for key in keys), np.intp, len(keys)),
        np.fromiter((other.places[key] for key in keys), np.intp, len(keys)),
        [change.key for change in changes if change.new is None],
        [change.key for change in changes if change.old is None],
        [change.key for change in changes if change.old is not None and change.new is not None],
    )
