from __future__ import annotations

from pathlib import Path

from tests.benchmarks.store_put import compare


def test_both_sides_store_the_same_records_and_the_store_takes_a_third_of_their_bytes(tmp_path: Path) -> None:
    result = compare(8_000, tmp_path)
    assert result["store size"] <= 0.36
    assert result["store size"] < result["loop size"]
