"""Playing back answers recorded elsewhere, to score them: `recorded_generator`, `recorded_judge`.

The file is no part of the component's identity, what it says for a case is: a record that is added or
changed rebuilds the steps that it is played back in. The format of both files:
`docs/reference/components.md`.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import msgspec

from themis_vcs.catalog.builtin import Builtin
from themis_vcs.catalog.records import Key, RecordFile
from themis_vcs.errors import DataError
from themis_vcs.evaluation.contexts import CaseContext, GenerateContext
from themis_vcs.evaluation.dataset import Case
from themis_vcs.evaluation.failures import ComponentFailure
from themis_vcs.evaluation.judging import JudgeCall, JudgeResponse
from themis_vcs.evaluation.results import GenerationResult, Message, TraceStep

T = TypeVar("T")


class _Answer(msgspec.Struct, frozen=True):
    case_id: str
    dataset_id: str | None = None
    sample: int | None = None
    candidate_index: int | None = None
    output: Any = msgspec.UNSET
    error: str | None = None
    finish_reason: str | None = None
    trace: list[TraceStep] = []
    conversation: list[Message] = []
    artifacts: dict[str, Any] = {}
    token_usage: dict[str, int] | None = None
    latency_ms: float | None = None
    provider: dict[str, Any] = {}


class _Verdict(msgspec.Struct, frozen=True):
    output: str
    prompt: str | None = None
    prompt_sha256: str | None = None
    seed: int | None = None
    case_id: str | None = None
    dataset_id: str | None = None
    dimension: str | None = None
    repeat: int | None = None
    judge: str | None = None
    token_usage: dict[str, int] = {}
    latency_ms: float | None = None


class RecordedGenerator(Builtin, frozen=True):
    """Gives the outputs recorded in a JSON Lines file, one for each case and sample."""

    kind: ClassVar[str] = "recorded_generator"
    apart: ClassVar[frozenset[str]] = frozenset({"path"})
    deterministic: ClassVar[bool] = True
    reads: ClassVar[frozenset[str]] = frozenset()

    path: str

    @cached_property
    def records(self) -> RecordFile:
        return RecordFile(Path(self.path), _read_answer)

    def case_fingerprint(self, case: Case, ctx: GenerateContext) -> bytes:
        entry = self.records.find(_sample_of(ctx))
        return b"" if entry is None else entry.digest

    def content_fingerprint(self) -> bytes:
        return self.records.digest()

    async def generate(self, case: Case, ctx: GenerateContext) -> GenerationResult:
        request = _sample_of(ctx)
        entry = self.records.find(request)
        if entry is None:
            raise _missing(self.path, request)
        answer = msgspec.convert(self.records.read(entry), _Answer)
        if answer.error is not None:
            raise ComponentFailure(
                f"{self.path}:{entry.line}: recorded as failed: {answer.error}", category="recorded_failure"
            )
        return GenerationResult(
            answer.output,
            trace=answer.trace,
            conversation=answer.conversation,
            artifacts=answer.artifacts,
            finish_reason=answer.finish_reason,
            token_usage=answer.token_usage,
            latency_ms=answer.latency_ms,
            provider=answer.provider,
        )


class RecordedJudge(Builtin, frozen=True):
    """Gives the judge answers recorded in a JSON Lines file, by prompt, or by case and dimension."""

    kind: ClassVar[str] = "recorded_judge"
    apart: ClassVar[frozenset[str]] = frozenset({"path"})
    deterministic: ClassVar[bool] = True

    path: str

    @cached_property
    def records(self) -> RecordFile:
        return RecordFile(Path(self.path), _read_verdict)

    def case_fingerprint(self, case: Case, ctx: CaseContext) -> bytes:
        return self.records.digest_for(ctx.case.case_id)

    def content_fingerprint(self) -> bytes:
        return self.records.digest()

    async def judge(self, prompt: str, *, seed: int | None = None, call: JudgeCall | None = None) -> JudgeResponse:
        request: Key = {"prompt_sha256": hashlib.sha256(prompt.encode()).hexdigest(), "seed": seed}
        if call is not None:
            request |= {
                "case_id": call.metadata.get("case_id"),
                "dataset_id": call.metadata.get("dataset_id"),
                "dimension": call.dimension_id,
                "repeat": call.repeat_index,
                "judge": call.judge_model_id,
            }
        entry = self.records.find(request)
        if entry is None:
            raise _missing(self.path, request)
        verdict = msgspec.convert(self.records.read(entry), _Verdict)
        return JudgeResponse(
            self.component_id,
            verdict.output,
            self.version,
            effective_seed=seed,
            token_usage=verdict.token_usage,
            latency_ms=verdict.latency_ms,
        )


def _read_answer(record: dict[str, Any]) -> tuple[Key, dict[str, Any]]:
    answer = _convert(record, _Answer)
    if (answer.output is msgspec.UNSET) == (answer.error is None):
        raise DataError("output: a record has either an output or an error")
    if answer.sample is not None and answer.candidate_index is not None:
        raise DataError("sample: candidate_index is another name for it; give one of them")
    sample = answer.sample if answer.sample is not None else answer.candidate_index or 0
    key = {"case_id": answer.case_id, "dataset_id": answer.dataset_id, "sample": sample}
    return _given(key), _said(record, ("output", "error", "finish_reason", "trace", "conversation", "artifacts"))


def _read_verdict(record: dict[str, Any]) -> tuple[Key, dict[str, Any]]:
    verdict = _convert(record, _Verdict)
    digest = verdict.prompt_sha256
    if verdict.prompt is not None:
        found = hashlib.sha256(verdict.prompt.encode()).hexdigest()
        if digest not in (None, found):
            raise DataError("prompt_sha256: is not the SHA-256 of the prompt beside it")
        digest = found
    if digest is None and verdict.case_id is None:
        raise DataError("prompt: a record needs a prompt, a prompt_sha256 or a case_id")
    key = {
        "prompt_sha256": digest,
        "seed": verdict.seed,
        "case_id": verdict.case_id,
        "dataset_id": verdict.dataset_id,
        "dimension": verdict.dimension,
        "repeat": verdict.repeat,
        "judge": verdict.judge,
    }
    return _given(key), _said(record, ("output",))


def _convert(record: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(record, kind)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        raise DataError(f"{path.strip('`$.') or 'record'}: {reason}") from None


def _given(key: Key) -> Key:
    return {name: value for name, value in key.items() if value is not None}


def _said(record: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: record[name] for name in names if name in record}


def _sample_of(ctx: GenerateContext) -> Key:
    return {"case_id": ctx.case_id, "dataset_id": ctx.dataset_id, "sample": ctx.candidate_index}


def _missing(path: str, request: Key) -> ComponentFailure:
    shown = ", ".join(f"{name}={value!r:.100}" for name, value in request.items() if value is not None)
    return ComponentFailure(
        f"{path}: no record for {shown}",
        category="missing_record",
        details={"path": path},
        hint="record it and run again; only the steps that lacked a record are repeated",
    )
