"""Results of promptfoo (`promptfoo eval -o FILE.json`), format version 3.

After `src/types/index.ts` (EvaluateSummaryV3, EvaluateResult) and files that promptfoo 0.121.20 wrote.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from themis_vcs.errors import DataError, FormatError
from themis_vcs.evaluation.results import GenerationResult, Message
from themis_vcs.handoff.foreign.document import Document
from themis_vcs.handoff.foreign.log import Log, Sample, Scored
from themis_vcs.handoff.foreign.source import Fields, log_files, record_of

VERSION = 3
_ERROR = 2
_RESULTS = ("results", "results")


class _Rows:
    """The results of a file, column by column: which column each is of, and how many have each score."""

    def __init__(self, path: Path, columns: int) -> None:
        self._document = Document(path, *_RESULTS)
        self._column_of = array("I")
        self.scored: dict[int, Counter[str]] = {}
        for element in self._document.elements():
            row = Fields(element.place, record_of(element.place, element.text))
            index = row.get("promptIdx")
            if type(index) is not int or not 0 <= index < columns:
                raise row.wrong("promptIdx", f"the number of one of {columns} prompts", index)
            self._column_of.append(index)
            self.scored.setdefault(index, Counter()).update(name for name, _ in _scores(row))

    def of(self, column: int) -> Iterator[Fields]:
        """The results of a column, in their order. DataError if the file was changed meanwhile."""
        for number, element in enumerate(self._document.elements()):
            if number >= len(self._column_of):
                raise DataError(f"{element.place}: the file was changed while it was read")
            if self._column_of[number] == column:
                yield Fields(element.place, record_of(element.place, element.text))


def promptfoo(path: Path, *, dataset: str | None = None) -> list[Log]:
    """A log for every column of the results: a prompt at a provider. DataError, FormatError for another version."""
    top = Fields(str(path), Document(path, *_RESULTS).outline())
    results = top.within("results")
    version = results.get("version")
    if type(version) is not int:
        raise results.wrong("version", "a number", version)
    if version != VERSION:
        raise FormatError(
            f"{path}: results.version: {version!r:.20}; results of promptfoo are known in version {VERSION}",
            hint="`promptfoo export eval ID` of a newer promptfoo, or a newer themis",
        )
    columns = [Fields(str(path), each, f"results.prompts[{n}]") for n, each in enumerate(results.items("prompts"))]
    rows = _Rows(path, len(columns))
    if not rows.scored:
        raise DataError(f"{path}: results.results: it holds no result", hint="nothing was stored")
    version_of_tool = top.within("metadata").text("promptfooVersion", "unknown")
    named = dataset or _text(top.within("config").get("description")) or path.stem
    return [_column(path, columns[index], index, rows, version_of_tool, named) for index in sorted(rows.scored)]


def _column(path: Path, column: Fields, index: int, rows: _Rows, version: str, dataset: str) -> Log:
    provider, label = column.text("provider", "unknown"), column.text("label", "")
    return Log(
        tool="promptfoo",
        version=version,
        model=provider,
        name=dataset if len(rows.scored) == 1 else f"{dataset}/{index}",
        files=log_files([path]),
        read=lambda: (_sample(row, dataset) for row in rows.of(index)),
        configuration={"column": index, "prompt": column.get("raw"), "label": label, "provider": provider},
        created=_text(column.get("createdAt")),
        summary=_summary(column, rows.scored[index], dataset),
    )


def _sample(row: Fields, dataset: str) -> Sample:
    test, variables = row.within("testCase"), row.get("vars")
    position = row.get("testIdx")
    if type(position) is not int:
        raise row.wrong("testIdx", "a whole number", position)
    asserted = [each for each in test.items("assert") if isinstance(each, dict)]
    metadata: dict[str, Any] = {**test.within("metadata").data}
    metadata |= {name: value for name, value in (("description", test.get("description")),) if value}
    metadata |= {"assert": asserted} if asserted else {}
    return Sample(
        dataset_id=dataset,
        case_id=str(position),
        input=variables if variables else row.within("prompt").get("raw"),
        metadata=metadata,
        outputs=[_answer(row)],
        scores=dict(_scores(row)),
        place=row.place,
    )


def _answer(row: Fields) -> GenerationResult | str:
    response = row.within("response")
    error = row.get("error") or response.get("error")
    if row.get("failureReason") == _ERROR or (response.get("output") is None and error):
        return str(error or "failed without a word")
    if "output" not in response.data:
        return "the log has no answer"
    usage = {name: value for name, value in response.within("tokenUsage").data.items() if type(value) is int}
    latency = row.number("latencyMs")
    prompt = row.within("prompt").get("raw")
    return GenerationResult(
        response.get("output"),
        conversation=[Message("user", prompt)] if prompt is not None else [],
        token_usage=usage or None,
        latency_ms=float(latency) if latency is not None else None,
    )


def _scores(row: Fields) -> Iterator[tuple[str, Scored]]:
    if row.get("failureReason") == _ERROR:
        return
    grading = row.within("gradingResult")
    success = row.get("success")
    if type(success) is not bool:
        raise row.wrong("success", "a truth value", success)
    yield "success", Scored(float(success), details={"reason": grading.text("reason", "")})
    score = row.number("score")
    if score is not None:
        yield "score", Scored(float(score), details={"components": grading.items("componentResults")})
    named = row.within("namedScores")
    for name in named.data:
        value = named.number(name)
        if value is not None:
            yield name if name not in ("success", "score") else f"named_{name}", Scored(float(value))


def _summary(column: Fields, scored: Counter[str], dataset: str) -> dict[str, dict[str, float]]:
    """The sums that promptfoo keeps for a column, by the number of tests that have the score."""
    metrics = column.within("metrics")
    passed, failed, total = (metrics.number(name) for name in ("testPassCount", "testFailCount", "score"))
    found: dict[str, dict[str, float]] = {}
    counted = (passed or 0) + (failed or 0)
    if passed is not None and counted:
        found["success"] = {dataset: passed / counted}
    if total is not None and counted:
        found["score"] = {dataset: total / counted}
    sums = metrics.within("namedScores")
    for name in sums.data:
        value = sums.number(name)
        if scored[name] and value is not None and name not in ("success", "score"):
            found[name] = {dataset: value / scored[name]}
    return found


def _text(value: Any) -> str | None:
    return value if type(value) is str and value else None
