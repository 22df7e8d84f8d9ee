"""The live line of a run: per stage what is done, reused and failed, how fast it goes, and how long it will take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from themis_vcs.cli.output import LiveLine
from themis_vcs.cli.wording import duration

if TYPE_CHECKING:
    from themis_vcs.pipeline.events import RunEvent, StageStarted, StepFinished


class Progress:
    """Subscribes to the events of a run. `finished` counts steps with a value or an error, over all stages."""

    def __init__(self, live: LiveLine | None) -> None:
        self.live = live
        self.finished = 0
        self._stage = ""
        self._begin("", 0)

    def __call__(self, event: RunEvent) -> None:
        kind = type(event).__name__
        if kind == "StepFinished":
            self._count(event)  # type: ignore[arg-type]
        elif kind == "StageStarted":
            self._start(event)  # type: ignore[arg-type]
        elif kind in ("StageFinished", "RunFinished"):
            self.clear()

    def clear(self) -> None:
        """Take the line away."""
        if self.live is not None:
            self.live.clear()

    def line(self, now: float) -> str:
        """The line as it stands at a moment of the monotonic clock."""
        done = self._built + self._reused + self._failed
        parts = [f"{self._stage:<8} {done:,}/{self._total:,}"]
        if self._reused:
            parts.append(f"{self._reused:,} reused")
        if self._failed:
            parts.append(f"{self._failed:,} failed")
        elapsed, executed = now - self._began, self._built + self._failed
        if elapsed > 0 and executed:
            parts.append(f"{executed / elapsed:,.1f}/s")
            left = self._total - done
            parts.append(f"{duration(left * elapsed / executed)} left" if left > 0 else duration(elapsed))
        return "  ".join(parts)

    def _begin(self, stage: str, total: int) -> None:
        self._stage, self._total = stage, total
        self._built = self._reused = self._failed = 0
        self._began = time.monotonic()

    def _start(self, event: StageStarted) -> None:
        self._begin(event.stage, event.steps)
        if self.live is not None and event.steps:
            self.live.show(self.line(self._began))

    def _count(self, event: StepFinished) -> None:
        if event.outcome == "built":
            self._built += 1
        elif event.outcome == "reused":
            self._reused += 1
        else:
            self._failed += 1
        if event.outcome != "reused":
            self.finished += 1
        if self.live is not None:
            self.live.show_from(self.line)
