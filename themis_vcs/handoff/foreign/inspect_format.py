"""The parts of Inspect logs that are read, as they are written, format version 2.

After `inspect_ai/log/_log.py` of inspect-ai 0.3.285. What is not named here is skipped without being held.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

from themis_vcs.errors import DataError
from themis_vcs.handoff.foreign.source import NOT_A_LOG

NEWEST = 2
"""The newest version of the format that is known."""

T = TypeVar("T")


class SampleScore(msgspec.Struct):
    """What a scorer said of one epoch."""

    value: Any = None
    answer: Any = None
    explanation: Any = None
    metadata: dict[str, Any] | None = None


class ChatMessage(msgspec.Struct):
    """A message of the conversation."""

    role: str
    content: Any = None
    tool_calls: list[Any] | None = None
    tool_call_id: str | None = None
    function: str | None = None
    error: Any = None


class Choice(msgspec.Struct):
    """One of the completions of a call."""

    message: ChatMessage
    stop_reason: str | None = None


class Output(msgspec.Struct):
    """What the model said last."""

    model: str = ""
    choices: list[Choice] = []
    completion: str | None = None
    usage: dict[str, Any] | None = None
    time: float | None = None


class SampleError(msgspec.Struct):
    """Why a sample has no answer."""

    message: str = "error"


class SampleLog(msgspec.Struct):
    """One epoch of a sample; its events are not read."""

    id: int | str
    epoch: int = 1
    input: Any = None
    choices: list[str] | None = None
    target: Any = None
    metadata: dict[str, Any] = {}
    messages: list[ChatMessage] = []
    output: Output = msgspec.field(default_factory=Output)
    scores: dict[str, SampleScore] | None = None
    error: SampleError | None = None
    attachments: dict[str, str] = {}


class Reduced(msgspec.Struct):
    """The value of a sample over its epochs."""

    value: Any = None
    sample_id: int | str | None = None


class Reduction(msgspec.Struct):
    """What a reducer made of a scorer's values."""

    scorer: str
    samples: list[Reduced]
    reducer: str | None = None


class Config(msgspec.Struct):
    """The settings of the evaluation that matter here."""

    epochs: int | None = None


class DatasetInfo(msgspec.Struct):
    """What the log says of its dataset."""

    name: str | None = None


class Eval(msgspec.Struct):
    """What was evaluated."""

    task: str
    model: str
    created: str | None = None
    task_version: Any = 0
    task_args: dict[str, Any] = {}
    dataset: DatasetInfo = msgspec.field(default_factory=DatasetInfo)
    config: Config = msgspec.field(default_factory=Config)
    model_generate_config: dict[str, Any] = {}
    packages: dict[str, Any] = {}


class MetricResult(msgspec.Struct):
    """A figure of the summary."""

    value: float | int | str | None = None


class ScoreResult(msgspec.Struct):
    """The summary of a scorer under a reducer."""

    name: str
    reducer: str | None = None
    metrics: dict[str, MetricResult] = {}


class Results(msgspec.Struct):
    """The summary."""

    scores: list[ScoreResult] = []


class Header(msgspec.Struct):
    """A log but for its samples."""

    eval: Eval
    version: int = NEWEST
    status: str = "started"
    results: Results | None = None


class Whole(Header):
    """A log in one value."""

    samples: list[SampleLog] | None = None
    reductions: list[Reduction] | None = None


def parsed(place: str, text: bytes, kind: type[T]) -> T:
    """The struct that `text` spells. DataError with the place and the field."""
    try:
        try:
            return msgspec.json.decode(text, type=kind)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            # Python writes NaN, which is no JSON.
            return msgspec.convert(json.loads(text, parse_constant=str), kind)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at ")
        raise DataError(f"{place}: {where.strip('`$.') or 'record'}: {reason}", hint=NOT_A_LOG) from None
    except json.JSONDecodeError as error:
        raise DataError(f"{place}: malformed JSON: {error.msg} at character {error.pos + 1}") from None
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise DataError(f"{place}: {type(error).__name__}: {error}") from None
