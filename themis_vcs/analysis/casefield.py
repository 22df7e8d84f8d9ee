"""What cases hold at a place that a person names, such as `metadata.subject`, to group them by it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from themis_vcs.analysis.reading import Reader
from themis_vcs.errors import UsageError
from themis_vcs.evaluation.dataset import Case
from themis_vcs.model.codec import pack
from themis_vcs.model.oid import Oid

DATASET = "dataset"
_ROOTS = ("metadata", "input", "expected_output")
_FIELD = re.compile(r"metadata(?:\.[^.]+)+|(?:input|expected_output)(?:\.[^.]+)*")

_LOOKED_AT = 5_000
_SHOWN = 10

Group = tuple[str, bytes]
"""A dataset, and the canonical bytes of a value."""


def check_field(field: str) -> None:
    """UsageError unless a text names a place in cases, such as `dataset`, `metadata.subject` or `input`."""
    if field != DATASET and not _FIELD.fullmatch(field):
        near = difflib.get_close_matches(field.partition(".")[0], [DATASET, *_ROOTS], n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"{field!r} is no place in a case", hint=f"{hint}write {DATASET} or, say, metadata.subject")


def field_values(reader: Reader, keys: Sequence[str], oids: Sequence[Oid], field: str) -> list[Any]:
    """What each case holds at the place, None where it has nothing there. UsageError if no case has anything there."""
    check_field(field)
    if field == DATASET:
        return [key.partition("/")[0] for key in keys]
    path = field.split(".")
    held = {oid: _held(value, path) for oid, value in reader.values(oids)}
    values = [held[oid] for oid in oids]
    if keys and all(value is None for value in values):
        raise no_such_field(reader, oids, field)
    return values


def no_such_field(reader: Reader, oids: Iterable[Oid], field: str) -> UsageError:
    """That no case has anything at a place. The hint names fields of the metadata that some of the first cases have."""
    first = reader.values(islice(oids, _LOOKED_AT))
    known = sorted({f"metadata.{name}" for _, case in first for name in case.metadata})
    near = difflib.get_close_matches(field, known, n=1)
    meant = f"did you mean {near[0]:.80}? " if near else ""
    named = ", ".join(f"{name:.80}" for name in known[:_SHOWN]) + (", …" if len(known) > _SHOWN else "")
    return UsageError(
        f"no case has {field[:200]}", hint=f"{meant}it can be {', '.join(filter(None, (DATASET, named)))}"
    )


def groups(keys: Sequence[str], values: Sequence[Any]) -> list[Group | None]:
    """What makes cases one group: the dataset and the value; None for a case without a value.

    The dataset belongs to it, since equal names of documents in two datasets need not mean one document.
    """
    return [
        None if value is None else (key.partition("/")[0], pack(value)) for key, value in zip(keys, values, strict=True)
    ]


def _held(case: Case, path: Sequence[str]) -> Any:
    value: Any = getattr(case, path[0])
    for part in path[1:]:
        value = value.get(part) if isinstance(value, dict) else None
    return value
