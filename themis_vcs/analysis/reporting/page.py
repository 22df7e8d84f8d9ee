"""A report as one HTML file that loads nothing: tables, plots, and the rows to filter and sort.

What a model wrote is text in it: escaped by `html.escape`, or JSON that a script of ours puts into `textContent`. A
content security policy names the hashes of that script and of the style sheet, and forbids everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.resources import files
from itertools import islice
from typing import Final

import msgspec

from themis_vcs.analysis.outcomes import CORRECT, ERROR, INCORRECT, NOT_REACHED, SCORED, Row
from themis_vcs.analysis.report import Report
from themis_vcs.analysis.reporting.markup import definitions, digest, table, text
from themis_vcs.analysis.reporting.plot import means_plot
from themis_vcs.analysis.reporting.wording import (
    COSTS,
    ERRORS,
    FIGURES,
    cost_cells,
    error_cells,
    facts,
    figure_cells,
    provenance,
)
from themis_vcs.analysis.selection import Selection

_JSON = str.maketrans(
    {each: f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}
)
MOST_ROWS: Final = 10_000
"""So many rows a page has unless a limit says how many: a browser keeps all of them in memory."""
_OUTCOMES = (CORRECT, INCORRECT, SCORED, ERROR, NOT_REACHED)


def page(head: Report, selection: Selection, rows: Iterable[Row]) -> Iterator[str]:
    """Write the page."""
    style, script = (files(__package__).joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    policy = f"default-src 'none'; style-src {digest(style)}; script-src {digest(script)}"
    policy += "; base-uri 'none'; form-action 'none'"
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(head.name)}: report</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>Report of {text(head.name)}</h1>\n"
    )
    if head.incomplete:
        yield f'<p class="incomplete" role="note">This run is not complete: {text("; ".join(head.incomplete))}</p>\n'
    yield definitions(facts(head))
    yield "<h2>Means</h2>\n"
    yield means_plot([*head.metrics, *head.slices])
    yield table(FIGURES, map(figure_cells, (*head.metrics, *head.slices)))
    if head.errors:
        yield "<h2>Errors</h2>\n" + table(ERRORS, error_cells(head))
    if head.costs:
        yield "<h2>Cost</h2>\n" + table(COSTS, map(cost_cells, head.costs))
    yield from _cases(selection, rows)
    yield f"<h2>Provenance</h2>\n<details><summary>What it was made of</summary>{definitions(provenance(head))}"
    yield f"</details>\n</main>\n<script>{script}</script>\n</body>\n</html>\n"


def _cases(selection: Selection, rows: Iterable[Row]) -> Iterator[str]:
    headings = "".join(
        f'<th scope="col"><button type="button">{text(name)}</button></th>' for name in selection.columns
    )
    kinds = "".join(f"<option>{each}</option>" for each in _OUTCOMES)
    choice = f'<label>outcome<select id="outcome"><option value="">all</option>{kinds}</select></label>'
    yield (
        '<h2>Cases</h2>\n<noscript>The rows are shown by a script.</noscript>\n<div class="controls">'
        '<label>contains<input id="filter" type="search"></label>'
        + (choice if "outcome" in selection.columns else "")
        + '<button id="previous" type="button">previous</button><button id="next" type="button">next</button>'
        '<output id="count" aria-live="polite"></output></div>\n<div class="scroll"><table id="cases">'
        f'<thead><tr>{headings}</tr></thead><tbody id="body"></tbody></table></div>\n'
        '<script id="rows" type="application/json">'
        f'{{"columns":{_json(list(selection.columns))},"rows":['
    )
    between, rows = "\n", iter(rows)
    for row in rows if selection.limit is not None else islice(rows, MOST_ROWS):
        yield between + _json(selection.cells(row))
        between = ",\n"
    yield "]}</script>\n"
    if next(rows, None) is not None:
        yield f'<p role="note">These are the first {MOST_ROWS:,} rows; --limit 0 makes a page with all.</p>\n'


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode().translate(_JSON)
