"""How a report words its head and its cells, for every format that a person reads."""

from __future__ import annotations

from themis_vcs.analysis.report import Cost, Figure, Report
from themis_vcs.analysis.selection import text

FIGURES = ("metric", "slice", "mean", "95 % interval", "n", "failed", "not reached", "cases")
ERRORS = ("stage", "category", "metric", "rows")
COSTS = ("stage", "calls", "timed", "tokens", "latency sum", "mean", "p50", "p95")
SHOWN = ("dataset", "case", "metric", "outcome", "value", "category", "message", "output")
"""The columns that are shown to people unless they ask for others."""
_CLIPPED = 200


def facts(head: Report) -> list[tuple[str, str]]:
    """What a run is, as (label, text)."""
    through = f" through {head.completed_through_stage}" if head.completed_through_stage else ""
    return [
        ("run", head.run_id),
        ("object", head.oid),
        ("name", head.name),
        ("status", f"{head.status}{through}"),
        ("complete", _complete(head)),
        ("made", head.time),
        *([("from", head.origin)] if head.origin else []),
        ("cases", f"{head.cases:,}"),
        ("failed cases", "count as 0" if head.failed == "zero" else "left out of the means"),
        ("written by", f"themis {head.themis}"),
    ]


def _complete(head: Report) -> str:
    """How far a run got, and how many cases did not get through. What is not complete begins with "no: "."""
    failed = f"{head.cases_failed:,} of {head.cases:,} cases failed" if head.cases_failed else ""
    if head.incomplete:
        return "no: " + "; ".join([*head.incomplete, *([failed] if failed else [])])
    return f"all stages reached; {failed}" if failed else "yes"


def provenance(head: Report) -> list[tuple[str, str]]:
    """What the run was made of and where, as (label, text)."""
    stages = [(name, text(value)) for name, value in head.configuration.items()]
    return [*stages, *((name, text(value)) for name, value in head.surroundings.items() if value)]


def figure_cells(figure: Figure) -> list[str]:
    """A row under `FIGURES`."""
    interval = "" if figure.ci is None else f"{figure.ci[0]:.4f} to {figure.ci[1]:.4f}"
    part = "" if figure.by is None else f"{figure.by} = {figure.slice}"
    mean = "" if figure.mean is None else f"{figure.mean:.4f}"
    counts = (figure.n, figure.failed, figure.not_reached, figure.cases)
    return [figure.metric, part, mean, interval, *(f"{each:,}" for each in counts)]


def error_cells(head: Report) -> list[list[str]]:
    """The rows under `ERRORS`."""
    return [[each.stage, each.category, each.metric, f"{each.count:,}"] for each in head.errors]


def cost_cells(cost: Cost) -> list[str]:
    """A row under `COSTS`; latencies in seconds."""
    times = (cost.latency_sum, cost.latency_mean, cost.latency_p50, cost.latency_p95)
    tokens = ", ".join(f"{kind} {amount:,}" for kind, amount in cost.tokens.items())
    calls = [cost.stage, f"{cost.calls:,}", f"{cost.timed:,}", tokens]
    return [*calls, *("" if each is None else f"{each / 1000:,.2f} s" for each in times)]


def clipped(value: object) -> str:
    """A cell in at most 200 characters; a cut is marked with "…"."""
    said = f"{value:.6g}" if isinstance(value, float) else text(value)
    return said if len(said) <= _CLIPPED else said[: _CLIPPED - 1] + "…"
