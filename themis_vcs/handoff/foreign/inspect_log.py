"""Logs of Inspect (inspect_ai): `.eval` archives and `.json` files, format version 2.

After `inspect_ai/log/_log.py` and `_recorders/eval.py` of inspect-ai 0.3.285; values of scores become numbers as
`scorer/_metric.py:value_to_float` makes them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from themis_vcs.errors import DataError, FormatError
from themis_vcs.evaluation.judging import (
    AggregationResult,
    EvaluationExecution,
    JudgeCall,
    JudgeResponse,
    ParsedJudgment,
    RenderedJudgePrompt,
)
from themis_vcs.evaluation.results import GenerationResult, Message, Score
from themis_vcs.handoff.foreign.inspect_files import Reader, reader_of
from themis_vcs.handoff.foreign.inspect_format import NEWEST, ChatMessage, Reduction, Results, SampleLog, SampleScore
from themis_vcs.handoff.foreign.log import Log, Sample, Scored
from themis_vcs.handoff.foreign.source import log_files

_ATTACHED = "attachment://"
_WORDS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


def inspect_log(path: Path, *, dataset: str | None = None, library: bool = False) -> Log:
    """The log in a file, read by Inspect's own library if `library`; both give the same of a log that both know.

    DataError for what is no log of Inspect, FormatError for one of a newer version, which only the library reads.
    """
    reader = reader_of(path, library=library)
    header, task = reader.header, reader.header.eval
    if header.version > NEWEST and not library:
        raise FormatError(
            f"{path}: version: {header.version}; logs of Inspect are known up to version {NEWEST}",
            hint="a newer Inspect wrote it; install inspect-ai beside themis to read it with that, or upgrade themis",
        )
    epochs = task.config.epochs or 1
    if not 1 <= epochs <= 10_000:
        raise DataError(f"{path}: eval.config.epochs: {epochs} is not a number of epochs")
    views = _Views(reader.reductions, epochs)
    named = dataset or task.dataset.name or task.task
    notes = [] if header.status == "success" else [f"{path}: its status is {header.status}; what is there is imported"]
    return Log(
        tool="inspect",
        version=str(task.packages.get("inspect_ai", "unknown")),
        model=task.model,
        name=task.task,
        files=log_files([path]),
        read=lambda: _samples(reader, named, epochs, views),
        samples_each=epochs,
        configuration={
            "task": task.task,
            "task_version": task.task_version,
            "task_args": task.task_args,
            "generate": task.model_generate_config,
            "epochs": epochs,
            "status": header.status,
        },
        created=task.created,
        summary=views.summary(header.results),
        notes=notes,
    )


class _Views:
    """The values of the scores, one for each sample: those of a reducer, where there are several epochs."""

    def __init__(self, reductions: list[Reduction], epochs: int) -> None:
        self._values: dict[str, dict[str, float | None]] = {}
        several: dict[str, set[str | None]] = {}
        for each in reductions:
            several.setdefault(each.scorer, set()).add(each.reducer)
        self._several = {scorer for scorer, reducers in several.items() if len(reducers) > 1}
        if epochs > 1:
            for each in reductions:
                values = {str(reduced.sample_id): number(reduced.value) for reduced in each.samples}
                self._values[self.name(each.scorer, each.reducer)] = values

    def name(self, scorer: str, reducer: str | None) -> str:
        """What a scorer is called: with its reducer, where there are several."""
        return f"{scorer}_{reducer}" if scorer in self._several and reducer else scorer

    def reduced(self, sample: str) -> dict[str, Scored]:
        """The scores of a sample over its epochs."""
        found = {name: values.get(sample) for name, values in self._values.items() if sample in values}
        return {
            name: Scored(value) if value is not None else Scored(error="not scored") for name, value in found.items()
        }

    def summary(self, results: Results | None) -> dict[str, dict[str, float]]:
        """The means in the results: of the metrics accuracy and mean."""
        found: dict[str, dict[str, float]] = {}
        for each in results.scores if results else []:
            for metric in ("accuracy", "mean"):
                value = each.metrics[metric].value if metric in each.metrics else None
                if isinstance(value, int | float) and math.isfinite(value):
                    found[self.name(each.name, each.reducer)] = {"": float(value)}
                    break
        return found


def _samples(reader: Reader, dataset: str, epochs: int, views: _Views) -> Iterator[Sample]:
    for group in reader.samples():
        group.sort(key=lambda each: each[1].epoch)
        place, first = group[0]
        outputs: dict[int, GenerationResult | str] = {}
        for where, sample in group:
            if sample.epoch in outputs or not 1 <= sample.epoch <= epochs:
                raise DataError(f"{where}: epoch: {sample.epoch} is there twice, or is none of {epochs}")
            outputs[sample.epoch] = _answer(where, sample)
        scores, evaluations = _scores(first)
        if epochs > 1:
            each_epoch = {f"epoch_{sample.epoch}": _plain(sample.scores) for _, sample in group}
            scores = {
                name: Scored(scored.value, scored.error, {"epochs": each_epoch})
                for name, scored in views.reduced(str(first.id)).items()
            }
            evaluations = {}
        attached = first.attachments
        asked = _resolved(first.input, attached, place)
        yield Sample(
            dataset_id=dataset,
            case_id=str(first.id),
            input={"input": asked, "choices": first.choices} if first.choices else asked,
            expected_output=first.target,
            metadata=_resolved(first.metadata, attached, place),
            outputs=[outputs.get(number, "the log has no answer of this epoch") for number in range(1, epochs + 1)],
            scores=_resolved_all(scores, attached, place),
            evaluations={
                name: msgspec.convert(_resolved(msgspec.to_builtins(each), attached, place), EvaluationExecution)
                for name, each in evaluations.items()
            },
            place=place,
        )


def _answer(place: str, sample: SampleLog) -> GenerationResult | str:
    output = sample.output
    if sample.error is not None:
        return sample.error.message
    if not output.choices and not sample.messages:
        return "the log has no answer"
    said = output.completion
    if said is None:
        said = text_of(output.choices[0].message.content) if output.choices else ""
    usage = {name: value for name, value in (output.usage or {}).items() if type(value) is int}
    result = GenerationResult(
        said,
        conversation=[Message(each.role, _content(each)) for each in sample.messages],
        finish_reason=output.choices[0].stop_reason if output.choices else None,
        token_usage=usage or None,
        latency_ms=output.time * 1000.0 if output.time is not None else None,
    )
    plain = _resolved(msgspec.to_builtins(result), sample.attachments, place)
    return msgspec.convert(plain, GenerationResult)


def _content(message: ChatMessage) -> Any:
    extra = {"tool_calls": message.tool_calls, "tool_call_id": message.tool_call_id, "error": message.error}
    said = {name: value for name, value in extra.items() if value}
    return {"content": message.content, **said} if said else message.content


def _scores(sample: SampleLog) -> tuple[dict[str, Scored], dict[str, EvaluationExecution]]:
    scores: dict[str, Scored] = {}
    evaluations: dict[str, EvaluationExecution] = {}
    for name, score in (sample.scores or {}).items():
        if isinstance(score.value, dict):
            for key, part in score.value.items():
                scores[f"{name}_{key}"] = _scored(part, score)
            continue
        scores[name] = _scored(score.value, score)
        grading = (score.metadata or {}).get("grading")
        value = scores[name].value
        if value is not None and isinstance(grading, list):
            found = _evaluation(name, value, score, grading)
            if found is not None:
                evaluations[name] = found
    return scores, evaluations


def _scored(value: Any, score: SampleScore) -> Scored:
    details = {"value": value, "answer": score.answer, "explanation": score.explanation}
    details |= {name: each for name, each in (score.metadata or {}).items() if name != "grading"}
    found = number(value)
    given = {name: each for name, each in details.items() if each is not None}
    return Scored(found, None if found is not None else "not scored", given)


def _evaluation(name: str, value: float, score: SampleScore, grading: list[Any]) -> EvaluationExecution | None:
    """The conversation with the model that graded, as `scorer/_model.py` keeps it; None for any other."""
    asked = [each for each in grading if isinstance(each, dict) and each.get("role") == "user"]
    said = [each for each in grading if isinstance(each, dict) and each.get("role") == "assistant"]
    if len(asked) != 1 or len(said) != 1:
        return None
    judge = str(said[0].get("model") or "grader")
    rationale = score.explanation if isinstance(score.explanation, str) else None
    return EvaluationExecution(
        execution_id=name,
        subject_kind="candidate",
        judge_calls=[JudgeCall("grade", judge)],
        rendered_prompts=[RenderedJudgePrompt("grade", text_of(asked[0].get("content")))],
        judge_responses=[JudgeResponse(judge, text_of(said[0].get("content")))],
        parsed_judgments=[ParsedJudgment(str(score.value), value, rationale)],
        scores=[Score(name, value)],
        aggregation_output=AggregationResult("single", value),
    )


def number(value: Any) -> float | None:
    """A value of a score as Inspect counts it; None for one that is not counted. Anything without a meaning is 0."""
    if isinstance(value, bool | int | float):
        return float(value) if math.isfinite(value) else None
    if value is None or value == "NaN":
        return None
    if isinstance(value, str):
        if value in ("C", "P", "I", "N"):
            return _WORDS[value]
        try:
            found = float(value.lower())
        except ValueError:
            return _WORDS.get(value.lower(), 0.0) if len(value) > 1 else 0.0
        return found if math.isfinite(found) else 0.0
    return 0.0


def text_of(content: Any) -> str:
    """The text of a message: itself, or its parts of type text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text")
        return "\n".join(part for part in parts if isinstance(part, str))
    return ""


def _plain(scores: Mapping[str, SampleScore] | None) -> dict[str, Any]:
    return {name: score.value for name, score in (scores or {}).items()}


def _resolved_all(scores: dict[str, Scored], attached: dict[str, str], place: str) -> dict[str, Scored]:
    return {
        name: Scored(each.value, each.error, _resolved(each.details, attached, place)) for name, each in scores.items()
    }


def _resolved(data: Any, attached: dict[str, str], place: str) -> Any:
    """The data with the texts that Inspect puts aside, back where they belong."""
    if isinstance(data, str):
        if not data.startswith(_ATTACHED):
            return data
        name = data.removeprefix(_ATTACHED)
        if name not in attached:
            raise DataError(f"{place}: attachments: {name!r:.80} is referred to and missing")
        return attached[name]
    if isinstance(data, list):
        return [_resolved(each, attached, place) for each in data]
    if isinstance(data, dict):
        return {name: _resolved(each, attached, place) for name, each in data.items()}
    return data
