"""An audit as JSON, as Markdown or as one HTML page. Findings are taken one by one; what they say may be hostile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.resources import files
from itertools import islice
from typing import Final

import msgspec

from themis_vcs.analysis.reporting.markdown import escaped
from themis_vcs.analysis.reporting.markdown import table as markdown_table
from themis_vcs.analysis.reporting.markup import definitions, digest, table, text
from themis_vcs.audit.finding import Finding, Imported, Verdict

MOST: Final = 10_000
"""So many findings a page has unless a limit says how many."""
FINDINGS: Final = ("severity", "code", "level", "message", "where", "object")
VERDICTS: Final = ("level", "verdict", "why", "reads", "findings")


class Audited(msgspec.Struct, frozen=True, kw_only=True):
    """What was audited, and what every level came to. `since` and `against` are the oids of other runs.

    `imported` is the code that was executed, other than what is built in.
    """

    oid: str
    run_id: str
    name: str
    since: str | None = None
    against: str | None = None
    imported: list[Imported] = []
    verdicts: list[Verdict] = []

    def facts(self) -> list[tuple[str, str]]:
        """As (label, text)."""
        others = [("audited before", self.since), ("compared with", self.against)]
        return [
            ("run", self.run_id),
            ("object", self.oid),
            ("name", self.name),
            *((label, oid) for label, oid in others if oid is not None),
            *(("code", f"{each.target} from {each.file}") for each in self.imported),
        ]


def document(head: Audited, findings: Iterable[Finding]) -> Iterator[str]:
    """Write the JSON document themis.audit/1, of which the findings come last."""
    opening = {"schema": "themis.audit/1", **msgspec.to_builtins(head)}
    yield msgspec.json.format(msgspec.json.encode(opening), indent=2).decode().removesuffix("\n}")
    yield ',\n  "findings": ['
    for number, finding in enumerate(findings):
        yield ("," if number else "") + "\n    " + msgspec.json.encode(finding).decode()
    yield "]\n}\n"


def markdown(head: Audited, findings: Iterable[Finding], limit: int) -> Iterator[str]:
    """Write the verdicts, and a table of the first findings."""
    yield f"# Audit of {escaped(head.name)}\n\n"
    for label, said in head.facts():
        yield f"- {label}: {escaped(said)}\n"
    yield from markdown_table("Verdicts", VERDICTS, map(verdict_cells, head.verdicts))
    rest = iter(findings)
    shown = islice(rest, limit)
    first = next(shown, None)
    if first is None:
        yield "\nNothing was found.\n"
        return
    yield from markdown_table("Findings", FINDINGS, map(_cells, _joined(first, shown)))
    yield from _more(rest, "\n{}\n")


def page(head: Audited, findings: Iterable[Finding], limit: int) -> Iterator[str]:
    """Write one HTML file that loads and executes nothing."""
    style = files(__package__).joinpath("page.css").read_text("utf-8")
    policy = f"default-src 'none'; style-src {digest(style)}; base-uri 'none'; form-action 'none'"
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(head.name)}: audit</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>Audit of {text(head.name)}</h1>\n"
    )
    yield definitions(head.facts())
    yield "<h2>Verdicts</h2>\n" + table(VERDICTS, map(verdict_cells, head.verdicts))
    yield "<h2>Findings</h2>\n"
    rest = iter(findings)
    shown = islice(rest, limit)
    first = next(shown, None)
    if first is None:
        yield "<p>Nothing was found.</p>\n"
    else:
        heading = "".join(f'<th scope="col">{name}</th>' for name in FINDINGS)
        yield f'<div class="scroll"><table><thead><tr>{heading}</tr></thead>\n<tbody>'
        for each in _joined(first, shown):
            yield (
                f'<tr class="{each.severity}">' + "".join(f"<td>{text(cell)}</td>" for cell in _cells(each)) + "</tr>\n"
            )
        yield "</tbody></table></div>\n"
        yield from _more(rest, '<p role="note">{}</p>\n')
    yield "</main>\n</body>\n</html>\n"


def verdict_cells(verdict: Verdict) -> list[str]:
    """A row under `VERDICTS`."""
    found = ", ".join(f"{count:,} {severity}" for severity, count in verdict.findings.items())
    return [verdict.level, verdict.outcome, verdict.why, f"{sum(verdict.checked.values()):,}", found or "none"]


def _cells(finding: Finding) -> list[str]:
    message = "\n".join([finding.message, *finding.diff])
    return [
        finding.severity,
        finding.code,
        finding.level,
        message,
        " / ".join(finding.way),
        "" if finding.oid is None else finding.oid[:12],
    ]


def _joined(first: Finding, others: Iterable[Finding]) -> Iterator[Finding]:
    yield first
    yield from others


def _more(rest: Iterator[Finding], form: str) -> Iterator[str]:
    count = sum(1 for _ in rest)
    if count:
        yield form.format(f"And {count:,} more; --limit 0 shows all.")
