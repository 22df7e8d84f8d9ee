"""JSON Lines of any tool, read by a map of fields that the person gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from themis_vcs.errors import DataError, UsageError
from themis_vcs.evaluation.results import GenerationResult
from themis_vcs.handoff.foreign.log import Log, Sample, Scored
from themis_vcs.handoff.foreign.source import Fields, log_files, records

FIELDS = ("case_id", "input", "output", "outputs", "error", "expected", "metadata")
_PREFIXES = ("score.", "metadata.")
_ABSENT = object()


def jsonl(path: Path, mapping: Mapping[str, str], *, dataset: str | None = None, model: str = "unknown") -> Log:
    """A log of a line per case. `mapping` says where in a line a field stands: "a.b.0" or the JSON pointer "/a/b/0".

    Without it, a field is looked for under its own name; the id is then the number of the line. `outputs` is a list of
    answers. UsageError for a field that there is not.
    """
    for name in mapping:
        if name not in FIELDS and not name.startswith(_PREFIXES):
            known = ", ".join((*FIELDS, "score.NAME", "metadata.NAME"))
            raise UsageError(f"--map {name}: no such field", hint=f"there are {known}")
    _, first = next(records(path), ("", {}))
    if "outputs" in first and "output" not in first and not {"output", "outputs"} & set(mapping):
        mapping = {**mapping, "outputs": "outputs"}
    paths = {name: _steps(where) for name, where in mapping.items()}
    width = 1
    if "outputs" in mapping:
        found = _at(first, paths["outputs"])
        width = len(found) if type(found) is list else 1
    return Log(
        tool="jsonl",
        version="1",
        model=model,
        name=path.stem,
        files=log_files([path]),
        read=lambda: _samples(path, paths, dataset or path.stem),
        samples_each=width,
        configuration={"map": dict(sorted(mapping.items()))},
    )


def _samples(path: Path, paths: Mapping[str, list[str]], dataset: str) -> Iterator[Sample]:
    for place, record in records(path):
        line = Fields(place, record)
        case_id = _get(line, paths, "case_id", place.rpartition(":")[2])
        if type(case_id) not in (str, int):
            raise line.wrong(".".join(paths.get("case_id", ["case_id"])), "text or a whole number", case_id)
        metadata = _get(line, paths, "metadata", {})
        if type(metadata) is not dict:
            raise line.wrong("metadata", "an object", metadata)
        named = {
            name.removeprefix("metadata."): _at(record, steps)
            for name, steps in paths.items()
            if name.startswith("metadata.")
        }
        yield Sample(
            dataset_id=dataset,
            case_id=str(case_id),
            input=_needed(line, paths, "input"),
            expected_output=_get(line, paths, "expected", None),
            metadata={**metadata, **{name: value for name, value in named.items() if value is not _ABSENT}},
            outputs=_outputs(line, paths),
            scores={
                name.removeprefix("score."): _score(line, name, steps)
                for name, steps in paths.items()
                if name.startswith("score.")
            },
            place=place,
        )


def _outputs(line: Fields, paths: Mapping[str, list[str]]) -> list[GenerationResult | str]:
    error = _get(line, paths, "error", None)
    if "outputs" in paths:
        found = _needed(line, paths, "outputs")
        if type(found) is not list:
            raise line.wrong("outputs", "a list", found)
        return [GenerationResult(each) for each in found]
    if error is not None:
        return [str(error)]
    return [GenerationResult(_needed(line, paths, "output"))]


def _score(line: Fields, name: str, steps: list[str]) -> Scored:
    value = _at(line.data, steps)
    if value is _ABSENT or value is None:
        return Scored(error="the line has no score")
    if not isinstance(value, int | float):
        raise line.wrong(".".join(steps), "a number or a truth value", value)
    return Scored(float(value))


def _needed(line: Fields, paths: Mapping[str, list[str]], name: str) -> Any:
    found = _get(line, paths, name, _ABSENT)
    if found is _ABSENT:
        there = ", ".join(map(repr, list(line.data)[:12]))
        raise DataError(
            f"{line.place}: {'.'.join(paths.get(name, [name]))}: missing",
            hint=f"the line has {there or 'nothing'}; --map {name}=PATH says where {name} is",
        )
    return found


def _get(line: Fields, paths: Mapping[str, list[str]], name: str, default: Any) -> Any:
    found = _at(line.data, paths.get(name, [name]))
    if found is _ABSENT and name in paths and name in ("case_id", "expected", "metadata"):
        raise line.wrong(".".join(paths[name]), "a value", None)
    return default if found is _ABSENT else found


def _steps(where: str) -> list[str]:
    """The way to a field. JSON pointer: RFC 6901."""
    if where.startswith("/"):
        return [each.replace("~1", "/").replace("~0", "~") for each in where[1:].split("/")]
    return where.split(".")


def _at(data: Any, steps: list[str]) -> Any:
    for step in steps:
        if type(data) is dict and step in data:
            data = data[step]
        elif type(data) is list and step.isdecimal() and len(step) < 10 and int(step) < len(data):
            data = data[int(step)]
        else:
            return _ABSENT
    return data
