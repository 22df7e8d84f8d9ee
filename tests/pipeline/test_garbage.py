from __future__ import annotations

import gc

import pytest

from themis_vcs.pipeline.garbage import collected_seldom


@pytest.mark.parametrize(("before", "within"), [((700, 10, 10), 10_000), ((50_000, 5, 5), 50_000), ((0, 10, 10), 0)])
def test_the_threshold_is_raised_for_a_while_and_never_lowered(before: tuple[int, int, int], within: int) -> None:
    usual = gc.get_threshold()
    gc.set_threshold(*before)
    try:
        with collected_seldom():
            assert gc.get_threshold() == (within, *before[1:])
        assert gc.get_threshold() == before
    finally:
        gc.set_threshold(*usual)
