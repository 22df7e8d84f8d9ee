"""What a run tells its subscribers, and what the history of a stored run consists of."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class RunStarted(msgspec.Struct, frozen=True, tag=True):
    """A run begins; `stages` are those that it will bring up to date."""

    run_id: str
    name: str
    stages: list[str]


class StageStarted(msgspec.Struct, frozen=True, tag=True):
    """A stage was planned: `steps` of its tracks are looked at, `carried` others stand as they are.

    `passed_through` says that the stage has no component and hands its input on.
    """

    stage: str
    steps: int
    carried: int
    passed_through: bool = False


class StepFinished(msgspec.Struct, frozen=True, tag=True):
    """A step was executed ("built" or "failed") or found on record ("reused")."""

    stage: str
    track: str
    case: str
    outcome: str
    error: str | None = None


class StageFinished(msgspec.Struct, frozen=True, tag=True):
    """A stage is up to date. `blocked` counts steps whose input is missing because an earlier stage failed."""

    stage: str
    built: int
    reused: int
    failed: int
    blocked: int


class RunFinished(msgspec.Struct, frozen=True, tag=True):
    """A run ended and is on record."""

    run_id: str
    status: str
    completed_through_stage: str | None


RunEvent = RunStarted | StageStarted | StepFinished | StageFinished | RunFinished
Observer = Callable[[RunEvent], None]
