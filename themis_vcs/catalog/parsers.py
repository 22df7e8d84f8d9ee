"""Built-in parsers for text and JSON: `passthrough`, `text`, `json_identity`, `regex`."""

from __future__ import annotations

import re
from collections import deque
from functools import cached_property
from typing import ClassVar, Literal

from themis_vcs.catalog.builtin import Builtin
from themis_vcs.catalog.strictjson import MalformedJson, parse
from themis_vcs.evaluation.contexts import ParseContext
from themis_vcs.evaluation.failures import ParseError
from themis_vcs.evaluation.prompt import text_of
from themis_vcs.evaluation.results import ParsedOutput, ReducedCandidate

MAX_SEARCHED = 100_000
"""Longest text that is searched with a pattern, in characters."""

OnMissing = Literal["error", "none"]
"""What a parser does that finds no answer: fail the case, or give None, which metrics count as wrong."""

_FENCED = re.compile(r"\s*```(?:json|JSON)?[ \t]*\r?\n(.*)\n[ \t]*```\s*", re.DOTALL)


class PassthroughParser(Builtin, frozen=True):
    """The answer as it is."""

    kind: ClassVar[str] = "passthrough"

    def parse(self, candidate: ReducedCandidate, ctx: ParseContext) -> ParsedOutput:
        return ParsedOutput(candidate.final_output)


class Text(Builtin, frozen=True):
    """The answer as text without white space around it; a structured answer becomes its JSON."""

    kind: ClassVar[str] = "text"

    lowercase: bool = False

    def parse(self, candidate: ReducedCandidate, ctx: ParseContext) -> ParsedOutput:
        text = text_of(candidate.final_output).strip()
        return ParsedOutput(text.lower() if self.lowercase else text, "text")


class JsonIdentity(Builtin, frozen=True):
    """The value that the answer spells as JSON, alone or in one fenced block; a structured answer as it is.

    Text that is not JSON fails the case, as do NaN, repeated keys and whatever else has no one meaning.
    """

    kind: ClassVar[str] = "json_identity"

    def parse(self, candidate: ReducedCandidate, ctx: ParseContext) -> ParsedOutput:
        output = candidate.final_output
        if not isinstance(output, str):
            return ParsedOutput(output, "json")
        fenced = _FENCED.fullmatch(output)
        try:
            return ParsedOutput(parse(fenced.group(1) if fenced else output), "json")
        except MalformedJson as error:
            raise ParseError(f"the answer is not JSON: {error}") from None


class Regex(Builtin, frozen=True):
    """What a pattern finds: the group of that number or name in the first or the last match.

    The pattern is trusted, what it searches is not: a pattern that backtracks (`(a+)+b`) can be made to run
    for ever by the text. Possessive quantifiers (`a++`) and atomic groups prevent that.
    """

    kind: ClassVar[str] = "regex"

    pattern: str
    group: int | str = 0
    find: Literal["first", "last"] = "first"
    ignore_case: bool = False
    on_missing: OnMissing = "none"

    def __post_init__(self) -> None:
        try:
            compiled = self._compiled
        except re.error as error:
            raise ValueError(f"pattern: {error}") from None
        known = self.group in compiled.groupindex or (
            isinstance(self.group, int) and 0 <= self.group <= compiled.groups
        )
        if not known:
            raise ValueError(f"group: the pattern has no group {self.group!r}")

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.IGNORECASE if self.ignore_case else 0)

    def parse(self, candidate: ReducedCandidate, ctx: ParseContext) -> ParsedOutput:
        text = searched(candidate.final_output)
        match = last_match(self._compiled, text) if self.find == "last" else self._compiled.search(text)
        return found(None if match is None else match.group(self.group), self.on_missing, "regex")


def searched(output: object) -> str:
    """The answer as text to be searched. ParseError if it is longer than MAX_SEARCHED characters."""
    text = text_of(output)
    if len(text) > MAX_SEARCHED:
        raise ParseError(f"the answer has {len(text):,} characters; at most {MAX_SEARCHED:,} are searched")
    return text


def last_match(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The last of the matches that do not overlap."""
    return next(iter(deque(pattern.finditer(text), maxlen=1)), None)


def found(value: str | None, on_missing: OnMissing, form: str) -> ParsedOutput:
    """What a search found as a parser's result. ParseError if it found nothing and that is an error."""
    if value is None and on_missing == "error":
        raise ParseError(
            "the answer holds nothing that the parser looks for", hint='on_missing="none" counts it as wrong'
        )
    return ParsedOutput(value, form)
