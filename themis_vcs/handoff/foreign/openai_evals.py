"""Logs of OpenAI Evals (`oaieval --record_path`): the run's spec, its events in any order, and a final report.

After `evals/record.py` and `evals/elsuite/modelgraded/classify.py` of evals 3.0.1.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from themis_vcs.catalog.lines import opened, read_lines
from themis_vcs.errors import DataError
from themis_vcs.evaluation.judging import (
    AggregationResult,
    EvaluationExecution,
    JudgeCall,
    JudgeResponse,
    ParsedJudgment,
    RenderedJudgePrompt,
)
from themis_vcs.evaluation.results import GenerationResult, Message, Score
from themis_vcs.handoff.foreign.log import Log, Sample, Scored
from themis_vcs.handoff.foreign.source import MAX_LINE, Fields, log_files, record_of

_MEANS = ("accuracy", "score", "metascore")


class _Index:
    """Where the events of every sample stand; spec and report are read."""

    def __init__(self, path: Path) -> None:
        if path.suffix == ".gz":
            raise DataError(f"{path}: events are read here and there, so they cannot be compressed")
        self.path = path
        self.spec = Fields(str(path), {})
        self.report = Fields(str(path), {})
        self.samples: dict[str, array[int]] = {}
        with opened(path) as stream:
            offset = 0
            for number, line in read_lines(stream, path, MAX_LINE):
                end = stream.tell()
                if line.strip():
                    self._add(Fields(f"{path}:{number}", record_of(f"{path}:{number}", line)), number, offset, end)
                offset = end

    def _add(self, line: Fields, number: int, offset: int, end: int) -> None:
        if "spec" in line.data:
            self.spec = line.within("spec")
        elif "final_report" in line.data:
            self.report = line.within("final_report")
        elif "type" not in line.data:
            raise DataError(f"{line.place}: type: missing: neither an event nor a spec nor a final report")
        elif line.get("sample_id") is not None:
            self.samples.setdefault(line.text("sample_id"), array("Q")).extend((number, offset, end - offset))

    def events(self, sample: str) -> Iterator[Fields]:
        """The events of a sample, in their order."""
        places = self.samples[sample]
        with opened(self.path) as stream:
            for start in range(0, len(places), 3):
                number, offset, length = places[start : start + 3]
                stream.seek(offset)
                place = f"{self.path}:{number}"
                yield Fields(place, record_of(place, stream.read(length).removeprefix(b"\xef\xbb\xbf")))


def openai_evals(path: Path, *, dataset: str | None = None) -> Log:
    """The log in a file. DataError for a file without samples."""
    index = _Index(path)
    if not index.samples:
        raise DataError(f"{path}: it holds no event of a sample", hint="a log of `oaieval` has a line per event")
    spec = index.spec
    models = [str(each) for each in spec.items("completion_fns")] or [spec.text("model_name", "unknown")]
    name = spec.text("eval_name", spec.text("base_eval", path.stem))
    report = index.report
    stated = {mean: report.number(mean) for mean in _MEANS}
    return Log(
        tool="openai-evals",
        version="unknown",
        model=models[0],
        name=name,
        files=log_files([path]),
        read=lambda: (_sample(index, sample, dataset or name, models[-1]) for sample in index.samples),
        configuration={"eval": name, "completion_fns": models, "config": spec.get("run_config")},
        created=spec.text("created_at", "") or None,
        summary={mean: {"": float(value)} for mean, value in stated.items() if value is not None},
        notes=[] if report.data else [f"{path}: no final report: the run did not end; what is there is imported"],
    )


def _sample(index: _Index, sample: str, dataset: str, judge: str) -> Sample:
    sampled: list[Fields] = []
    scores: dict[str, Scored] = {}
    expected: Any = None
    choice: Any = None
    error: str | None = None
    place = str(index.path)
    for event in index.events(sample):
        place, kind, data = event.place, event.text("type"), event.within("data")
        if kind == "sampling":
            sampled.append(data)
        elif kind == "match":
            expected = data.get("expected")
            if type(data.get("correct")) is not bool:
                raise data.wrong("correct", "a truth value", data.get("correct"))
            scores["accuracy"] = Scored(float(data.get("correct")), details={"picked": data.get("picked")})
        elif kind == "metrics":
            choice = data.get("choice") if "choice" in data.data else choice
            scores.update(_numbers(data))
        elif kind == "error":
            error = data.text("message", "error")
    graded = choice is not None and len(sampled) > 1
    evaluations = {"score": _evaluation(sampled[-1], choice, scores.get("score"), judge)} if graded else {}
    answer = sampled[0] if sampled else None
    return Sample(
        dataset_id=dataset,
        case_id=sample,
        input=answer.get("prompt") if answer else None,
        expected_output=expected,
        outputs=[_answer(answer, error)],
        scores=scores,
        evaluations={name: each for name, each in evaluations.items() if each.scores},
        place=place,
    )


def _numbers(data: Fields) -> dict[str, Scored]:
    return {name: Scored(float(value)) for name, value in data.data.items() if isinstance(value, bool | int | float)}


def _answer(sampling: Fields | None, error: str | None) -> GenerationResult | str:
    if sampling is None:
        return error or "the log has no answer"
    said = sampling.get("sampled")
    if type(said) is list and len(said) == 1:
        said = said[0]
    prompt = sampling.get("prompt")
    turns = prompt if type(prompt) is list else []
    usage = {name: value for name, value in sampling.within("usage").data.items() if type(value) is int}
    return GenerationResult(
        said,
        conversation=[
            Message(each["role"], each.get("content"))
            for each in turns
            if isinstance(each, dict) and type(each.get("role")) is str
        ],
        token_usage=usage or None,
    )


def _evaluation(sampling: Fields, choice: Any, score: Scored | None, judge: str) -> EvaluationExecution:
    """The last sampling of a sample with a choice: what the grader was asked and what it said."""
    value = score.value if score else None
    return EvaluationExecution(
        execution_id="score",
        subject_kind="candidate",
        judge_calls=[JudgeCall("grade", judge)],
        rendered_prompts=[RenderedJudgePrompt("grade", _text(sampling.get("prompt")))],
        judge_responses=[JudgeResponse(judge, _text(sampling.get("sampled")))],
        parsed_judgments=[ParsedJudgment(str(choice), value)],
        scores=[Score("score", value)] if value is not None else [],
        aggregation_output=AggregationResult("single", value) if value is not None else None,
    )


def _text(said: Any) -> str:
    if type(said) is list:
        return "\n".join(_text(each.get("content") if isinstance(each, dict) else each) for each in said)
    return said if type(said) is str else str(said)
