"""What a run gives back, in Python and as the document `themis.run/1`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from themis_vcs.analysis.metrics import MetricMean
from themis_vcs.analysis.reasons import Reason
from themis_vcs.pipeline.reporter import Reporter


@dataclass(frozen=True, kw_only=True)
class StageCounts:
    """Steps of a stage: executed with a value, taken over, without a value, and blocked by a failure upstream."""

    built: int = 0
    reused: int = 0
    failed: int = 0
    blocked: int = 0


@dataclass(frozen=True)
class PendingStep:
    """A step that a dry run found to be needed, and why."""

    stage: str
    track: str
    case: str
    reasons: list[Reason] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """The outcome of `run`, `resume` or `replay`. `run_id` is hex; `metrics` is by metric id; `store` has the run."""

    run_id: str
    name: str
    status: str
    completed_through_stage: str | None
    stages: dict[str, StageCounts]
    metrics: dict[str, MetricMean]
    objects_added: int
    pending: list[PendingStep] = field(default_factory=list)
    passed_through: list[str] = field(default_factory=list)
    store: Any = field(default=None, repr=False, compare=False)

    @property
    def failed(self) -> int:
        """Steps that have no value, in all stages."""
        return sum(counts.failed for counts in self.stages.values())

    def to_pandas(self, **options: Any) -> Any:
        """Return a row per case and metric as a `pandas.DataFrame`, as `Reporter.to_pandas` does."""
        return Reporter(self.store).to_pandas(self.run_id, **options)

    def document(self) -> dict[str, Any]:
        """The plain form that `--json` prints."""
        return {
            "schema": "themis.run/1",
            "run_id": self.run_id,
            "name": self.name,
            "status": self.status,
            "completed_through_stage": self.completed_through_stage,
            "stages": {stage: msgspec.to_builtins(counts) for stage, counts in self.stages.items()},
            "metrics": {name: msgspec.to_builtins(mean) for name, mean in self.metrics.items()},
            "objects_added": self.objects_added,
        }
