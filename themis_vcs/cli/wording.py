"""How ids, times, sizes, scores and differences are worded in text output."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from themis_vcs.cli.output import Part, bold, colored, dim

if TYPE_CHECKING:
    from themis_vcs.analysis.changes import EntryChanges, RunChanges
    from themis_vcs.analysis.differences import Difference
    from themis_vcs.analysis.metrics import MetricMean

ID_LENGTH = 12
_SHOWN_PACKAGES = 3


def short(oid: str) -> str:
    """The beginning of an id in hex, long enough to name it."""
    return oid[:ID_LENGTH]


def local(moment: str) -> str:
    """An ISO time in the time zone of this machine."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def size(count: int) -> str:
    """A number of bytes."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def number(value: float | None) -> str:
    """A score."""
    return "none" if value is None else f"{value:.4g}"


def count(amount: int, noun: str) -> str:
    """An amount of something, the noun in its plural where it must be."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"


def duration(seconds: float) -> str:
    """A time span, such as 0:38 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def status_color(status: str) -> Part:
    """A run's status, coloured by what it means."""
    colors = {"completed": "green", "completed_with_failures": "yellow", "interrupted": "yellow"}
    return colored(status, colors[status]) if status in colors else status


def difference(change: Difference) -> list[Part]:
    """One field that differs, in one line."""
    from themis_vcs.analysis.excerpt import excerpt

    if change.kind == "added":
        return [colored("+ ", "green"), change.path, ": ", excerpt(change.new)]
    if change.kind == "removed":
        return [colored("- ", "red"), change.path, ": ", excerpt(change.old)]
    return [colored("~ ", "yellow"), change.path, ": ", excerpt(change.old), " → ", excerpt(change.new)]


def change_lines(changes: RunChanges) -> Iterator[list[Part]]:
    """What changed between two runs, the configuration first."""
    for change in changes.configuration:
        yield difference(change)
    if entries(changes.cases):
        yield [colored("~ ", "yellow"), "cases: ", entries(changes.cases)]


def surroundings_lines(changes: list[Difference]) -> Iterator[list[Part]]:
    """What differs in the surroundings of two runs; of many packages the first few."""
    packages = [change for change in changes if change.path.startswith("packages.")]
    for change in [*(each for each in changes if each not in packages), *packages[:_SHOWN_PACKAGES]]:
        yield difference(change)
    if len(packages) > _SHOWN_PACKAGES:
        yield [dim(f"  and {len(packages) - _SHOWN_PACKAGES} more packages")]


def entries(changes: EntryChanges) -> str:
    """Counts of entries that changed; "" if none did."""
    named = (("added", changes.added), ("removed", changes.removed), ("changed", changes.changed))
    return ", ".join(f"{amount:,} {what}" for what, amount in named if amount)


def means_line(metrics: dict[str, MetricMean]) -> list[Part]:
    """The means of a run in one line."""
    line: list[Part] = []
    for name, each in metrics.items():
        mean = "none" if each.mean is None else f"{each.mean:.3f}"
        failed = colored(f", {each.failed:,} failed", "yellow") if each.failed else ""
        line.extend((", " if line else "", f"{name} ", bold(mean), f" (n {each.count:,}", failed, ")"))
    return line


def metric_table(metrics: dict[str, MetricMean]) -> list[list[Part]]:
    """The rows of a table of metrics; all columns but the first are flushed right."""
    rows: list[list[Part]] = [["metric", "mean", "95 % interval", "n", "failed"]]
    for name, each in metrics.items():
        interval = "" if each.ci is None else f"{each.ci[0]:.3f} to {each.ci[1]:.3f}"
        mean = "" if each.mean is None else f"{each.mean:.3f}"
        failed: Part = colored(f"{each.failed:,}", "yellow") if each.failed else "0"
        rows.append([name, bold(mean), interval, f"{each.count:,}", failed])
    return rows
