"""Built-in metrics that need no model: `exact_match`, `f1`, `choice_accuracy`.

The expected output is the answer, a list of accepted answers, or an object whose only key is "answer". A
case without one is a ScoreError; an answer that the parser did not find scores 0.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from typing import Any, ClassVar

from themis_vcs.catalog.builtin import Builtin
from themis_vcs.catalog.numerals import canonical_number
from themis_vcs.evaluation.contexts import ScoreContext
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.prompt import text_of
from themis_vcs.evaluation.results import ParsedOutput, Score, ScoreError
from themis_vcs.model import codec

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_LETTER = re.compile(r"\s*\(?([A-Za-z])[).]?\s*")


class ExactMatch(Builtin, frozen=True):
    """1 if the answer equals an accepted one, else 0.

    Equal are values with equal canonical bytes, 1 and 1.0, and a number and its text. The options loosen
    that for text; `numbers` compares what both sides read as a number ("1,000" and "1000.0").
    """

    kind: ClassVar[str] = "exact_match"
    reads: ClassVar[frozenset[str]] = frozenset({"expected_output"})

    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore_whitespace: bool = False
    numbers: bool = False

    def score(self, parsed: ParsedOutput, case: Case, ctx: ScoreContext) -> Score | ScoreError:
        accepted = _accepted(case)
        if accepted is None:
            return _unexpected(self.component_id, case)
        if parsed.value is None:
            return _no_answer(self.component_id)
        return Score(self.component_id, float(any(self._equal(parsed.value, each) for each in accepted)))

    def _equal(self, answer: Any, expected: Any) -> bool:
        if isinstance(answer, dict | list | bytes) or isinstance(expected, dict | list | bytes):
            return codec.pack(answer) == codec.pack(expected)
        if _is_number(answer) or _is_number(expected) or self.numbers:
            number = _number(answer)
            if number is not None and number == _number(expected):
                return True
        if type(answer) is not type(expected):
            return False
        return self._loose(answer) == self._loose(expected) if isinstance(answer, str) else bool(answer == expected)

    def _loose(self, text: str) -> str:
        if self.ignore_case:
            text = text.casefold()
        if self.ignore_punctuation:
            text = text.translate(_PUNCTUATION)
        return "".join(text.split()) if self.ignore_whitespace else text


class F1(Builtin, frozen=True):
    """Token F1 of the answer against the accepted one that it agrees with most, from 0 to 1.

    As in the evaluation script of SQuAD 1.1 (Rajpurkar et al. 2016, arXiv:1606.05250): lower case,
    punctuation and the articles a, an, the removed, split at white space, tokens counted with multiplicity.
    """

    kind: ClassVar[str] = "f1"
    reads: ClassVar[frozenset[str]] = frozenset({"expected_output"})

    def score(self, parsed: ParsedOutput, case: Case, ctx: ScoreContext) -> Score | ScoreError:
        accepted = _accepted(case)
        if accepted is None:
            return _unexpected(self.component_id, case)
        if parsed.value is None:
            return _no_answer(self.component_id)
        tokens = _tokens(parsed.value)
        f1, precision, recall = max(_overlap(tokens, _tokens(each)) for each in accepted)
        return Score(self.component_id, f1, {"precision": precision, "recall": recall})


class ChoiceAccuracy(Builtin, frozen=True):
    """1 if the answer names the expected option, else 0.

    Both sides are a letter ("B", "(b)"), the number of the option from 0, or the text of an option; the
    last needs the options as a list in the input, under the key `choices`.
    """

    kind: ClassVar[str] = "choice_accuracy"
    reads: ClassVar[frozenset[str]] = frozenset({"input", "expected_output"})

    choices: str = "choices"

    def score(self, parsed: ParsedOutput, case: Case, ctx: ScoreContext) -> Score | ScoreError:
        accepted = _accepted(case)
        if accepted is None:
            return _unexpected(self.component_id, case)
        options = case.input.get(self.choices) if isinstance(case.input, dict) else None
        options = options if isinstance(options, list) else []
        letters = {_option(each, options) for each in accepted} - {None}
        if not letters:
            reason = f"the expected output {text_of(case.expected_output)!r:.80} names no option"
            return ScoreError(self.component_id, reason, "data_problem")
        if parsed.value is None:
            return _no_answer(self.component_id)
        return Score(self.component_id, float(_option(parsed.value, options) in letters))


def _accepted(case: Case) -> list[Any] | None:
    """The accepted answers, None if there are none. A list is itself one too, for answers that are lists."""
    expected = case.expected_output
    if isinstance(expected, dict) and list(expected) == ["answer"]:
        expected = expected["answer"]
    if expected is None:
        return None
    return [expected, *expected] if isinstance(expected, list) else [expected]


def _unexpected(metric_id: str, case: Case) -> ScoreError:
    return ScoreError(metric_id, f"case {case.case_id!r:.80} has no expected output", "data_problem")


def _no_answer(metric_id: str) -> Score:
    return Score(metric_id, 0.0, {"reason": "the parser found no answer"})


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: object) -> str | None:
    return canonical_number(value if isinstance(value, str) else repr(value))


def _tokens(value: object) -> list[str]:
    return _ARTICLES.sub(" ", text_of(value).lower().translate(_PUNCTUATION)).split()


def _overlap(answer: list[str], expected: list[str]) -> tuple[float, float, float]:
    """(F1, precision, recall); 1 for two empty texts."""
    if not answer or not expected:
        same = float(answer == expected)
        return same, same, same
    common = (Counter(answer) & Counter(expected)).total()
    precision, recall = common / len(answer), common / len(expected)
    return (2 * precision * recall / (precision + recall) if common else 0.0), precision, recall


def _option(value: object, options: list[Any]) -> str | None:
    """The letter of the option that `value` names."""
    index = None
    if isinstance(value, str):
        wanted = value.strip().casefold()
        texts = [text_of(option).strip().casefold() for option in options]
        match = _LETTER.fullmatch(value)
        if wanted in texts and not (match and len(options) > ord(match.group(1).upper()) - 65):
            index = texts.index(wanted)
        elif match:
            index = ord(match.group(1).upper()) - 65
    elif isinstance(value, int) and not isinstance(value, bool):
        index = value
    return chr(65 + index) if index is not None and 0 <= index < 26 else None
