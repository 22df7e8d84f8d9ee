"""Prompts as data: named values are put into text in one pass. No expressions, no attribute access."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from themis_vcs.errors import DataError
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.results import Message

CASE_NAMES = ("case_id", "input", "expected_output", "metadata")
DEFAULT_TEMPLATE = "{input}"
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class PromptSpec(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a case becomes messages: `system`, then `messages` in order, then `template` as the user's.

    In all of them `{input}`, `{input.question}`, `{input.choices.0}`, `{expected_output}`, `{metadata.x}`,
    `{case_id}` and the names in `variables` are replaced; `{{` and `}}` stand for braces.
    """

    system: str | None = None
    template: str = DEFAULT_TEMPLATE
    messages: list[Message] = []
    variables: dict[str, Any] = {}

    def __post_init__(self) -> None:
        # msgspec leaves a default out by identity, and one prompt must have one encoding
        if self.template == DEFAULT_TEMPLATE:
            msgspec.structs.force_setattr(self, "template", DEFAULT_TEMPLATE)
        taken = sorted(set(self.variables) & set(CASE_NAMES))
        if taken:
            raise ValueError(f"variables may not be named {', '.join(taken)}: a case has that name itself")

    def render(self, case: Case) -> list[Message]:
        """The messages for this case. DataError for a name that does not exist or an unmatched brace."""
        return self.render_values({name: getattr(case, name) for name in CASE_NAMES})

    def render_values(self, values: Mapping[str, Any]) -> list[Message]:
        """The messages with these values instead of a case's; `variables` are there as well."""
        names = {**self.variables, **values}
        rendered = [] if self.system is None else [Message("system", fill(self.system, names))]
        for message in self.messages:
            content = fill(message.content, names) if isinstance(message.content, str) else message.content
            rendered.append(Message(message.role, content))
        rendered.append(Message("user", fill(self.template, names)))
        return rendered


def fill(template: str, values: Mapping[str, Any]) -> str:
    """`template` with each `{name}` replaced by the text of its value.

    Text stands as it is, None is empty, everything else becomes JSON with sorted keys. What was inserted is
    not looked at again. DataError for an unmatched brace and for an unknown name; the error lists the names
    that exist.
    """

    def replace(match: re.Match[str]) -> str:
        token = match.group()
        if token in ("{{", "}}"):
            return token[0]
        if match.group(1) is None:
            raise DataError(
                f"prompt template: unmatched {token!r} at character {match.start()}",
                hint="write {{ or }} for a brace that is meant as text",
            )
        return text_of(_look_up(match.group(1), values))

    return _TOKEN.sub(replace, template)


def text_of(value: object) -> str:
    """A value as text: text itself, nothing for None, otherwise JSON with sorted keys."""
    if isinstance(value, str):
        return value
    try:
        return "" if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)
    except TypeError as error:
        raise DataError(f"a {type(value).__name__} cannot be put into a text: {error}") from error


def _look_up(name: str, values: Mapping[str, Any]) -> Any:
    value: Any = values
    path = ""
    for part in name.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif (
            isinstance(value, list) and part.isascii() and part.isdigit() and len(part) < 10 and int(part) < len(value)
        ):
            value = value[int(part)]
        else:
            raise DataError(f"prompt template: no value named {{{name}}}", hint=_known(path, value))
        path = f"{path}.{part}" if path else part
    return value


def _known(path: str, value: object) -> str:
    if isinstance(value, Mapping):
        names = ", ".join(sorted(str(key) for key in value)[:20]) or "nothing"
        return f"{path} has: {names}" if path else f"there are: {names}"
    if isinstance(value, list):
        return f"{path} is a list of {len(value)}"
    return f"{path} is {type(value).__name__}, it has no parts"
