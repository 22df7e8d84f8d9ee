"""The built-in parser `math_answer`: the final number of a worked solution."""

from __future__ import annotations

import re
from itertools import islice
from typing import ClassVar

from themis_vcs.catalog.builtin import Builtin
from themis_vcs.catalog.numerals import canonical_number, numbers_in, without_latex
from themis_vcs.catalog.parsers import OnMissing, found, last_match, searched
from themis_vcs.evaluation.contexts import ParseContext
from themis_vcs.evaluation.results import ParsedOutput, ReducedCandidate

_STATED = re.compile(r"(?i:\banswer\b)[*_]{0,4}(?i:[ ]{1,2}is)?[*_]{0,4}[ ]{0,2}[:=]?([^\n]{1,200})")


class MathAnswer(Builtin, frozen=True):
    """The number that the answer ends in, in canonical spelling ("1,000" → "1000", "0.50" and "1/2" → "0.5").

    Looked for in this order: the last `\\boxed{…}`; what follows the last "####" (GSM8K); the first number
    after the last "answer is" or "answer:"; the last number. What is boxed or marked and no number is given
    as its text.
    """

    kind: ClassVar[str] = "math_answer"

    on_missing: OnMissing = "none"

    def parse(self, candidate: ReducedCandidate, ctx: ParseContext) -> ParsedOutput:
        return found(_final(searched(candidate.final_output)), self.on_missing, "math_answer")


def _final(text: str) -> str | None:
    marked = _boxed(text)
    if marked is None and "####" in text:
        marked = text.rpartition("####")[2].strip().partition("\n")[0]
    if marked is not None and marked.strip():
        return canonical_number(marked) or _single(marked) or without_latex(marked)
    stated = last_match(_STATED, text)
    number = next(numbers_in(stated.group(1)), None) if stated is not None else None
    return number or next(numbers_in(text, backwards=True), None)


def _single(text: str) -> str | None:
    """The one number in a text such as "12 apples" or "x = 5"; None where more of it may matter."""
    numbers = list(islice(numbers_in(text), 2))
    return numbers[0] if len(numbers) == 1 and not re.search(r"\\|[\^*+(){}]|\d[a-z]", without_latex(text)) else None


def _boxed(text: str) -> str | None:
    """The content of the last `\\boxed{…}` whose braces are closed."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth = 0
    for position in range(start + 6, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if not depth:
            return text[start + 7 : position]
    return None
