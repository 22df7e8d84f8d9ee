"""Reads the answer out of what the model wrote: behind "Answer:", where the prompt asks for it.

Not imported from here: the demonstration puts it in the place of `answer_parser.py`.
"""

from __future__ import annotations

import re

from themis_vcs.evaluation.decorators import parser
from themis_vcs.evaluation.results import ReducedCandidate

WORD = re.compile(r"[\w.]*\w")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
OPTION = re.compile(r"([A-D])\)")
VERDICT = re.compile(r"(?i)(yes|no)\b")


@parser
def answer(candidate: ReducedCandidate) -> str | None:
    """The option's letter, yes or no, the last number, or the last word of the line that holds the answer.

    That is what follows the last "Answer:"; without one it is the first line of the text.
    """
    line = candidate.final_output.rpartition("Answer:")[2].strip().partition("\n")[0]
    leading = OPTION.match(line) or VERDICT.match(line)
    if leading:
        return leading.group(1)
    found = NUMBER.findall(line.replace(",", "")) or WORD.findall(line)
    return found[-1] if found else None
