"""A stage bundle brings a run from one store to another, and there it is the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import themis_vcs
from tests.support.components import Answer
from tests.support.experiments import experiment
from tests.support.handingover import KINDS, head, new_store, stages
from themis_vcs import Case, GenerationResult, StageBundle
from themis_vcs.evaluation.failures import ComponentFailure
from themis_vcs.handoff.stages.adopt import Options
from themis_vcs.handoff.stages.boundary import BOUNDARIES, STAGES, part_of
from themis_vcs.handoff.stages.pack import pack
from themis_vcs.handoff.stages.take import take_pack
from themis_vcs.pipeline.stores import RunStore
from themis_vcs.transfer.bundle import open_bundle

Carry = Callable[[RunStore, RunStore, str, Path], None]


@dataclass
class Broken(Answer):
    """A generator that fails for one case, with an error that JSON cannot say plainly."""

    component_id: str = "test/broken"

    async def generate(self, case: Case, ctx: Any) -> GenerationResult:
        if case.case_id == "c3":
            raise ComponentFailure("out of order", details={"raw": b"\x00\xff", "at": math.inf, "$float": "NaN"})
        return replace(await super().generate(case, ctx), token_usage={"prompt_tokens": 3}, latency_ms=0.5)


def export(boundary: str) -> Callable[..., StageBundle]:
    return getattr(themis_vcs, f"export_{boundary}_bundle")


def take(boundary: str) -> Callable[..., object]:
    return getattr(themis_vcs, f"import_{boundary}_bundle")


def as_lines(source: RunStore, target: RunStore, boundary: str, path: Path) -> None:
    export(boundary)(source, "main").save(path)
    take(boundary)(target, StageBundle.load(path))


def as_pack(source: RunStore, target: RunStore, boundary: str, path: Path) -> None:
    part = part_of(source.repository, head(source.repository), BOUNDARIES[boundary])
    with path.open("wb") as file:
        pack(source.repository, part, file)
    bundle = open_bundle(path)
    take_pack(target.repository, bundle, BOUNDARIES[boundary], Options())
    bundle.close()


@pytest.mark.parametrize("carry", [as_lines, as_pack])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("kinds", [(one, other) for one in KINDS for other in KINDS], ids="-".join)
def test_there_and_back_the_trees_and_roots_are_equal(
    kinds: tuple[str, str], boundary: str, carry: Carry, tmp_path: Path
) -> None:
    a, b, c = (new_store(kind, tmp_path / name) for kind, name in ((kinds[0], "a"), (kinds[1], "b"), (kinds[0], "c")))
    with a, b, c:
        experiment(samples=2, generator=Broken()).run(store=a)
        carry(a, b, boundary, tmp_path / "there")
        carry(b, c, boundary, tmp_path / "back")
        upto = list(STAGES[: STAGES.index(BOUNDARIES[boundary]) + 1])
        expected = {name: stage for name, stage in stages(a.repository).items() if name in upto}
        assert list(expected) == upto
        assert stages(b.repository) == expected
        assert stages(c.repository) == expected
        assert head(b.repository) == head(c.repository)
        assert head(b.repository).run_id == head(a.repository).run_id
