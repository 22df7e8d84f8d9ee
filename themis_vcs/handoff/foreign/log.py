"""What a reader makes of the log of another tool: what it says of itself, and its samples one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from themis_vcs.evaluation.judging import EvaluationExecution
from themis_vcs.evaluation.results import GenerationResult


class Scored(msgspec.Struct, frozen=True):
    """What a scorer said of a sample: a number, or the error that it failed with."""

    value: float | None = None
    error: str | None = None
    details: dict[str, Any] = {}


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One case with what the tool did with it.

    `outputs` has an answer for each time that the case was asked, or the error in its place; every sample of a log has
    as many. `scores` and `evaluations` are by scorer; an evaluation is given where a model judged and its words are in
    the log. `place` says where in the log the sample stands, for messages.
    """

    dataset_id: str
    case_id: str
    input: Any
    expected_output: Any = None
    metadata: dict[str, Any] = {}
    outputs: list[GenerationResult | str]
    scores: dict[str, Scored] = {}
    evaluations: dict[str, EvaluationExecution] = {}
    place: str = ""


class LogFile(msgspec.Struct, frozen=True):
    """A file that was read: its name without folders, its size in bytes, and its SHA-256 in hexadecimal digits."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Log:
    """A log of one model on one or more datasets.

    `configuration` is plain data that the tool says shaped its results; `created` is when, as the log writes it. `read`
    begins anew whenever it is called, and raises DataError with the file, the place and the field. `summary` has the
    means that the tool itself states, by scorer and then by dataset ("" for all). `notes` is for the person: what is
    unusual about the log.
    """

    tool: str
    version: str
    model: str
    name: str
    files: list[LogFile]
    read: Callable[[], Iterator[Sample]]
    revisions: dict[str, str | None] = field(default_factory=dict)
    samples_each: int = 1
    configuration: dict[str, Any] = field(default_factory=dict)
    created: str | None = None
    summary: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
