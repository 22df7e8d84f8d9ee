"""Generation and evaluation bundles of themis-eval, schema version 1: one JSON document with a snapshot and records.

After `themis/core/{results,snapshot,models,workflows,bundles}.py` of its version 4.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from themis_vcs.catalog.lines import opened
from themis_vcs.errors import DataError, FormatError
from themis_vcs.evaluation.judging import EvaluationExecution
from themis_vcs.evaluation.results import GenerationResult
from themis_vcs.handoff.foreign.document import Document
from themis_vcs.handoff.foreign.log import Log, Sample, Scored
from themis_vcs.handoff.foreign.source import Fields, log_files, record_of

SCHEMA = "1"
T = TypeVar("T")


class _Bundle:
    """A bundle: what is around its records, and where the records of every case stand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        document = Document(path, "records")
        self.top = Fields(str(path), document.outline())
        version = self.top.text("schema_version", SCHEMA)
        if version != SCHEMA:
            raise FormatError(f"{path}: schema_version: {version!r:.20}; bundles are known in version {SCHEMA}")
        self.run_id, self.snapshot = self.top.text("run_id"), self.top.within("snapshot")
        if self.snapshot.text("run_id", self.run_id) != self.run_id:
            raise DataError(f"{path}: snapshot.run_id: it is of another run than the bundle")
        self.judges: bool | None = None
        self.places: dict[str, array[int]] = {}
        self.last = 0
        for number, element in enumerate(document.elements()):
            record = Fields(element.place, record_of(element.place, element.text))
            judges = "execution" in record.data
            if judges is not (judges if self.judges is None else self.judges):
                raise DataError(f"{element.place}: execution: a bundle has generations or evaluations, not both")
            self.judges = judges
            self.last = max(self.last, 0 if judges else _index(record))
            places = self.places.setdefault(record.text("case_id"), array("Q"))
            places.extend((number, element.offset, len(element.text)))
        self._place = document.place

    def records(self, case_id: str) -> Iterator[Fields]:
        """The records of a case, in their order."""
        places = self.places.get(case_id, array("Q"))
        with opened(self.path) as stream:
            for start in range(0, len(places), 3):
                number, offset, length = places[start : start + 3]
                stream.seek(offset)
                place = self._place(number)
                yield Fields(place, record_of(place, stream.read(length)))


def themis_eval(paths: Sequence[Path], *, dataset: str | None = None) -> Log:
    """The log in a generation bundle, with the judgments of an evaluation bundle of the same run if there is one.

    DataError if there are no generations, or if the files do not belong together.
    """
    answers, judgments = _pair([_Bundle(path) for path in paths])
    snapshot = answers.snapshot
    datasets = [
        Fields(str(answers.path), each, f"snapshot.datasets[{n}]") for n, each in enumerate(snapshot.items("datasets"))
    ]
    _check_cases([answers, *judgments], datasets)
    names = {each.text("dataset_id"): each for each in datasets}
    if dataset is not None and len(names) == 1:
        names = {dataset: datasets[0]}
    identity = snapshot.within("identity")
    generator = identity.within("generator_ref")
    return Log(
        tool="themis-eval",
        version=snapshot.within("provenance").text("themis_version", "unknown"),
        model=generator.text("component_id", "unknown"),
        name="+".join(names) if len(names) <= 3 else f"{len(names)}-datasets",
        files=log_files(list(paths)),
        read=lambda: (each for name, cases in names.items() for each in _samples(name, cases, answers, judgments)),
        revisions={name: each.get("revision") and each.text("revision") for name, each in names.items()},
        samples_each=answers.last + 1,
        configuration={"run_id": answers.run_id, "identity": identity.data},
    )


def _pair(bundles: list[_Bundle]) -> tuple[_Bundle, list[_Bundle]]:
    answers = [each for each in bundles if each.judges is False]
    judgments = [each for each in bundles if each.judges]
    if len(answers) != 1:
        many = "several bundles hold" if answers else "no bundle holds"
        raise DataError(
            f"{', '.join(str(each.path) for each in answers or bundles)}: records: {many} generations",
            hint="give the generation bundle of one run, and beside it its evaluation bundle if there is one",
        )
    for each in judgments:
        if each.run_id != answers[0].run_id:
            raise DataError(f"{each.path}: run_id: it is of another run than {answers[0].path}")
    return answers[0], judgments


def _check_cases(bundles: list[_Bundle], datasets: list[Fields]) -> None:
    """A record names its case and not the dataset, so that an id may be there once only."""
    known: set[str] = set()
    for each in datasets:
        for number, case in enumerate(each.items("cases")):
            case_id = Fields(each.place, case, f"{each.path}.cases[{number}]").text("case_id")
            if case_id in known:
                raise DataError(f"{each.place}: {each.path}.cases[{number}]: case_id: {case_id!r:.80} is there twice")
            known.add(case_id)
    for bundle in bundles:
        for case_id, places in bundle.places.items():
            if case_id not in known:
                place = f"{bundle.path}: records[{places[0]}]"
                raise DataError(f"{place}: case_id: {case_id!r:.80} is no case of the snapshot")


def _samples(dataset: str, cases: Fields, answers: _Bundle, judgments: list[_Bundle]) -> Iterator[Sample]:
    for number, each in enumerate(cases.items("cases")):
        case = Fields(cases.place, each, f"{cases.path}.cases[{number}]")
        case_id = case.text("case_id")
        found: list[GenerationResult | str] = ["the bundle has no answer"] * (answers.last + 1)
        for record in answers.records(case_id):
            found[_index(record)] = _answer(record)
        scores: dict[str, Scored] = {}
        evaluations: dict[str, EvaluationExecution] = {}
        for bundle in judgments:
            for record in bundle.records(case_id):
                metric = record.text("metric_id")
                execution = _execution(record)
                scores[metric] = _scored(execution)
                if _complete(execution):
                    evaluations[metric] = execution
        yield Sample(
            dataset_id=dataset,
            case_id=case_id,
            input=case.get("input"),
            expected_output=case.get("expected_output"),
            metadata=case.within("metadata").data,
            outputs=found,
            scores=scores,
            evaluations=evaluations,
            place=f"{case.place}: {case.path}",
        )


def _index(record: Fields) -> int:
    value = record.get("candidate_index")
    if value is not None and (type(value) is not int or not 0 <= value < 10_000):
        raise record.wrong("candidate_index", "a small whole number", value)
    return value or 0


def _answer(record: Fields) -> GenerationResult:
    said = record.within("result").data
    if "final_output" not in said:
        raise record.wrong("result.final_output", "a value", None)
    return _converted(record, "result", said, GenerationResult)


def _execution(record: Fields) -> EvaluationExecution:
    said = dict(record.within("execution").data)
    # A trace is an object with an id around its steps there.
    said["trace"] = record.within("execution").within("trace").items("steps")
    return _converted(record, "execution", said, EvaluationExecution)


def _converted(record: Fields, name: str, said: dict[str, Any], kind: type[T]) -> T:
    try:
        found = msgspec.convert(_known(said, kind), kind)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        where = f"{name}.{path.strip('`').removeprefix('$.')}" if path else name
        raise DataError(f"{record.place}: {where}: {reason}") from None
    field = f"{name}_blob_ref"
    stated = record.text(field, "")
    if stated and stated != _blob_ref(record.within(name).data):
        raise DataError(f"{record.place}: {field}: it is not the hash of {name}", hint="the record was changed")
    return found


def _blob_ref(payload: dict[str, Any]) -> str:
    """The hash that a record has beside its payload, as `_blob_ref` there makes it."""
    return f"sha256:{hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()}"


def _known(said: Any, kind: Any) -> Any:
    """Plain data without the fields that a struct here has not, and without empty ones, which are its defaults."""
    kind = next((each for each in getattr(kind, "__args__", ()) if each is not type(None)), kind)
    if type(said) is list:
        return [_known(each, kind) for each in said]
    if type(said) is not dict or not isinstance(kind, type) or not issubclass(kind, msgspec.Struct):
        return said
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    return {
        name: _known(value, types[name])
        for name, value in said.items()
        if name in types and (value is not None or name in ("final_output", "value"))
    }


def _scored(execution: EvaluationExecution) -> Scored:
    """The final score, as `_final_score` there makes it; where it falls back to zero, an error."""
    aggregated = execution.aggregation_output
    if aggregated is not None and isinstance(aggregated.value, int | float):
        return Scored(float(aggregated.value), details=aggregated.details)
    if execution.scores:
        last = execution.scores[-1]
        return Scored(last.value, details=last.details)
    return Scored(error="the evaluation has no score")


def _complete(execution: EvaluationExecution) -> bool:
    """Whether every call has its prompt, its answer and its judgment."""
    parts = (execution.rendered_prompts, execution.judge_responses, execution.parsed_judgments)
    return bool(execution.judge_calls) and all(len(each) == len(execution.judge_calls) for each in parts)
