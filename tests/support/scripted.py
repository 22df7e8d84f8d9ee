"""A program to be killed: three runs of one experiment, with every call and every acknowledgement in a journal.

    python -m tests.support.scripted STORE JOURNAL [PAUSE]

The store is made if it is not there, and written after every few steps, not after a time, so that there are many
transactions and always the same. It starts with a map that is too small, and learns dictionaries early. PAUSE is how
many seconds a component takes. In every transaction a byte is written to stdout, and then one is awaited from stdin
unless that is at its end.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.support.journal import Journal
from themis_vcs import (
    Case,
    Dataset,
    EvaluationConfig,
    Experiment,
    GenerationConfig,
    GenerationResult,
    JudgeCall,
    JudgeResponse,
    ParsedJudgment,
    ParsedOutput,
    ReducedCandidate,
    RenderedJudgePrompt,
    RuntimeConfig,
    Score,
)
from themis_vcs.errors import ThemisError
from themis_vcs.model.objects import Run, Stage, Step
from themis_vcs.pipeline import execute
from themis_vcs.pipeline.events import Observer, RunEvent, StepFinished
from themis_vcs.pipeline.result import RunResult
from themis_vcs.store import compressor, lmdb
from themis_vcs.store.backend import Batch
from themis_vcs.store.dictionaries import Samples
from themis_vcs.store.environment import Environment
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.repository import Repository

T = TypeVar("T")

CASES = 40
SAMPLES = 2
NAMES = ("part", "whole", "more")
STEPS = CASES * (SAMPLES + 5)
_WORDS = ("the", "sum", "of", "two", "equal", "numbers", "is", "even", "as")
_FLUSH_EVERY = 25
_NO_REGULAR_FLUSH = ("_FLUSH_SECONDS", 3600.0)
_MAP_SIZE = 1 << 16
_WRITE_TIMEOUT = 1.0
_RECORDS_FOR_A_DICTIONARY = 60


@dataclass
class Part:
    """What all components have: the journal and the time that they take."""

    journal: Journal
    pause: float = 0.0
    component_id: str = ""
    deterministic: bool = True

    def fingerprint(self) -> str:
        return self.component_id

    def called(self, *case: object) -> None:
        self.journal.write(f"call {self.component_id} {'/'.join(map(str, case))}")

    async def take_time(self) -> None:
        await asyncio.sleep(self.pause)


@dataclass
class Answer(Part):
    component_id: str = "answer"

    async def generate(self, case: Case, ctx: Any) -> GenerationResult:
        self.called(ctx.dataset_id, case.case_id, ctx.candidate_index)
        await self.take_time()
        words = random.Random(f"{case.case_id}/{ctx.candidate_index}")
        text = " ".join(words.choices(_WORDS, k=words.randint(5, 500)))
        name = f"{case.case_id}/{ctx.candidate_index}"
        return GenerationResult(f"{text} = {case.expected_output}", candidate_id=name)


@dataclass
class First(Part):
    component_id: str = "first"

    async def reduce(self, candidates: list[GenerationResult], ctx: Any) -> ReducedCandidate:
        self.called(ctx.dataset_id, ctx.case_id)
        ids = [candidate.candidate_id for candidate in candidates]
        return ReducedCandidate(candidates[0].final_output, candidate_id=ids[0], source_candidate_ids=ids)


@dataclass
class Parser(Part):
    component_id: str = "parser"

    def parse(self, candidate: ReducedCandidate, ctx: Any) -> ParsedOutput:
        self.called(ctx.dataset_id, ctx.case_id)
        time.sleep(self.pause / 8)
        return ParsedOutput(candidate.final_output.rpartition("= ")[2])


@dataclass
class Equal(Part):
    component_id: str = "equal"

    def score(self, parsed: ParsedOutput, case: Case, ctx: Any) -> Score:
        self.called(ctx.dataset_id, case.case_id)
        time.sleep(self.pause / 8)
        return Score(self.component_id, float(parsed.value == case.expected_output))


@dataclass
class Verdict(Part):
    """A workflow metric with one question; its prompt names the step, so that the judge can put it on record."""

    component_id: str = "verdict"

    def build_workflow(self, subject: Any, ctx: Any) -> Workflow:
        return Workflow(f"{ctx.dataset_id}/{ctx.case.case_id}/0", ctx.parsed_output.value)


@dataclass
class Workflow:
    key: str
    parsed: str

    def judge_calls(self) -> list[JudgeCall]:
        return [JudgeCall("call-0", "judge")]

    def render_prompt(self, call: JudgeCall, subject: Any, ctx: Any) -> RenderedJudgePrompt:
        return RenderedJudgePrompt(call.call_id, f"{self.key} {self.parsed}")

    def parse_judgment(self, call: JudgeCall, response: JudgeResponse, ctx: Any) -> ParsedJudgment:
        return ParsedJudgment("seen", json.loads(response.raw_response))

    def score_judgment(self, call: JudgeCall, judgment: ParsedJudgment, ctx: Any) -> Score:
        assert judgment.score is not None
        return Score("verdict", judgment.score)

    def aggregate(self, judgments: list[ParsedJudgment], scores: list[Score], ctx: Any) -> None:
        return None


@dataclass
class Judge(Part):
    component_id: str = "judge"

    async def judge(self, prompt: str, *, seed: int | None = None) -> JudgeResponse:
        key, _, parsed = prompt.partition(" ")
        self.journal.write(f"call verdict {key}")
        await self.take_time()
        return JudgeResponse(self.component_id, json.dumps(float(parsed.startswith("v"))))


class Recorder(LmdbBackend):
    """A store that remembers what it applied."""

    applied: list[Batch]

    def apply(self, batch: Batch) -> int:
        added = super().apply(batch)
        self.applied.append(batch)
        return added


class Witness(Repository):
    """A repository that puts on record what was part of a flush or a commit that has returned."""

    def __init__(self, path: Path, journal: Journal) -> None:
        recorder = Recorder(path, create=True, map_size=_MAP_SIZE, write_timeout=_WRITE_TIMEOUT)
        recorder.applied = []
        super().__init__(recorder, path)
        self._recorder, self._journal = recorder, journal

    def flush(self) -> None:
        super().flush()
        self._acknowledge()

    def commit(self, refs: Sequence[Any], **options: Any) -> None:
        super().commit(refs, **options)
        self._acknowledge()

    def _acknowledge(self) -> None:
        batches = self._recorder.applied
        self._recorder.applied = []
        steps = [(key, self.load(oid, Step)) for batch in batches for key, oid in batch.derivations.items()]
        refs = [update for batch in batches for update in batch.refs]
        self._journal.write(*(f"step {key.hex()} {step.component} {step.case}" for key, step in steps))
        self._journal.write(*(f"ref {update.name} {update.new.hex()}" for update in refs if update.new))


def carry_out(
    repository: Repository, journal: Journal, pause: float = 0.0, flush_every: int = _FLUSH_EVERY
) -> list[RunResult]:
    """Run the experiment as far as its answers are parsed, then all of it, then with one metric more."""
    observer = _observer(repository, journal, flush_every)
    directory = repository.path.parent if repository.path is not None else None
    return [
        _experiment(name, journal, pause, directory).run(
            store=repository, until_stage="parse" if name == "part" else "judge", on_event=observer
        )
        for name in NAMES
    ]


def outcome(repository: Repository) -> dict[str, Any]:
    """What the three runs came to, without what differs from one execution to the next."""
    found: dict[str, Any] = {}
    for name in NAMES:
        run = repository.load(repository.ref(f"names/{name}") or b"", Run)
        stages = [repository.load(oid, Stage) for oid in run.stages]
        found[name] = {
            "run_id": run.run_id.hex(),
            "status": run.status,
            "values": {f"{s.name} {t.id}": t.values.hex() for s in stages for t in s.tracks},
        }
    return found


def _experiment(name: str, journal: Journal, pause: float, directory: Path | None) -> Experiment:
    def part(kind: Callable[..., T], **options: Any) -> T:
        return kind(journal, pause, **options)

    metrics = [part(Equal), part(Verdict)]
    if name == "more":
        metrics.append(part(Equal, component_id="another"))
    cases = [Case(f"c{number}", f"{number}+{number}", f"v{2 * number}") for number in range(CASES)]
    return Experiment(
        name=name,
        directory=directory,
        generation=GenerationConfig(
            generator=part(Answer), reducer=part(First), candidate_policy={"num_samples": SAMPLES}
        ),
        evaluation=EvaluationConfig(parsers=[part(Parser)], metrics=metrics, judge_models=[part(Judge)]),
        runtime=RuntimeConfig(max_concurrent_tasks=8),
        datasets=[Dataset("sums", cases)],
    )


def _observer(repository: Repository, journal: Journal, flush_every: int) -> Observer:
    number = itertools.count(1)

    def observe(event: RunEvent) -> None:
        if not isinstance(event, StepFinished):
            return
        if event.outcome == "built":
            journal.write(f"built {event.track} {event.case}")
        if next(number) % flush_every == 0:
            repository.flush()

    return observe


def _marked(journal: Journal) -> type[Environment]:
    class Marked(Environment):
        def write(self, body: Callable[[Any], T], **options: Any) -> T:
            def marked(writer: Any) -> T:
                journal.write(f"enter {time.monotonic_ns()}")
                os.write(1, b".")
                os.read(0, 1)
                return body(writer)

            result = super().write(marked, **options)
            journal.write(f"leave {time.monotonic_ns()}")
            return result

    return Marked


def main(store: Path, journal: Journal, pause: float) -> int:
    # A shell lets what it starts in the background ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    setattr(execute, *_NO_REGULAR_FLUSH)
    setattr(lmdb, Environment.__name__, _marked(journal))
    setattr(compressor, Samples.__name__, functools.partial(Samples, needed=_RECORDS_FOR_A_DICTIONARY))
    try:
        with Witness(store, journal) as repository:
            journal.write("opened")
            carry_out(repository, journal, pause)
    except ThemisError as error:
        journal.write(f"raised {type(error).__name__} {error.message!r}")
        return error.exit_status
    except BaseException as error:
        journal.write(f"raised {type(error).__name__} {str(error)!r}")
        raise
    journal.write("done")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Journal(Path(sys.argv[2])), float((sys.argv[3:] or ["0"])[0])))
