from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import PARTS
from tests.benchmarks.figure import Dose, Figure

TINY = Dose(records=600, files=20, runs=(10, 20, 40), unchanged=30, cases=100, calls=5, rounds=1, starts=1)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_the_benchmark_gives_its_figures(part: str, tmp_path: Path) -> None:
    figures = list(PARTS[part].rows(TINY, tmp_path))
    assert figures
    assert all(math.isfinite(figure.value) for figure in figures)
    assert len({figure.row for figure in figures}) == len(figures)


@pytest.mark.parametrize(("value", "ok"), [(1.0, False), (2.0, True), (2.5, True), (3.1, False)])
def test_a_figure_is_held_against_what_is_wanted(value: float, ok: bool) -> None:
    assert Figure("row", value, least=2, most=3).ok is ok


def test_a_figure_without_a_bound_is_not_judged() -> None:
    assert Figure("row", 1.0).ok is None
