"""What generators, reducers, parsers and metrics return. Judging has types of its own in `judging`.

`Any` fields hold plain canonical data: None, bool, 64-bit int, float, text, bytes, lists, dicts with text
keys.
"""

from __future__ import annotations

from typing import Any

import msgspec

METRIC_FAILURE = "metric_failure"


class Message(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One message of a conversation; `role` is "system", "user", "assistant" or "tool"."""

    role: str
    content: Any


class TraceStep(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One step of what a generator or a workflow did on the way to its answer."""

    step_name: str
    step_type: str
    input: dict[str, Any] = {}
    output: dict[str, Any] = {}
    metadata: dict[str, Any] = {}


class GenerationResult(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One answer of the system under evaluation.

    `token_usage`, `latency_ms` and `provider` are observations: stored beside the answer, never part of its
    identity.
    """

    final_output: Any
    candidate_id: str = ""
    trace: list[TraceStep] = []
    conversation: list[Message] = []
    artifacts: dict[str, Any] = {}
    finish_reason: str | None = None
    token_usage: dict[str, int] | None = None
    latency_ms: float | None = None
    provider: dict[str, Any] = {}


class ReducedCandidate(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The one answer that goes on, chosen or made from the candidates named in `source_candidate_ids`."""

    final_output: Any
    candidate_id: str = ""
    source_candidate_ids: list[str] = []
    metadata: dict[str, Any] = {}


class ParsedOutput(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a parser read from an answer; `value` None means that it looked and found nothing."""

    value: Any
    format: str | None = None
    confidence: float | None = None
    metadata: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if type(self.confidence) is int:
            msgspec.structs.force_setattr(self, "confidence", float(self.confidence))


class Score(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A finite number that a metric gave to one case."""

    metric_id: str
    value: float
    details: dict[str, Any] = {}

    def __post_init__(self) -> None:
        # 1, 1.0 and a float of numpy are one score and must have one encoding
        if type(self.value) is not float and isinstance(self.value, int | float) and type(self.value) is not bool:
            msgspec.structs.force_setattr(self, "value", float(self.value))


class ScoreError(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A metric's statement that it cannot score this case, and why."""

    metric_id: str
    reason: str
    category: str = METRIC_FAILURE
    retryable: bool = False
    details: dict[str, Any] = {}

    def __post_init__(self) -> None:
        # msgspec leaves a default out by identity, and one value must have one encoding
        if self.category == METRIC_FAILURE:
            msgspec.structs.force_setattr(self, "category", METRIC_FAILURE)
