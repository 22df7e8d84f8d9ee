"""Derivation keys name a computation by all that it can see, and by nothing else (DER-1 to DER-4)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.strategies import oids
from themis_vcs.errors import EncodingError
from themis_vcs.model.derivation import derivation_key, derive_seed, key_of, track_key
from themis_vcs.model.objects import Step, StepError

A, B, C, D = (bytes([number]) * 32 for number in range(1, 5))
FIELDS: dict[str, Any] = {
    "stage": "parse", "fingerprint": A, "params": B, "inputs": [C], "case": "d/c1", "seed": None
}  # fmt: skip
TRACK: dict[str, Any] = {
    **{"stage": "parse", "track_id": "p", "fingerprint": A, "params": B},
    **{"fanout": 1, "seeds": [], "inputs": [("x", C)]},
}


def step(**changes: Any) -> Step:
    return Step(**{**FIELDS, "component": "builtin/text", "value": D, **changes})


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "score"},
        {"fingerprint": D},
        {"params": D},
        {"inputs": []},
        {"inputs": [D]},
        {"inputs": [C, C]},
        {"case": "d/c1/0"},
        {"seed": 0},
    ],
    ids=str,
)
def test_every_field_changes_the_derivation_key(change: dict[str, Any]) -> None:
    """DER-1"""
    assert derivation_key(**{**FIELDS, **change}) != derivation_key(**FIELDS)


def test_the_order_of_inputs_changes_the_derivation_key() -> None:
    """DER-1"""
    assert derivation_key(**{**FIELDS, "inputs": [C, D]}) != derivation_key(**{**FIELDS, "inputs": [D, C]})


def test_a_seed_of_zero_is_not_no_seed_and_one_is_not_true() -> None:
    """DER-1"""
    keys = {derivation_key(**{**FIELDS, "seed": seed}) for seed in (None, 0, False, 1, True)}
    assert len(keys) == 5


@given(st.lists(oids, max_size=4), st.lists(oids, max_size=4))
def test_equal_fields_have_equal_keys_and_others_have_not(a: list[bytes], b: list[bytes]) -> None:
    """DER-1"""
    same = derivation_key(**{**FIELDS, "inputs": a}) == derivation_key(**{**FIELDS, "inputs": tuple(b)})
    assert same == (a == b)


def test_a_step_is_found_by_the_key_of_what_it_saw() -> None:
    """DER-2"""
    assert key_of(step(seed=7)) == derivation_key(**{**FIELDS, "seed": 7})


@pytest.mark.parametrize(
    "change",
    [
        {"component": "mine"},
        {"value": A},
        {"value": None, "error": StepError("timeout", "E", "m")},
        {"observations": {"latency_ms": 1}},
        {"origin": {"host": "a"}},
    ],
    ids=str,
)
def test_what_came_of_a_step_is_not_in_its_key(change: dict[str, Any]) -> None:
    """DER-2"""
    assert key_of(step(**change)) == key_of(step())


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "score"},
        {"track_id": "q"},
        {"fingerprint": D},
        {"params": D},
        {"fanout": 2},
        {"seeds": [1]},
        {"inputs": []},
        {"inputs": [("y", C)]},
        {"inputs": [("x", D)]},
    ],
    ids=str,
)
def test_every_field_changes_the_track_key(change: dict[str, Any]) -> None:
    """DER-3"""
    assert track_key(**{**TRACK, **change}) != track_key(**TRACK)


def test_keys_of_tracks_and_steps_are_apart() -> None:
    """DER-3"""
    assert track_key("a", "b", A, B, 1, [], []) != derivation_key("a", A, B, [], "b", 1)


@given(st.integers(-(2**63), 2**64 - 1), st.lists(st.text(max_size=5) | st.integers(0, 99), max_size=4))
def test_seed_fits_in_31_bits(base: int, parts: list[str | int]) -> None:
    """DER-4"""
    assert 0 <= derive_seed(base, *parts) < 2**31


def test_seeds_differ_by_base_and_by_every_part() -> None:
    """DER-4"""
    calls = [(0,), (1,), (0, "a"), (0, "b"), (0, "a", 0), (0, "a", 1), (0, 0, "a"), (0, "a0"), (0, "0", "a")]
    assert len({derive_seed(*call) for call in calls}) == len(calls)


def test_seeds_are_spread_evenly() -> None:
    """DER-4"""
    seeds = [derive_seed(1, "d/c", index) for index in range(2_000)]
    assert len(set(seeds)) == 2_000
    high = sum(seed >= 2**30 for seed in seeds)
    assert 850 < high < 1_150


def test_a_case_with_a_lone_surrogate_has_no_key() -> None:
    with pytest.raises(EncodingError):
        derivation_key(**{**FIELDS, "case": "d/\ud800"})
