"""Carrying out a sweep for the command line: one run after the other, and a line about each."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from themis_vcs.cli.execution import execute, status_of
from themis_vcs.cli.failure import INTERRUPTED, OK
from themis_vcs.cli.output import Output, Part, bold
from themis_vcs.cli.wording import means_line, status_color

if TYPE_CHECKING:
    from themis_vcs.pipeline.events import Observer
    from themis_vcs.pipeline.result import RunResult

Start = Callable[["Observer"], Coroutine[Any, Any, "RunResult"]]


def carry_out_all(output: Output, starts: Iterable[Start], *, as_json: bool) -> int:
    """Run what each of `starts` makes, print what came of it as it comes, and return the worst exit status."""
    names, worst = [], OK
    for start in starts:
        result = execute(output, start, again="the same command goes on from here")
        if result is None:
            return INTERRUPTED
        worst = max(worst, status_of(result))
        names.append(result.name)
        if as_json:
            output.json_line(result.document())
        else:
            _print(output, result)
    output.note("compare them: themis compare ", " ".join(names))
    return worst


def _print(output: Output, result: RunResult) -> None:
    built = sum(counts.built for counts in result.stages.values())
    reused = sum(counts.reused for counts in result.stages.values())
    line: list[Part] = [bold(result.name), "  ", status_color(result.status), f"  built {built:,}, reused {reused:,}"]
    if result.metrics:
        line += ["  ", *means_line(result.metrics)]
    output.line(*line, hang=2)
