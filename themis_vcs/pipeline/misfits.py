"""All that is wrong with the form of a configuration, in the words of the person who wrote it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec


def misfits(data: object, kind: type) -> list[tuple[str, str]]:
    """Everything in which the data does not fit a type; msgspec would name the first only."""
    try:
        msgspec.convert(data, kind)
    except msgspec.ValidationError as first:
        validator = jsonschema.Draft202012Validator(msgspec.json.schema(kind))
        found = [problem for error in validator.iter_errors(data) for problem in _problems(error)]
        return sorted(found) or [("", str(first))]
    return []


def _problems(error: Any) -> Iterator[tuple[str, str]]:
    """What a person has to mend, said in their words."""
    path = ".".join(str(part) for part in error.absolute_path)
    inside = f"{path}." if path else ""
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        for name in error.instance:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, 1)
                yield (
                    f"{inside}{name}",
                    f"unknown; did you mean {near[0]}?" if near else f"unknown; there are: {', '.join(known)}",
                )
    elif error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield f"{inside}{name}", "missing"
    elif error.validator in ("type", "anyOf"):
        choices = [error.schema] if error.validator == "type" else error.validator_value
        wanted = " or ".join(dict.fromkeys(_KINDS.get(each.get("type", "object"), "a table") for each in choices))
        yield path, f"expected {wanted}, got {_shown(error.instance)}"
    else:
        yield path, error.message[:300]


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    return f"{value!r:.80}"


_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "null": "nothing",
}
