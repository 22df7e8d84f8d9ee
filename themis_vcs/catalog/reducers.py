"""Built-in reducers: `passthrough` for a single candidate, `majority_vote` for several."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from themis_vcs.catalog.builtin import Builtin
from themis_vcs.catalog.choice_letter import ChoiceLetter
from themis_vcs.catalog.math_answer import MathAnswer
from themis_vcs.catalog.parsers import JsonIdentity, Text
from themis_vcs.evaluation.contexts import ParseContext, ReduceContext
from themis_vcs.evaluation.failures import ComponentFailure, ParseError
from themis_vcs.evaluation.protocols import Parser
from themis_vcs.evaluation.results import GenerationResult, ReducedCandidate
from themis_vcs.model import codec

_BALLOTS: dict[str, Parser] = {
    "text": Text(),
    "choice_letter": ChoiceLetter(),
    "math_answer": MathAnswer(),
    "json_identity": JsonIdentity(),
}


class PassthroughReducer(Builtin, frozen=True):
    """The one candidate that there is; more than one is a failure."""

    kind: ClassVar[str] = "passthrough"

    async def reduce(self, candidates: list[GenerationResult], ctx: ReduceContext) -> ReducedCandidate:
        if len(candidates) != 1:
            raise ComponentFailure(
                f"passthrough got {len(candidates)} candidates and takes exactly one",
                category="data_problem",
                hint="name a reducer such as builtin/majority_vote, or generate one sample",
            )
        (candidate,) = candidates
        return ReducedCandidate(
            candidate.final_output, candidate.candidate_id, source_candidate_ids=[candidate.candidate_id]
        )


class MajorityVote(Builtin, frozen=True):
    """The answer that most candidates gave; of several such, the one that was given first.

    Answers are equal if their canonical bytes are. `by` names a built-in parser that reads out of each
    candidate what it votes for (self-consistency, Wang et al. 2022, arXiv:2203.11171); one that says
    nothing does not vote, unless all do. The first candidate for the winning answer goes on as it is;
    `source_candidate_ids` are all for it.
    """

    kind: ClassVar[str] = "majority_vote"

    by: Literal["value", "text", "choice_letter", "math_answer", "json_identity"] = "value"

    async def reduce(self, candidates: list[GenerationResult], ctx: ReduceContext) -> ReducedCandidate:
        votes: dict[bytes, tuple[Any, list[GenerationResult]]] = {}
        silent: list[GenerationResult] = []
        for candidate in candidates:
            answer = self._answer(candidate, ctx)
            if answer is None:
                silent.append(candidate)
            else:
                votes.setdefault(codec.pack(answer), (answer, []))[1].append(candidate)
        groups = list(votes.values()) or [(None, silent)]
        winner, voters = max(groups, key=lambda group: len(group[1]))
        tied = sum(len(group[1]) == len(voters) for group in groups) > 1
        return ReducedCandidate(
            voters[0].final_output,
            voters[0].candidate_id,
            source_candidate_ids=[voter.candidate_id for voter in voters],
            metadata={
                "votes": [
                    {
                        "answer": answer,
                        "count": len(group),
                        "candidates": [each.candidate_id for each in group],
                    }
                    for answer, group in groups
                ],
                "voted_for": winner,
                "tied": tied,
            },
        )

    def _answer(self, candidate: GenerationResult, ctx: ReduceContext) -> Any:
        if self.by == "value":
            return candidate.final_output
        context = ParseContext(ctx.dataset_id, ctx.case_id, candidate.candidate_id)
        try:
            return _BALLOTS[self.by].parse(ReducedCandidate(candidate.final_output), context).value
        except ParseError:
            return None
