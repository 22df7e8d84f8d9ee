"""Reads the answer out of what the model wrote: the last word.

`answer_parser_v2.py` is this module after the edit that the demonstration makes.
"""

from __future__ import annotations

import re

from themis_vcs.evaluation.decorators import parser
from themis_vcs.evaluation.results import ReducedCandidate

WORD = re.compile(r"[\w.]*\w")


@parser
def answer(candidate: ReducedCandidate) -> str | None:
    """The last word or number of the text, without the punctuation behind it."""
    words = WORD.findall(candidate.final_output)
    return words[-1] if words else None
