"""The five stage boundaries, and the part of a run that is handed over at one."""

from __future__ import annotations

import difflib
from typing import Final, NamedTuple

from msgspec.structs import replace

from themis_vcs.analysis.lookup import stage_of, stages_of
from themis_vcs.analysis.reading import Reader
from themis_vcs.errors import UsageError
from themis_vcs.model.derivation import STAGES
from themis_vcs.model.objects import Run, Stage
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.narrow import with_stages

BOUNDARIES: Final = dict(zip(("generation", "reduction", "parse", "score", "evaluation"), STAGES, strict=True))
"""What is handed over, and the stage that makes it."""
TYPES: Final = {
    "generate": ("generation",),
    "reduce": ("reduced",),
    "parse": ("parsed",),
    "score": ("score", "score_error"),
    "judge": ("evaluation",),
}
"""The types of the values of each stage."""


class Part(NamedTuple):
    """A run with the stages up to a boundary, or that of the boundary alone, and no parents; and these stages."""

    run: Run
    stages: list[Stage]

    def records(self, reader: Reader) -> int:
        """Return how many steps the stage of the boundary has, those that failed included."""
        return sum(reader.size(track.steps) + reader.size(track.failures) for track in self.stages[-1].tracks)


def stage_named(name: str) -> str:
    """Return the stage of a boundary, which may be called like its stage too. UsageError names those that there are."""
    stage = BOUNDARIES.get(name, name)
    if stage not in STAGES:
        near = difflib.get_close_matches(name, [*BOUNDARIES, *STAGES], n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(BOUNDARIES)}"
        raise UsageError(f"unknown stage boundary {name!r}", hint=hint)
    return stage


def boundary_of(stage: str) -> str:
    """Return what is handed over after a stage."""
    return next(name for name, each in BOUNDARIES.items() if each == stage)


def part_of(repository: Repository, run: Run, stage: str, *, only: bool = False) -> Part:
    """Return what a stage bundle of a run holds. NotFound if the run did not get to that stage."""
    stage_of(repository, run, stage)
    held = stages_of(repository, run)
    kept = [stage] if only else [name for name in STAGES[: STAGES.index(stage) + 1] if name in held]
    oids = dict(zip(held, run.stages, strict=True))
    part = run if list(held) == kept else with_stages(run, {name: oids[name] for name in kept})
    return Part(replace(part, parents=[]), [held[name] for name in kept])
