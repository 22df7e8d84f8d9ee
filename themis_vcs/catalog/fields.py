"""Which fields of a record make a case. Not how records are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from themis_vcs.catalog.strictjson import shown
from themis_vcs.errors import DataError
from themis_vcs.evaluation.dataset import Case, id_problem

NUMBERED = "@number"
"""As the name of the id field: the ids are the numbers of the records, from 1."""

Selection = str | Sequence[str]
ALIASES: dict[str, tuple[str, ...]] = {
    "case_id": ("case_id", "id"),
    "input": ("input", "question", "prompt"),
    "expected_output": ("expected_output", "expected", "answer", "target"),
    "metadata": ("metadata",),
}
_HINT = "name the field with {0}=…; other names that are known: {1}"


class BadField(DataError):
    """A record that makes no case; `field` is the one to mend."""

    def __init__(self, field: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"{field}: {reason}", hint=hint)
        self.field = field


class _Plan(NamedTuple):
    """For one set of keys: the field that each part of a case comes from, or several of them, or None."""

    case_id: str
    input: Selection
    expected_output: Selection | None
    metadata: Selection | None


class FieldMap:
    """Makes cases of records. A part that is not named is looked for under the names in ALIASES.

    A part given as a list of fields becomes an object of them. Fields that no part names are left out.
    """

    def __init__(
        self,
        case_id: str | None = None,
        input: Selection | None = None,  # noqa: A002
        expected: Selection | None = None,
        metadata: Selection | None = None,
    ) -> None:
        self._named = {"case_id": case_id, "input": input, "expected_output": expected, "metadata": metadata}
        self._plans: dict[tuple[str, ...], _Plan] = {}

    def case(self, record: Mapping[str, Any], number: int) -> Case:
        """The case that the record makes. BadField: missing, ambiguous or of the wrong type."""
        keys = tuple(record)
        plan = self._plans.get(keys)
        if plan is None:
            if len(self._plans) > 256:
                self._plans.clear()
            plan = self._plans[keys] = self._plan(record)
        case_id = str(number) if plan.case_id == NUMBERED else record[plan.case_id]
        if type(case_id) is int:
            case_id = str(case_id)
        problem = id_problem(case_id)
        if problem:
            raise BadField(plan.case_id, problem)
        question = _take(record, plan.input)
        if question is None:
            raise BadField(str(plan.input), "is null")
        metadata = {} if plan.metadata is None else _take(record, plan.metadata)
        if type(metadata) is not dict:
            if metadata is not None:
                raise BadField(str(plan.metadata), f"expected an object, got {_json_name(metadata)}")
            metadata = {}
        return Case(
            case_id,
            question,
            None if plan.expected_output is None else _take(record, plan.expected_output),
            metadata,
        )

    def _plan(self, record: Mapping[str, Any]) -> _Plan:
        return _Plan(
            self._find("case_id", record, needed=True),  # type: ignore[arg-type]
            self._find("input", record, needed=True),  # type: ignore[arg-type]
            self._find("expected_output", record),
            self._find("metadata", record),
        )

    def _find(self, part: str, record: Mapping[str, Any], *, needed: bool = False) -> Selection | None:
        named = self._named[part]
        if named is not None:
            for name in (named,) if isinstance(named, str) else named:
                if name not in record and not (part == "case_id" and name == NUMBERED):
                    raise BadField(name, "missing", hint=f"the record has: {', '.join(map(shown, list(record)[:20]))}")
            return named
        present = [name for name in ALIASES[part] if name in record]
        option = "expected" if part == "expected_output" else part
        if len(present) > 1:
            raise BadField(
                part,
                f"more than one field could be meant: {', '.join(present)}",
                hint=f"say which with {option}=…",
            )
        if not present and needed:
            hint = _HINT.format(option, ", ".join(ALIASES[part]))
            if part == "case_id":
                hint += f'; case_id="{NUMBERED}" numbers the records'
            raise BadField(part, "missing", hint=hint)
        return present[0] if present else None


def _take(record: Mapping[str, Any], fields: Selection) -> Any:
    return record[fields] if isinstance(fields, str) else {name: record[name] for name in fields}


def _json_name(value: object) -> str:
    names = {str: "text", bool: "a boolean", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), type(value).__name__)
