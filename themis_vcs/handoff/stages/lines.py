"""The lines of a stage bundle as JSON Lines (STAGE-1 …): their fields, and how they are written and read one by one.

Fields hold plain data; only a line that is written has it as STAGE-2 says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, BinaryIO, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from themis_vcs.errors import DataError, FormatError
from themis_vcs.handoff.stages.lossless import from_json, is_sayable, to_json
from themis_vcs.model.objects import ComponentRef, Count, Name, StepError
from themis_vcs.model.tree import case_of

FORMAT: Final = "themis.stage-bundle/1"
MAX_LINE: Final = 256 << 20
"""Longest line in bytes: an object of 64 MiB whose every byte is escaped stays below it."""

Hash: TypeAlias = Annotated[str, Meta(min_length=64, max_length=64, extra_json_schema={"pattern": "^[0-9a-f]{64}$"})]
"""Decoding looks at its length alone, since a pattern takes as long as all the rest of a line; `oid_said` does more."""


class Payload(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a value: the name of its type, and plain data."""

    type: Name
    data: Any


class IdentityPart(Struct, frozen=True, forbid_unknown_fields=True):
    """What was asked for; `cases` and `datasets` are roots of trees."""

    cases: Hash
    datasets: Hash
    revisions: dict[str, str | None]
    stages: dict[str, Any]


class SnapshotPart(Struct, frozen=True, forbid_unknown_fields=True):
    """What was asked for, and the surroundings of the run."""

    identity: IdentityPart
    provenance: dict[str, Any]


class RunPart(Struct, frozen=True, forbid_unknown_fields=True):
    """The run object without what the head has beside it. `time` in ns since 1970."""

    name: str
    completed_through: str | None
    status: Name
    reason: str
    time: int
    who: str
    work: dict[str, list[Count]]
    hash: Hash


class TrackPart(Struct, frozen=True, forbid_unknown_fields=True):
    """A track of a stage; `component` has the fields of a ComponentRef, `inputs` names with the roots of trees."""

    id: Name
    component: dict[str, Any]
    params: Payload
    fanout: Count
    inputs: list[tuple[str, Hash]]
    values: Hash
    steps: Hash
    failures: Hash


class StagePart(Struct, frozen=True, forbid_unknown_fields=True):
    """A stage of the bundle."""

    name: Name
    hash: Hash
    tracks: list[TrackPart]


class Head(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="head"):
    """The first line."""

    format: str
    stage: Name
    run_id: Hash
    snapshot: SnapshotPart
    run: RunPart
    stages: list[StagePart]


class DatasetLine(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="dataset"):
    """What is known of a dataset beside its cases."""

    dataset_id: Name
    payload: Payload
    hash: Hash


class CaseLine(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="case"):
    """A case."""

    dataset_id: Name
    case_id: Name
    payload: Payload
    hash: Hash


class InputLine(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="input"):
    """A value that steps were made from: by itself, or under its key in the tree with this root (STAGE-8)."""

    tree: Hash | None
    dataset_id: Name | None
    case_id: Name | None
    index: int | None
    payload: Payload
    hash: Hash


class StepPart(Struct, frozen=True, forbid_unknown_fields=True):
    """What a step has beside what its line says already."""

    fingerprint: Hash
    inputs: list[Hash]
    seed: int | None = None
    observations: dict[str, Any] = {}
    origin: dict[str, Any] = {}


class Record(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="record"):
    """A step, with the value that it gave or the error that it failed with. `index` is that of a sample or a draw."""

    stage: Name
    track: Name
    dataset_id: Name
    case_id: Name
    index: int | None
    candidate_id: str | None
    payload: Payload | None
    hash: Hash | None
    error: StepError | None
    step: StepPart
    step_hash: Hash


class End(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="end"):
    """The last line; `lines` stand before it."""

    lines: Count


class Candidates:
    """Which candidate each record is about (STAGE-9), told from the records before it."""

    def __init__(self) -> None:
        self._reduced: dict[str, str] = {}

    def of(self, stage: str, key: str, payload: Payload | None) -> str | None:
        """Return the candidate id of the record with this key and value."""
        if stage in ("generate", "reduce"):
            found = payload.data.get("candidate_id", "") if payload and isinstance(payload.data, dict) else None
            if stage == "reduce" and found is not None:
                self._reduced[key] = found
            return found
        return self._reduced.get(case_of(key))


Line: TypeAlias = Head | DatasetLine | CaseLine | InputLine | Record | End

_DECODER: Final = msgspec.json.Decoder(Line)
_ENCODER: Final = msgspec.json.Encoder()


def encode(line: Line) -> bytes:
    """Return a line as it is written, with its end."""
    return _ENCODER.encode(line if is_sayable(line) else to_json(plain(line))) + b"\n"


def decode(data: bytes, where: str) -> Line:
    """Return the line that `where` names. DataError says which field is wrong."""
    try:
        line: Line = _unescaped(data) if b'"$' in data else _DECODER.decode(data)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        raise DataError(f"{where}: {path.strip('`').removeprefix('$.') or 'line'}: {reason}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{where}: this is no line of JSON: {error}", hint="is the file whole?") from None
    except ValueError as error:
        raise DataError(f"{where}: {str(error).removeprefix('.')}") from None
    return line


def _unescaped(data: bytes) -> Line:
    line: Line = msgspec.convert(from_json(msgspec.json.decode(data)), Line)
    return line


def read(file: BinaryIO, source: str) -> Iterator[tuple[str, Line]]:
    """Yield the lines of a file, each with the words for where it stands. DataError, FormatError."""
    number = 0
    while data := file.readline(MAX_LINE):
        number += 1
        where = f"{source}:{number}"
        if len(data) == MAX_LINE:
            raise DataError(f"{where}: a line of over {MAX_LINE:,} bytes")
        if number == 1:
            _check_format(data, where)
        yield where, decode(data, where)
    if not number:
        raise DataError(f"{source}: the file is empty")


def plain(value: Any) -> Any:
    """Return a struct as plain data, as fields of lines hold it."""
    return msgspec.to_builtins(value, builtin_types=(bytes,))


def component(data: dict[str, Any], where: str, field: str) -> ComponentRef:
    """Return the component that a track names. DataError."""
    try:
        return msgspec.convert(data, ComponentRef)
    except msgspec.ValidationError as error:
        raise DataError(f"{where}: {field}: {error}") from None


@cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of a line."""
    made = msgspec.json.schema(Line)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"A line of {FORMAT}", **made}


def schema_text() -> str:
    """Return the schema as it is published."""
    return json.dumps(schema(), indent=2) + "\n"


def _check_format(data: bytes, where: str) -> None:
    """Say what another version is, before its fields are looked at."""
    try:
        said = msgspec.json.decode(data, type=_Format).format
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    if said != FORMAT and said.startswith("themis.stage-bundle/"):
        raise FormatError(f"{where}: {said}; this themis reads {FORMAT}", hint="use a newer version of themis")
    if said != FORMAT:
        raise DataError(f"{where}: format: {said!r:.80} is not {FORMAT}")


class _Format(Struct):
    format: str
