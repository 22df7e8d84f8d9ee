"""Means with their intervals as an inline SVG image."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from themis_vcs.analysis.report import Figure

_WIDTH, _LABELS, _HEIGHT, _MOST = 760, 300, 24, 60


def means_plot(figures: Sequence[Figure]) -> str:
    """Draw a line per figure that has a mean, at most sixty, on one axis from the least to the greatest bound."""
    drawn = [each for each in figures if each.mean is not None][:_MOST]
    if not drawn:
        return ""
    bounds = [bound for each in drawn for bound in (*(each.ci or ()), each.mean or 0.0)]
    low, high = min(0.0, *bounds), max(1.0, *bounds)
    height = _HEIGHT * (len(drawn) + 1)
    lines = [_line(each, _HEIGHT * (at + 0.5), low, high) for at, each in enumerate(drawn)]
    axis = f'<line class="axis" x1="{_LABELS}" x2="{_WIDTH}" y1="{height - 22}" y2="{height - 22}"/>'
    ends = f'<text x="{_LABELS}" y="{height - 6}">{low:.4g}</text>'
    ends += f'<text x="{_WIDTH}" y="{height - 6}" text-anchor="end">{high:.4g}</text>'
    title = "<title>Means with 95 % intervals; the table has the same figures</title>"
    body = "\n".join(lines)
    return f'<svg role="img" viewBox="0 0 {_WIDTH} {height}">{title}\n{body}\n{axis}{ends}</svg>\n'


def _line(figure: Figure, y: float, low: float, high: float) -> str:
    def x(value: float) -> str:
        return f"{_LABELS + (_WIDTH - _LABELS) * (value - low) / (high - low):.1f}"

    name = figure.metric if figure.by is None else f"{figure.metric}, {figure.slice}"
    said = "".join(each if each.isprintable() else " " for each in name)
    said = said if len(said) <= 40 else said[:39] + "…"
    drawn = f'<text x="0" y="{y + 4}">{escape(said)}</text>'
    if figure.ci is not None:
        drawn += f'<line class="interval" x1="{x(figure.ci[0])}" x2="{x(figure.ci[1])}" y1="{y}" y2="{y}"/>'
    return f'{drawn}<circle class="bar" cx="{x(figure.mean or 0.0)}" cy="{y}" r="4"/>'
