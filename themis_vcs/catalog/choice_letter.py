"""The built-in parser `choice_letter`: which option of a multiple-choice question an answer names."""

from __future__ import annotations

import re
from functools import cached_property
from typing import ClassVar

from themis_vcs.catalog.builtin import Builtin
from themis_vcs.catalog.parsers import OnMissing, found, last_match, searched
from themis_vcs.evaluation.contexts import ParseContext
from themis_vcs.evaluation.results import ParsedOutput, ReducedCandidate

_OPEN = r"[ \t*_`$]{0,8}(?:\\boxed\{)?(?:\\text\{)?[*_`(\[{]{0,4}"
_STATED = (
    r"(?i:\b(?:answer|(?:correct|right|best)[ ]{1,2}(?:option|choice|letter|one))\b)[*_`]{0,4}"
    r"(?i:[ ]{1,2}(?:is|should[ ]be|would[ ]be|must[ ]be))?[*_`]{0,4}[ ]{0,2}[:=]?\s{0,4}"
    r"(?i:(?:option|choice|letter)[ ]{1,2})?"
)
_DENIED = r"[ ]{0,2}(?:is|would be)[ ]{1,2}(?:wrong|incorrect|false|not)\b"
_JOINED = re.compile(r"[ ](?!(?:and|or|is|was)\b)[a-z]")


class ChoiceLetter(Builtin, frozen=True):
    """The letter of the option that the answer chooses, as a capital.

    Looked for in this order: the last statement such as "the answer is (B)", "Answer: **C**" or
    `\\boxed{D}`; an answer that is or begins with a letter ("B", "b)", "(B) Paris", "B. Because …");
    letters in brackets or bold; letters that stand alone. Where the last two find more than one letter, the
    answer has none. `letters` are those that count.
    """

    kind: ClassVar[str] = "choice_letter"

    letters: str = "ABCDEFGHIJ"
    on_missing: OnMissing = "none"

    def __post_init__(self) -> None:
        if not re.fullmatch("[A-Z]{1,26}", self.letters) or len(set(self.letters)) != len(self.letters):
            raise ValueError("letters: expected different capital letters, such as ABCD")

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], ...]:
        one, both = f"[{self.letters}]", f"[{self.letters}{self.letters.lower()}]"
        return (
            re.compile(rf"{_STATED}{_OPEN}({one})(?![\w'’])|\\boxed\{{(?:\\text\{{)?\(?({one})\)?\}}"),
            re.compile(rf"\s*[*_`(\[]{{0,4}}({both})[*_`)\]]{{0,4}}[.:]?[*_`]{{0,4}}\s*"),
            re.compile(rf"\s*[*_`(\[]{{0,4}}(?:({one})[*_`]{{0,4}}[.):\]]|({both})[*_`]{{0,4}}[)\]])(?!\w|{_DENIED})"),
            re.compile(rf"[(\[]({one})[)\]]|\*\*\(?({one})[).:]?\*\*"),
            re.compile(rf"(?<![\w'’.\\])(?<!not )({one})(?![\w'’])(?!\.\w)"),
        )

    def parse(self, candidate: ReducedCandidate, ctx: ParseContext) -> ParsedOutput:
        return found(self._letter(searched(candidate.final_output)), self.on_missing, "choice_letter")

    def _letter(self, text: str) -> str | None:
        stated, whole, leading, marked, alone = self._patterns
        match = last_match(stated, text) or whole.fullmatch(text) or leading.match(text)
        if match is not None:
            return next(letter for letter in match.groups() if letter).upper()
        letters = {one or two for one, two in marked.findall(text)}
        if not letters:
            letters = {match.group(1) for match in alone.finditer(text) if not _is_word(match)}
        return letters.pop() if len(letters) == 1 else None


def _is_word(match: re.Match[str]) -> bool:
    """Whether the letter is the article "A" at the head of a sentence, or the pronoun "I"."""
    text, letter = match.string, match.group(1)
    if letter not in "AI" or _JOINED.match(text, match.end()) is None:
        return False
    return letter == "I" or text[max(0, match.start() - 8) : match.start()].rstrip(" \"'*")[-1:] in (
        "",
        ".",
        "!",
        "?",
        ":",
        "\n",
    )
