"""Cases and datasets: what is asked, and what answer is expected. The catalog reads them from files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sized
from typing import Any

import msgspec

from themis_vcs.errors import DataError
from themis_vcs.model.oid import oid_of

VISIBLE_FIELDS = frozenset({"input", "expected_output", "metadata"})
MAX_CASE_ID = 512
"""Longest case id, in UTF-8 bytes."""


class Case(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One question. `case_id` is unique in its dataset; the other fields are plain canonical data."""

    case_id: str
    input: Any
    expected_output: Any = None
    metadata: dict[str, Any] = {}


class Dataset(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A named collection of cases.

    `cases` is a list or anything that can be iterated again and again, such as the file that `read_dataset`
    gives; if it has a true attribute `checked`, it does by itself what `iter_cases` does. `revision` and
    `metadata` are recorded; a metric sees `metadata` as `ctx.dataset_metadata`.
    """

    dataset_id: str
    cases: Iterable[Case] = []
    revision: str | None = None
    metadata: dict[str, Any] = {}

    def iter_cases(self) -> Iterator[Case]:
        """The cases in order. DataError: something is not a Case, or its id is unfit or was used before."""
        if isinstance(self.cases, Iterator):
            raise DataError(f"{self.dataset_id}: the cases can be iterated only once", hint="give them as a list")
        if getattr(self.cases, "checked", False):
            yield from self.cases
            return
        seen: set[str | bytes] = set()
        for number, case in enumerate(self.cases, start=1):
            if type(case) is not Case:
                raise DataError(f"{self.dataset_id}: case {number}: expected Case, got {type(case).__name__}")
            problem = _problem(case, seen)
            if problem:
                raise DataError(f"{self.dataset_id}: case {number}: {problem}")
            yield case

    def count(self) -> int | None:
        """How many cases, where that is known without reading them all."""
        return len(self.cases) if isinstance(self.cases, Sized) else None


def id_problem(case_id: object) -> str | None:
    """What makes `case_id` unfit as a case id; None if it is fit."""
    if type(case_id) is not str:
        return f"expected text, got {type(case_id).__name__}"
    if not case_id:
        return "is empty"
    if case_id.isascii():
        return None if len(case_id) <= MAX_CASE_ID else f"longer than {MAX_CASE_ID} bytes"
    try:
        size = len(case_id.encode())
    except UnicodeEncodeError:
        return "holds a lone surrogate"
    return None if size <= MAX_CASE_ID else f"longer than {MAX_CASE_ID} bytes"


def id_key(case_id: str) -> str | bytes:
    """What to remember of an id to see it again: never more than a few bytes."""
    return case_id if len(case_id) <= 32 else oid_of(case_id.encode())[:16]


def _problem(case: Case, seen: set[str | bytes]) -> str | None:
    """What is wrong with the case; None if nothing is, and then its id is noted in `seen`."""
    unfit = id_problem(case.case_id)
    key = id_key(case.case_id) if unfit is None else b""
    if unfit is None and key in seen:
        unfit = "was used before in this dataset"
    if unfit is not None:
        return f"case_id {case.case_id!r:.80}: {unfit}"
    seen.add(key)
    return None if type(case.metadata) is dict else f"metadata: expected a dict, got {type(case.metadata).__name__}"


def visible(case: Case, reads: Collection[str]) -> Case:
    """The case as a component that declares `reads` sees it: other fields are left at their defaults."""
    if set(reads) >= VISIBLE_FIELDS:
        return case
    return Case(
        case.case_id,
        case.input if "input" in reads else None,
        case.expected_output if "expected_output" in reads else None,
        case.metadata if "metadata" in reads else {},
    )
