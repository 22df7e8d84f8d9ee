"""An audit as Markdown: nothing that a finding says is markup."""

from __future__ import annotations

from themis_vcs.analysis.reporting.findings import Audited, markdown
from themis_vcs.audit.finding import Finding, Verdict

HOSTILE = "| [x](javascript:1) <img src=x>\n# `head` \x1b[31m\u202e https://example.org"


def written(count: int, limit: int) -> str:
    finding = Finding(code="run-id", level="provenance", severity="error", message=HOSTILE, way=[HOSTILE])
    verdict = Verdict(
        level="integrity", outcome="reproduced", why=HOSTILE, checked={"run": 1_000}, findings={"note": 2}
    )
    head = Audited(oid="0" * 64, run_id="1" * 64, name=HOSTILE, since="2" * 64, verdicts=[verdict])
    return "".join(markdown(head, [finding] * count, limit))


def test_no_part_of_a_finding_is_markup() -> None:
    text = written(2, 10)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "<img" not in text
    assert "](javascript" not in text
    assert "https://" not in text
    rows = [line for line in text.splitlines() if line.startswith("| error")]
    assert len(rows) == 2
    assert all(row.replace("\\|", "").count("|") == 7 for row in rows)


def test_what_is_beyond_the_limit_is_counted() -> None:
    assert "And 3 more; --limit 0 shows all." in written(5, 2)
    assert "Nothing was found." in written(0, 2)
