"""Made-up records that compress like the output of models: zstd alone about 1.7, with a trained dictionary over 3.

Words follow Zipf's law, and much of what a model writes is phrases that it wrote before. Every record is a Value of
one of the types of a run, 0.5 to 4 KB, made from a seed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate

from themis_vcs.model.objects import Value

TYPES = ("generation", "evaluation", "parsed", "case")
_SYLLABLES = re.findall(
    "[a-z]+",
    "the re con in ment able or tion al er as un pre st ing to ly mo ra ne ta vi lo su ca di ex per man sol "
    "te no ar ba ki fo pu ge li nu qua ster ving den tal mor bli cru",
)


class Writer:
    """A source of text with a vocabulary and habits of its own; the same seed writes the same text."""

    def __init__(self, seed: int, *, words: int = 12000, phrases: int = 3000) -> None:
        self.random = random.Random(seed)
        draw = self.random
        self.words = ["".join(draw.choices(_SYLLABLES, k=draw.choice((1, 1, 2, 2, 3)))) for _ in range(words)]
        self.word_weights = list(accumulate(1 / (rank + 60) for rank in range(words)))
        self.phrases = [self.sentence(draw.randint(4, 14)) for _ in range(phrases)]
        self.phrase_weights = list(accumulate(1 / (rank + 150) for rank in range(phrases)))

    def sentence(self, length: int) -> str:
        return " ".join(self.random.choices(self.words, cum_weights=self.word_weights, k=length))

    def text(self, length: int) -> str:
        """Return about `length` characters."""
        draw, parts, size = self.random, [], 0
        while size < length:
            if draw.random() < 0.6:
                part = draw.choices(self.phrases, cum_weights=self.phrase_weights)[0]
            elif draw.random() < 0.15:
                part = f"{draw.randint(1, 9999)} = {draw.randint(1, 99)} * {draw.random():.3f}"
            else:
                part = self.sentence(draw.randint(2, 7))
            parts.append(part)
            size += len(part) + 2
        return ". ".join(parts)


def values(count: int, seed: int = 1, types: Sequence[str] = TYPES) -> Iterator[Value]:
    """Yield `count` values of these types in turn, 0.5 to 4 KB each, about 1.4 KB on average."""
    writers = {kind: Writer(seed * 10 + TYPES.index(kind)) for kind in types}
    draw = random.Random(seed)
    for number in range(count):
        kind = types[number % len(types)]
        size = min(4000, max(450, int(draw.lognormvariate(7.08, 0.5))))
        yield Value(kind, _FIELDS[kind](writers[kind], size, number))


def _generation(writer: Writer, size: int, number: int) -> dict[str, object]:
    return {
        "candidate_id": f"candidate-{number % 3}",
        "final_output": writer.text(size - 120),
        "conversation": [],
        "artifacts": {},
        "trace": [{"step_name": "call", "step_type": "model", "output": {"chars": size}}],
    }


def _evaluation(writer: Writer, size: int, number: int) -> dict[str, object]:
    prompt = "Judge the answer below by the rubric. Reply with a label and one sentence of reason.\n\n"
    return {
        "execution_id": f"rubric-{number}",
        "subject_kind": "candidate",
        "rendered_prompts": [{"prompt_id": "p0", "content": prompt + writer.text(size * 2 // 3)}],
        "parsed_judgments": [{"label": "pass" if number % 3 else "fail", "rationale": writer.text(size // 4)}],
    }


def _parsed(writer: Writer, size: int, number: int) -> dict[str, object]:
    return {
        "value": writer.text(size - 60),
        "format": "text",
        "confidence": number % 100 / 100,
        "metadata": {},
    }


def _case(writer: Writer, size: int, number: int) -> dict[str, object]:
    return {
        "case_id": f"case-{number:06d}",
        "input": {"question": writer.text(size * 3 // 4)},
        "expected_output": writer.text(size // 6),
        "metadata": {"topic": writer.random.choice(writer.words[:40]), "difficulty": number % 5},
    }


_FIELDS = {"generation": _generation, "evaluation": _evaluation, "parsed": _parsed, "case": _case}
