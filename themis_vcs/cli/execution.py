"""Carrying out a run for the command line: progress while it goes, then its result as text or JSON, then the status."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from themis_vcs.cli.failure import FINDINGS, INTERRUPTED, OK
from themis_vcs.cli.output import Output, Part, bold, colored, dim
from themis_vcs.cli.pending import planned, print_pending
from themis_vcs.cli.progress import Progress
from themis_vcs.cli.wording import count, metric_table, status_color

if TYPE_CHECKING:
    from themis_vcs.pipeline.events import Observer
    from themis_vcs.pipeline.result import RunResult

_FAILED = "completed_with_failures"


def carry_out(
    output: Output, start: Callable[[Observer], Coroutine[Any, Any, RunResult]], *, as_json: bool, again: str
) -> int:
    """Run the coroutine that `start` makes, print what came of it, and return the exit status.

    `again` says how to go on after an interruption.
    """
    result = execute(output, start, again=again)
    if result is None:
        return INTERRUPTED
    if as_json:
        output.json(result.document())
    else:
        print_result(output, result)
    return status_of(result)


def execute(
    output: Output, start: Callable[[Observer], Coroutine[Any, Any, RunResult]], *, again: str
) -> RunResult | None:
    """Run the coroutine that `start` makes, with progress; None if it was interrupted, which is then said."""
    progress = Progress(output.live())
    try:
        with _terminated_as_interrupted():
            return asyncio.run(start(progress))
    except KeyboardInterrupt:
        progress.clear()
        steps = count(progress.finished, "step")
        output.error(f"interrupted; what was finished is kept ({steps} in this run)", again)
        return None
    finally:
        progress.clear()


def status_of(result: RunResult) -> int:
    """The exit status that a finished run stands for."""
    return FINDINGS if result.status == _FAILED else OK


def show_plan(output: Output, start: Callable[[], Coroutine[Any, Any, RunResult]], *, as_json: bool) -> int:
    """Run the coroutine of a dry run, and print what it would execute."""
    result = asyncio.run(start())
    if as_json:
        document = {**result.document(), "status": "planned", "completed_through_stage": None}
        output.json({**document, "stages": planned(result), "pending": result.pending})
    else:
        print_pending(output, result)
    return OK


def print_result(output: Output, result: RunResult) -> None:
    """Print the summary of a run: stages, metrics, what it is called."""
    rows: list[list[Part]] = [["stage", "built", "reused", "failed", ""]]
    for stage, counts in result.stages.items():
        notes = ["passed through"] if stage in result.passed_through else []
        if counts.blocked:
            notes.append(f"{counts.blocked:,} blocked by failures before")
        failed: Part = colored(f"{counts.failed:,}", "red") if counts.failed else "0"
        rows.append([stage, bold(f"{counts.built:,}"), f"{counts.reused:,}", failed, dim(", ".join(notes))])
    output.table(rows, right=(1, 2, 3))
    if result.metrics:
        output.line()
        output.table(metric_table(result.metrics), right=(1, 2, 3, 4))
    output.line()
    through = f" through {result.completed_through_stage}" if result.completed_through_stage else ""
    added = dim(f"  {count(result.objects_added, 'object')} added")
    output.line("name  ", bold(result.name), "  ", status_color(result.status), through, added)
    output.line("run   ", result.run_id)
    worst = next((stage for stage, counts in result.stages.items() if counts.failed), None)
    if worst is not None:
        listed = f"`themis ls {result.name}:{worst} --failed` lists them"
        output.note(f"failed steps are tried again by the next run; {listed}")


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does, so that what is finished is recorded."""
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
