"""Differences gathered into the units that are independent of each other, with their mean and its standard error."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True)
class Units:
    """The sum of the differences in each unit, and how many there are in it.

    A unit is one case, or one cluster: cases that were drawn together, such as the questions about one document.
    """

    sums: Floats
    sizes: Floats

    @property
    def count(self) -> int:
        """How many units there are."""
        return len(self.sums)

    @cached_property
    def cases(self) -> float:
        """How many differences there are in all units."""
        return float(self.sizes.sum())

    @cached_property
    def mean(self) -> float:
        """The mean of all differences; each case counts once, whatever the size of its unit."""
        return float(self.sums.sum()) / self.cases

    @cached_property
    def influence(self) -> Floats:
        """What each unit adds to the mean, on the scale of a difference: G (S_c - mean n_c) / N. They sum to 0."""
        scale = self.count / self.cases
        return np.asarray((self.sums - self.mean * self.sizes) * scale)

    @cached_property
    def standard_error(self) -> float:
        """The standard error of the mean, 0 where there are fewer than two units.

        sqrt(G/(G-1) · sum over units of (S_c - mean n_c)²) / N, with G units of N cases: the cluster-robust error of
        E. Miller, Adding Error Bars to Evals (2024, arXiv:2411.00640), section 2.2, with the correction CR1 for few
        clusters. With one case per unit it is the standard deviation over the root of n.
        """
        count = self.count
        if count < 2:
            return 0.0
        return float(np.sqrt((self.influence**2).sum() / (count * (count - 1))))


def units(differences: Floats, clusters: Labels | None = None) -> Units:
    """The units of some differences: one for each, or one for each label (from 0, none left out) in `clusters`."""
    if clusters is None:
        return Units(differences, np.ones(len(differences)))
    return Units(
        np.bincount(clusters, weights=differences).astype(np.float64), np.bincount(clusters).astype(np.float64)
    )
