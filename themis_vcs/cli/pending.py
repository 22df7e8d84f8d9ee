"""A dry run as text: what would be executed in each stage, and why."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from themis_vcs.cli.output import Output, Part, bold, dim
from themis_vcs.cli.wording import count

if TYPE_CHECKING:
    from themis_vcs.analysis.reasons import Reason
    from themis_vcs.pipeline.result import PendingStep, RunResult

_SHOWN = 10
_KEYS = 3
_SAID = {"not deterministic": "not deterministic, so asked again"}


def print_pending(output: Output, result: RunResult) -> None:
    """Print the plan of a dry run: counts per stage, then why steps would be executed, the commonest reasons first."""
    rows: list[list[Part]] = [["stage", "execute", "reused", "waiting", ""]]
    by_stage = {stage: list(steps) for stage, steps in groupby(result.pending, key=lambda step: step.stage)}
    for stage, counts in planned(result).items():
        passed = dim("passed through") if stage in result.passed_through else ""
        amounts = (counts["pending"], counts["reused"], counts["blocked"])
        rows.append([stage, *(f"{amount:,}" for amount in amounts), passed])
    output.table(rows, right=(1, 2, 3))
    for stage, steps in by_stage.items():
        output.line()
        output.line(bold(stage), f"  {count(len(steps), 'step')} to execute")
        _print_steps(output, steps)
    if any(counts["blocked"] for counts in planned(result).values()):
        output.line()
        output.line("Steps that wait are executed only where the values before them change.")


def planned(result: RunResult) -> dict[str, dict[str, int]]:
    """The counts of a dry run by stage: steps to execute are `pending`, and `blocked` only those that wait for them."""
    own = Counter(step.stage for step in result.pending)
    return {
        stage: {
            "built": 0,
            "reused": counts.reused,
            "failed": counts.failed,
            "blocked": max(0, counts.blocked - own[stage]),
            "pending": own[stage],
        }
        for stage, counts in result.stages.items()
    }


def reason_line(reason: Reason) -> list[Part]:
    """One reason in one line."""
    line: list[Part] = [_SAID.get(reason.kind, reason.kind)]
    if reason.field:
        line.extend((": ", reason.field))
    if reason.old is not None and reason.new is not None:
        line.extend((dim("  "), reason.old, " → ", reason.new))
    elif reason.old is not None:
        line.append(f"  {reason.old}")
    return line


def _print_steps(output: Output, steps: list[PendingStep]) -> None:
    groups: dict[tuple[Reason, ...], list[PendingStep]] = {}
    for step in steps:
        groups.setdefault(tuple(step.reasons), []).append(step)
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    for reasons, members in ordered[:_SHOWN]:
        keys = ", ".join(f"{step.case} {step.track}" for step in members[:_KEYS])
        more = f", and {len(members) - _KEYS:,} more" if len(members) > _KEYS else ""
        for reason in reasons:
            output.line("  ", *reason_line(reason), hang=4)
        output.line("    ", dim(keys + more), hang=6)
    rest = sum(len(members) for _, members in ordered[_SHOWN:])
    if rest:
        output.line("  ", dim(f"and {rest:,} more for other reasons; --json lists all"))
