"""What a workflow metric judges. The metric's `subject_kind` says which of these it is given."""

from __future__ import annotations

import msgspec

from themis_vcs.evaluation.results import GenerationResult, Message, ReducedCandidate, TraceStep

SUBJECT_KINDS = ("candidate", "candidates", "trace", "conversation")


class CandidateSetSubject(msgspec.Struct, frozen=True):
    """Answers: of kind "candidate" the reduced one alone, of kind "candidates" all generation results."""

    candidates: list[ReducedCandidate | GenerationResult]

    @property
    def size(self) -> int:
        return len(self.candidates)


class TraceSubject(msgspec.Struct, frozen=True):
    """The trace of the generation that the reduced candidate comes from, the first of its sources."""

    trace: list[TraceStep]


class ConversationSubject(msgspec.Struct, frozen=True):
    """The conversation of the generation that the reduced candidate comes from, the first of its sources."""

    conversation: list[Message]


Subject = CandidateSetSubject | TraceSubject | ConversationSubject
