"""The shapes of components. A class needs only the method of its role; everything else is optional.

Optional attributes of every component, read by `component`:

    component_id: str       its name in results; default "module:Name"
    version: str            shown beside it; default "0"
    fingerprint() -> str | bytes
                            its identity, instead of the one computed from its source and its attributes
    deterministic: bool     same input, same output; default False for generators and judge models, else True
    reads: Collection[str]  which of "input", "expected_output", "metadata" of a case it is shown; default all
    provider: str           components that name one provider share its limit of concurrent calls
    params: dict            plain data that says how it was made, where its arguments are not known
    case_fingerprint(case, ctx) -> bytes
                            for generators (with their GenerateContext), metrics and judge models (with a
                            CaseContext): what else the result for this one case depends on, such as the
                            recorded answer that will be played back. The bytes are mixed into the derivation
                            key of that step. It must be quick and must not call a model; b"" for nothing.
    content_fingerprint() -> bytes
                            beside case_fingerprint: changes whenever that changes for any case. With it, a
                            stage of which nothing has changed is recognised without asking for every case.

Rules for all of them: a method sees its arguments and nothing else that changes; it does not change them;
it may be called for many cases at the same time; it raises ComponentFailure (see `failures`) to name the
kind of a failure, and whatever it raises fails its own case alone. Methods written `async` here may be
plain ones too.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from themis_vcs.evaluation.contexts import (
    EvalScoreContext,
    GenerateContext,
    ParseContext,
    ReduceContext,
    ScoreContext,
    SelectContext,
)
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.judging import (
    AggregationResult,
    JudgeCall,
    JudgeResponse,
    ParsedJudgment,
    RenderedJudgePrompt,
)
from themis_vcs.evaluation.results import GenerationResult, ParsedOutput, ReducedCandidate, Score, ScoreError
from themis_vcs.evaluation.subjects import Subject

ROLES = ("generator", "selector", "reducer", "parser", "metric", "judge_model")


@runtime_checkable
class Generator(Protocol):
    """The system under evaluation."""

    async def generate(self, case: Case, ctx: GenerateContext) -> GenerationResult:
        """One answer. Called once per sample, each time with another `ctx.candidate_index` and seed."""


@runtime_checkable
class Selector(Protocol):
    """Leaves some of the candidates out before they are reduced."""

    async def select(self, candidates: list[GenerationResult], ctx: SelectContext) -> list[GenerationResult]:
        """At least one of the candidates, in the order in which the reducer shall get them."""


@runtime_checkable
class Reducer(Protocol):
    """Makes one candidate of several."""

    async def reduce(self, candidates: list[GenerationResult], ctx: ReduceContext) -> ReducedCandidate:
        """The one that goes on; `candidates` is never empty."""


@runtime_checkable
class Parser(Protocol):
    """Reads the answer out of what a model wrote."""

    def parse(self, candidate: ReducedCandidate, ctx: ParseContext) -> ParsedOutput:
        """The answer. A value of None means that there is none; ParseError means that the case has failed."""


@runtime_checkable
class PureMetric(Protocol):
    """Scores without calling a model."""

    def score(self, parsed: ParsedOutput, case: Case, ctx: ScoreContext) -> Score | ScoreError:
        """A finite score, or why there can be none."""


@runtime_checkable
class EvaluationWorkflow(Protocol):
    """How one subject is judged. Its methods are called in the order in which they stand here."""

    def judge_calls(self) -> list[JudgeCall]:
        """The calls to make; each names one of `ctx.judge_models`."""

    def render_prompt(self, call: JudgeCall, subject: Subject, ctx: EvalScoreContext) -> RenderedJudgePrompt:
        """The prompt of one call."""

    def parse_judgment(self, call: JudgeCall, response: JudgeResponse, ctx: EvalScoreContext) -> ParsedJudgment:
        """The verdict in a response. Whatever this raises becomes a JudgeFailure, never a score."""

    def score_judgment(self, call: JudgeCall, judgment: ParsedJudgment, ctx: EvalScoreContext) -> Score | None:
        """The verdict as a score; None if it has none."""

    def aggregate(
        self, judgments: list[ParsedJudgment], scores: list[Score], ctx: EvalScoreContext
    ) -> AggregationResult | None:
        """All verdicts as one; its value is the metric's score. Called with at least one judgment."""


@runtime_checkable
class WorkflowMetric(Protocol):
    """Scores by asking judge models.

    `subject_kind`, an optional attribute, is one of `subjects.SUBJECT_KINDS`; default "candidate". An optional method
    `check_configuration(judge_config, overrides)` is called before anything is executed, and raises UsageError where no
    case could be judged.
    """

    def build_workflow(self, subject: Subject, ctx: EvalScoreContext) -> EvaluationWorkflow:
        """The workflow for one subject. It must depend on the arguments alone and must not call a model."""


@runtime_checkable
class JudgeModel(Protocol):
    """A model that answers a judge prompt.

    A `judge` that takes them is also passed `schema` (dict or None: the JSON schema for its answer, from
    the prompt's `metadata["schema"]`) and `call` (the JudgeCall).
    """

    async def judge(self, prompt: str, *, seed: int | None = None) -> JudgeResponse:
        """The answer of the model, complete; a truncated one is a failure."""


Component = Any
"""An object of one of the shapes above. Which one is decided by the role in which it is used."""
