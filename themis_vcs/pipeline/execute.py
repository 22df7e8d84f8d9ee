"""Executing the steps of one planned track and recording what came of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from themis_vcs.errors import EncodingError, StoreBusy
from themis_vcs.evaluation.secrets import redact
from themis_vcs.evaluation.values import value_of
from themis_vcs.model.codec import encode
from themis_vcs.model.objects import Step, StepError, Track, Value
from themis_vcs.model.oid import Oid, oid_of
from themis_vcs.pipeline.attempts import Chunk
from themis_vcs.pipeline.config import RuntimeConfig
from themis_vcs.pipeline.events import Observer, StepFinished
from themis_vcs.pipeline.inputs import CASES
from themis_vcs.pipeline.plan import TrackPlan, Work
from themis_vcs.pipeline.workspace import Workspace

Settled = tuple[Oid | None, Oid | None, Oid | None]
"""What came of a step: its value and its receipt, or neither and the receipt of its failure, or nothing."""

Inputs = tuple[tuple[Any, ...], ...]
Task = tuple[Work, Inputs]
"""A step to execute, and the values of its inputs in groups."""

_ABSENT: Settled = (None, None, None)
_CHUNK = 512
_FLUSH_SECONDS = 1.0


class Execution:
    """One track on its way from its plan to its record. `pending` has the steps that a dry run would execute."""

    def __init__(
        self, workspace: Workspace, plan: TrackPlan, runtime: RuntimeConfig, observer: Observer | None = None
    ) -> None:
        self.workspace, self.plan, self.spec, self.runtime = workspace, plan, plan.spec, runtime
        self.observer = observer
        self.settled: dict[str, Settled] = {}
        self.built = 0
        self.left_out = 0
        self.pending: list[Work] = []
        self._open: set[str] = set()
        self._label = f"step:{self.spec.stage}"

    async def run(self) -> None:
        """Execute what is not on record. A component that fails spoils its own case; a store that fails, the run."""
        if self.workspace.dry:
            for misses in self._misses():
                self.pending.extend(misses)
            return
        feed = self._feed()
        try:
            async with asyncio.TaskGroup() as group:
                flusher = group.create_task(self._flush_regularly())
                if self.spec.in_thread:
                    await self._in_chunks(feed)
                else:
                    await asyncio.wait([group.create_task(self._worker(feed)) for _ in range(self._concurrency())])
                flusher.cancel()
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    def conclude(self) -> Track:
        """The track as it stands now, its trees kept."""
        base, spec, workspace = self.plan.base, self.spec, self.workspace
        if self.plan.complete and base is not None:
            return base
        for item in self.plan.items:
            self.settled[item if isinstance(item, str) else item.key] = _ABSENT
        for key in self._open:
            self.settled[key] = _ABSENT
        roots, settled, keys = {}, self.settled, sorted(self.settled)
        for position, name in enumerate(("values", "steps", "failures")):
            if base is not None:
                roots[name] = workspace.update(getattr(base, name), {key: settled[key][position] for key in keys})
            else:
                changes = ((key, settled[key][position]) for key in keys)
                roots[name] = workspace.build((key, oid) for key, oid in changes if oid is not None)
        return Track(
            id=spec.id,
            component=spec.ref,
            params=spec.params,
            fanout=spec.fanout,
            inputs=[(name, self.plan.roots[name]) for name in spec.inputs],
            **roots,
        )

    def _feed(self) -> Iterator[Task]:
        for misses in self._misses():
            values = dict(self.workspace.values(oid for work in misses for group in work.inputs for oid in group))
            value = values.__getitem__
            for work in misses:
                yield work, tuple(tuple(map(value, group)) for group in work.inputs)

    def _misses(self) -> Iterator[list[Work]]:
        """The steps to execute, some at a time. Those on record are taken over on the way."""
        while chunk := list(islice(self.plan.items, _CHUNK)):
            works = []
            for item in chunk:
                if isinstance(item, str):
                    self.settled[item] = _ABSENT
                else:
                    works.append(item)
            misses = self._not_on_record(works)
            self._open.update(work.key for work in misses)
            yield misses

    def _not_on_record(self, works: Sequence[Work]) -> list[Work]:
        force, only = self.plan.force, self.plan.only
        misses = []
        found = self.workspace.steps([work.derivation for work in works])
        for work, recorded in zip(works, found, strict=True):
            if recorded is not None and not (force is not None and force(work.case)):
                oid, step = recorded
                self.settled[work.key] = (step.value, oid, None)
                self._tell(work, "reused")
            elif only is not None and not only(work.case):
                self.left_out += 1
                self.settled[work.key] = _ABSENT
            else:
                misses.append(work)
        return misses

    def _concurrency(self) -> int:
        limit = self.runtime.stage_concurrency.get(self.spec.stage, self.runtime.max_concurrent_tasks)
        return max(1, min(limit, self.runtime.max_concurrent_tasks, self.plan.expected))

    async def _worker(self, feed: Iterator[Task]) -> None:
        for number, (work, groups) in enumerate(feed):
            attempts: list[dict[str, Any]] = []
            started = time.time_ns()
            try:
                result: Any = await self.spec.call(work, groups, attempts)
            except Exception as error:  # noqa: BLE001
                result = error
            self._finish(work, result, {"started": started, "duration": time.time_ns() - started}, attempts)
            if number % 32 == 31:
                await asyncio.sleep(0)

    async def _in_chunks(self, feed: Iterator[Task]) -> None:
        while chunk := list(islice(feed, _CHUNK)):
            started = time.time_ns()
            called = Chunk([_bound(self.spec.call, work, groups) for work, groups in chunk], self.runtime.timeout)
            try:
                await called.run()
            finally:
                for (work, _), result in zip(chunk, called.outcomes, strict=False):
                    self._finish(work, result, {"started": started}, [])

    def _finish(self, work: Work, result: Any, observed: dict[str, Any], attempts: list[dict[str, Any]]) -> None:
        self._open.discard(work.key)
        if attempts:
            observed["attempts"] = attempts
        if not isinstance(result, Exception):
            try:
                kind, struct, observations = value_of(result)
                payload = encode("value", Value(kind, struct))
            except (EncodingError, TypeError) as error:
                result = error
            else:
                oid = oid_of(payload)
                self.workspace.write(oid, payload, f"value:{kind}", ())
                step = self._record(work, oid, None, {**observed, **observations})
                self.workspace.repository.record(work.derivation, step)
                self.built += 1
                self.settled[work.key] = (oid, step, None)
                self._tell(work, "built")
                return
        step = self._record(work, None, step_error(result), observed)
        self.settled[work.key] = (None, None, step)
        self._tell(work, "failed", f"{type(result).__name__}: {redact(str(result))}"[:500])

    def _record(self, work: Work, value: Oid | None, error: StepError | None, observations: dict[str, Any]) -> Oid:
        params, inputs = self.spec.params, work.oids
        step = Step(
            stage=self.spec.stage,
            component=self.spec.ref.id,
            fingerprint=work.fingerprint,
            params=params,
            inputs=inputs,
            case=work.key,
            seed=work.seed,
            value=value,
            error=error,
            observations=observations,
        )
        payload = encode("step", step, observations if error is None else step)
        oid = oid_of(payload)
        # The inputs were read a moment ago.
        refers_to = [params] if value is None else [params, value]
        self.workspace.repository.put_payload(oid, payload, self._label, refers_to)
        return oid

    def _tell(self, work: Work, outcome: str, error: str | None = None) -> None:
        if self.observer is not None:
            self.observer(StepFinished(self.spec.stage, self.spec.id, work.key, outcome, error))

    async def _flush_regularly(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            # another writer may be slow; what was kept is written with the next group
            with contextlib.suppress(StoreBusy):
                self.workspace.flush()


def step_error(error: Exception) -> StepError:
    """A failure as it is stored: its category, type and message, without secrets."""
    details = getattr(error, "details", None)
    category = getattr(error, "category", None)
    if isinstance(error, EncodingError):
        category = "invalid_output"
    return StepError(
        category=category if isinstance(category, str) else "component_failure",
        type=type(error).__name__,
        message=redact(_plain(str(error))[:4_000]),
        retryable=bool(getattr(error, "retryable", False)),
        details=details if isinstance(details, dict) else {},
    )


def outcomes(execution: Execution, track: Track) -> Counter[str]:
    """How many steps of a concluded track were built, reused, failed or blocked by a failure upstream."""
    size = execution.workspace.size
    values, failed = size(track.values), size(track.failures)
    wanted = size(execution.plan.roots[CASES]) * track.fanout
    return Counter(
        built=execution.built,
        reused=values - execution.built,
        failed=failed,
        blocked=wanted - values - failed,
    )


def _bound(call: Any, work: Work, groups: Inputs) -> Any:
    return lambda: call(work, groups, [])


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
