"""Results of the Language Model Evaluation Harness: `results_DATE.json` and a `samples_TASK_DATE.jsonl` for each task.

After `lm_eval/loggers/evaluation_tracker.py` and `lm_eval/evaluator.py` of lm-eval 0.4.13.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from themis_vcs.errors import DataError, UsageError
from themis_vcs.evaluation.results import GenerationResult
from themis_vcs.handoff.foreign.log import Log, Sample, Scored
from themis_vcs.handoff.foreign.source import Fields, document, log_files, records

_DATE = r"(\d{4}-\d\d-\d\dT[\d.-]+)"
_SAMPLES = re.compile(rf"samples_(.+)_{_DATE}\.jsonl")
_RESULTS = re.compile(rf"results_{_DATE}\.json")
_MEANS = frozenset({"acc", "acc_norm", "exact_match"})
_HINT = "run lm_eval with --log_samples --output_path DIR"


def lm_eval(paths: Sequence[Path], *, dataset: str | None = None) -> list[Log]:
    """The logs in a directory of results, its newest ones, or in files of samples.

    A task is a dataset. Tasks that were asked as often and have the same metrics are one log.
    """
    samples, results = _found(paths)
    if dataset is not None and len(samples) > 1:
        raise UsageError(f"--dataset is for one task, and these are {len(samples)}")
    said = Fields(str(results), document(results, "lm-eval", "")) if results else Fields("", {})
    shapes = {path: _shape(path) for path in samples}
    return [
        _log({path: each for path, each in shapes.items() if each.alike == alike}, results, said, dataset)
        for alike in sorted({each.alike for each in shapes.values()})
    ]


class _Shape(NamedTuple):
    """What a file of samples has: how often each was asked, its filters, and pairs of a metric and a filter."""

    width: int
    filters: list[str]
    scored: list[tuple[str, str]]

    @property
    def alike(self) -> tuple[int, tuple[str, ...]]:
        """What tasks must share to be one log: how often they were asked, and the names of their scores."""
        return self.width, tuple(sorted(_metric(metric, chosen, self.filters) for metric, chosen in self.scored))


def _shape(path: Path) -> _Shape:
    width, filters, scored = 0, dict[str, None](), dict[tuple[str, str], None]()
    for place, record in records(path):
        line = Fields(place, record)
        width = width or len(_texts(line) or [""])
        chosen = line.text("filter", "none")
        filters[chosen] = None
        scored.update({(metric, chosen): None for metric, _ in _metrics(line)})
    if not width:
        raise DataError(f"{path}: it holds no sample", hint=_HINT)
    return _Shape(width, list(filters), sorted(scored))


def _log(shapes: dict[Path, _Shape], results: Path | None, said: Fields, dataset: str | None) -> Log:
    samples = list(shapes)
    tasks = {path: _task(path) for path in samples}
    names = {path: dataset or task for path, task in tasks.items()}
    notes = [] if results else [f"{samples[0].parent}: no results file beside the samples: model and means not known"]
    for path, shape in shapes.items():
        notes += _left_out(path, said.within("results").within(tasks[path]), shape)
    return Log(
        tool="lm-eval",
        version=said.text("lm_eval_version", "unknown"),
        model=said.text("model_name", "unknown"),
        name="+".join(sorted(tasks.values())) if len(tasks) <= 3 else f"{len(tasks)}-tasks",
        files=log_files([*samples, *([results] if results else [])]),
        read=lambda: (each for path in samples for each in _samples(path, names[path], shapes[path].filters)),
        revisions={names[path]: _version(said, tasks[path]) for path in samples},
        samples_each=shapes[samples[0]].width,
        configuration={"config": _plain(said.within("config").data), "n-shot": said.within("n-shot").data},
        created=str(said.get("date")) if said.get("date") is not None else None,
        summary=_summary(said, tasks, names, shapes),
        notes=notes,
    )


def _found(paths: Sequence[Path]) -> tuple[list[Path], Path | None]:
    """The files of samples, and that of results which was written with them."""
    if len(paths) == 1 and paths[0].is_dir():
        # Not `rglob`: it fails at a folder that is removed meanwhile.
        every = (Path(folder, name) for folder, _, names in os.walk(paths[0]) for name in names)
        dated = [(match[1], path) for path in every if (match := _RESULTS.fullmatch(path.name))]
        if not dated:
            raise DataError(f"{paths[0]}: no results_DATE.json in it", hint=_HINT)
        date, results = max(dated)
        samples = sorted(path for path in results.parent.glob(f"samples_*_{date}.jsonl"))
        if not samples:
            raise DataError(f"{results}: no samples_TASK_{date}.jsonl beside it", hint=_HINT)
        return samples, results
    for path in paths:
        if not _SAMPLES.fullmatch(path.name):
            raise UsageError(f"{path}: expected a folder of results or files samples_TASK_DATE.jsonl", hint=_HINT)
    match = _SAMPLES.fullmatch(paths[0].name)
    beside = paths[0].with_name(f"results_{match[2]}.json") if match else None
    return list(paths), beside if beside is not None and beside.is_file() else None


def _task(path: Path) -> str:
    match = _SAMPLES.fullmatch(path.name)
    return match[1] if match else path.stem


def _samples(path: Path, dataset: str, filters: list[str]) -> Iterator[Sample]:
    """A line is a document under one filter. Every filter goes through the documents in the same order."""
    for lines in zip_longest(*(_filtered(path, each) for each in filters)):
        line = next(each for each in lines if each is not None)
        case_id = _id(line)
        scores: dict[str, Scored] = {}
        for chosen, each in zip(filters, lines, strict=True):
            if each is None or _id(each) != case_id:
                raise DataError(f"{line.place}: doc_id: filter {chosen!r:.80} has not this document in its place")
            scores.update(_scores(each, filters))
        yield Sample(
            dataset_id=dataset,
            case_id=case_id,
            input=_input(line),
            expected_output=line.get("target"),
            metadata={"doc": line.get("doc")},
            outputs=_outputs(line),
            scores=scores,
            place=line.place,
        )


def _filtered(path: Path, chosen: str) -> Iterator[Fields]:
    """The lines of a filter."""
    for place, record in records(path):
        line = Fields(place, record)
        if line.text("filter", "none") == chosen:
            yield line


def _id(line: Fields) -> str:
    value = line.get("doc_id")
    if type(value) not in (int, str):
        raise line.wrong("doc_id", "a number or a text", value)
    return str(value)


def _input(line: Fields) -> Any:
    """What the model was asked: the prompt, or for several requests each with its continuation."""
    arguments = line.within("arguments")
    first = [arguments.within(name).get("arg_0") for name in arguments.data]
    if len(first) == 1:
        return first[0]
    return [[arguments.within(name).get("arg_0"), arguments.within(name).get("arg_1")] for name in arguments.data]


def _texts(line: Fields) -> list[str] | None:
    """The answers in words, one for each time that the document was asked; None where likelihoods were asked for."""
    given = line.items("resps")
    if len(given) == 1 and type(given[0]) is list and given[0] and all(type(each) is str for each in given[0]):
        return list(given[0])
    return None


def _outputs(line: Fields) -> list[GenerationResult | str]:
    texts = _texts(line)
    filtered = line.get("filtered_resps")
    if texts is not None:
        return [GenerationResult(text, artifacts={"filtered": filtered}) for text in texts]
    responses = line.items("resps")
    return [GenerationResult(responses)] if responses else ["the log has no answer"]


def _scores(line: Fields, filters: list[str]) -> dict[str, Scored]:
    chosen = line.text("filter", "none")
    return {_metric(metric, chosen, filters): Scored(value) for metric, value in _metrics(line)}


def _metrics(line: Fields) -> Iterator[tuple[str, float]]:
    """The metrics of a line that are numbers."""
    for metric in line.items("metrics"):
        value = line.get(metric) if type(metric) is str else None
        if isinstance(value, bool | int | float) and math.isfinite(value):
            yield metric, float(value)


def _metric(metric: str, chosen: str, filters: list[str]) -> str:
    return metric if len(filters) == 1 else f"{metric}_{chosen}"


def _left_out(path: Path, stated: Fields, shape: _Shape) -> Iterator[str]:
    """What is to be said of figures in the results that the samples have no scores of, such as a perplexity."""
    metrics = {metric for key in stated.data for metric, comma, _ in [key.partition(",")] if comma}
    scored = {metric for metric, _ in shape.scored}
    absent = sorted(each for each in metrics - scored if not each.endswith("_stderr"))
    if absent:
        yield f"{path}: {', '.join(absent)}: not scores of single samples, so they are not imported"


def _version(said: Fields, task: str) -> str | None:
    version = said.within("versions").get(task)
    return None if version is None else str(version)


def _summary(
    said: Fields, tasks: dict[Path, str], names: dict[Path, str], shapes: dict[Path, _Shape]
) -> dict[str, dict[str, float]]:
    """The means in the results file: of the metrics whose aggregation is the mean."""
    found: dict[str, dict[str, float]] = {}
    for path, task in tasks.items():
        stated, listed = said.within("results").within(task), said.within("configs").within(task).items("metric_list")
        means = _MEANS | {
            each["metric"]
            for each in listed
            if isinstance(each, dict) and each.get("aggregation") == "mean" and isinstance(each.get("metric"), str)
        }
        for key in stated.data:
            metric, _, chosen = key.partition(",")
            value = stated.get(key)
            if metric in means and chosen in shapes[path].filters and isinstance(value, int | float):
                found.setdefault(_metric(metric, chosen, shapes[path].filters), {})[names[path]] = float(value)
    return found


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    kept = ("model", "model_args", "gen_kwargs", "limit", "random_seed", "fewshot_seed", "num_fewshot")
    return {name: config[name] for name in kept if config.get(name) is not None}
