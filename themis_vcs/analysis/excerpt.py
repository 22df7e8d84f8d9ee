"""Values in one short line, for tables and reasons. Not responsible for what a terminal may do with the characters."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from themis_vcs.analysis.scores import Failure, case_score
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.judging import EvaluationExecution
from themis_vcs.evaluation.results import GenerationResult, ParsedOutput, ReducedCandidate, Score, ScoreError

WIDTH = 60


def excerpt(value: Any, width: int = WIDTH) -> str:
    """What matters of a value as compact JSON of at most `width` characters; a cut is marked with "…"."""
    essence = essence_of(value)
    if isinstance(essence, str) and len(essence) > width:
        essence = essence[:width]
    text = _compact(essence)
    return text if len(text) <= width else text[: width - 1] + "…"


def essence_of(value: Any) -> Any:
    """The plain data that a value is about: an answer's output, a score's number, a case's input."""
    match value:
        case GenerationResult() | ReducedCandidate():
            return value.final_output
        case ParsedOutput():
            return value.value
        case Case():
            return value.input if value.input is not None else _told(value)
        case Score() | ScoreError() | EvaluationExecution():
            found = case_score(value)
            return f"{found.category}: {found.reason}" if isinstance(found, Failure) else found
        case _:
            return value


def _told(case: Case) -> dict[str, Any]:
    """What a component is shown of a case that does not read its input."""
    shown = {"expected_output": case.expected_output, "metadata": case.metadata}
    return {name: field for name, field in shown.items() if field is not None and field != {}}


def _compact(value: Any) -> str:
    if isinstance(value, bytes):
        return f"{len(value):,} bytes" if len(value) != 32 else value.hex()[:12]
    plain = msgspec.to_builtins(value)
    return json.dumps(plain, ensure_ascii=False, separators=(", ", ": "))
