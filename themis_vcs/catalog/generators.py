"""The built-in `demo_generator`. Recorded outputs and real models have modules of their own."""

from __future__ import annotations

from typing import ClassVar

from themis_vcs.catalog.builtin import Builtin
from themis_vcs.evaluation.contexts import GenerateContext
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.results import GenerationResult


class DemoGenerator(Builtin, frozen=True):
    """Answers with the expected output, or with the input where none is expected. For trying out the rest."""

    kind: ClassVar[str] = "demo_generator"
    deterministic: ClassVar[bool] = True
    reads: ClassVar[frozenset[str]] = frozenset({"input", "expected_output"})

    async def generate(self, case: Case, ctx: GenerateContext) -> GenerationResult:
        answer = case.input if case.expected_output is None else case.expected_output
        return GenerationResult(answer, finish_reason="stop")
