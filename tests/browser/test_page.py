"""The HTML report in a real browser: it shows what was stored, lets nobody else's words act, and loads nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.components import Answer, Equal
from tests.support.experiments import dataset, experiment
from themis_vcs import Case, GenerationResult, InMemoryRunStore, Reporter
from themis_vcs.analysis.reporting import findings
from themis_vcs.audit.finding import Finding, Verdict

CHROMIUM = shutil.which("chromium")
api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

HOSTILE = {
    "c0": "</script><script>document.title = 'taken'</script>",
    "c1": "<img src=x onerror=\"document.title = 'taken'\">",
    "c2": "<svg onload=document.title='taken'><iframe src='javascript:top.document.title=`taken`'></iframe>",
    "c3": "]]>--><!--<script>alert(1)</script>\u2028\u2029{{7*7}}${7*7}",
    "c4": "<base href='https://example.org/'><link rel=stylesheet href=//example.org/x>",
    "c5": '"],"x":["\\u003c/script\\u003e',
}
CASES = 250


class Hostile(Answer):
    """A generator whose answers try to act in a page."""

    async def generate(self, case: Case, ctx: Any) -> GenerationResult:
        if case.case_id == "c6":
            raise RuntimeError(HOSTILE["c0"])
        return GenerationResult(HOSTILE.get(case.case_id, "right"))


@dataclass
class Seen:
    """A page and what happened while it was used."""

    page: Any
    problems: list[str] = field(default_factory=list)

    def rows(self) -> list[list[str]]:
        found: list[list[str]] = self.page.eval_on_selector_all(
            "#body tr", "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
        )
        return found

    def count(self) -> str:
        return str(self.page.text_content("#count"))


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    store = InMemoryRunStore()
    expected = {f"c{n}": {"expected_output": "right"} for n in range(CASES)}
    data = dataset(CASES, "<b>data</b>", **expected)
    experiment(name="run", generator=Hostile(), metrics=[Equal()], datasets=[data]).run(store=store)
    Reporter(store).export_html("run", path, columns="case,outcome,value,message,output")
    return path


@pytest.fixture(scope="module")
def browser(document: Path) -> Iterator[Any]:  # the run comes first: it has an event loop of its own
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def seen(browser: Any, document: Path) -> Iterator[Seen]:
    with opened(browser, document) as seen:
        yield seen
        assert seen.page.title() == "run: report"


@contextmanager
def opened(browser: Any, document: Path) -> Iterator[Seen]:
    """A page in the browser; nothing is loaded, asked or logged while it is used."""
    page = browser.new_page()
    seen = Seen(page)
    page.on("pageerror", lambda error: seen.problems.append(f"error: {error}"))
    page.on("console", lambda message: seen.problems.append(f"console: {message.text}"))
    page.on("dialog", lambda dialog: (seen.problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: seen.problems.append(f"request: {request.url}"))
    page.goto(document.as_uri())
    seen.problems.remove(f"request: {document.as_uri()}")
    yield seen
    assert seen.problems == []
    page.close()


def test_hostile_answers_are_shown_as_they_are(seen: Seen) -> None:
    seen.page.select_option("#outcome", "incorrect")
    assert {case: output for case, *_, output in seen.rows()} == HOSTILE


def test_rows_are_shown_page_by_page(seen: Seen) -> None:
    assert (len(seen.rows()), seen.count()) == (100, "250 of 250 rows, page 1 of 3")
    assert seen.page.is_disabled("#previous")
    seen.page.click("#next")
    seen.page.click("#next")
    assert (len(seen.rows()), seen.count()) == (50, "250 of 250 rows, page 3 of 3")
    assert seen.page.is_disabled("#next")
    seen.page.click("#previous")
    assert seen.count() == "250 of 250 rows, page 2 of 3"


def test_rows_are_found_by_their_words_and_by_their_outcome(seen: Seen) -> None:
    seen.page.fill("#filter", "ONERROR")
    assert [row[0] for row in seen.rows()] == ["c1"]
    seen.page.fill("#filter", "")
    seen.page.select_option("#outcome", "error")
    assert [row[0] for row in seen.rows()] == ["c6"]
    seen.page.select_option("#outcome", "incorrect")
    assert [row[0] for row in seen.rows()] == sorted(HOSTILE)


def test_rows_are_sorted_by_a_heading_and_back(seen: Seen) -> None:
    heading = seen.page.locator("#cases th", has_text="value")
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert [row[0] for row in seen.rows()[:6]] == sorted(HOSTILE)
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert {row[2] for row in seen.rows()} == {"1"}
    # A case without a value is the last one, either way.
    seen.page.click("#next")
    seen.page.click("#next")
    assert seen.rows()[-1][0] == "c6"


def test_every_control_can_be_reached_and_named_without_a_mouse(seen: Seen) -> None:
    names = seen.page.eval_on_selector_all(
        "input, select, button",
        "all => all.map(each => (each.labels?.length ? each.labels[0] : each).innerText.trim())",
    )
    assert all(names)
    seen.page.locator("#cases th button").first.focus()
    seen.page.keyboard.press("Enter")
    assert seen.page.locator("#cases th").first.get_attribute("aria-sort") == "ascending"


def test_the_page_of_an_audit_shows_hostile_findings_as_they_are(browser: Any, tmp_path: Path) -> None:
    found = [
        Finding(code="value-differs", level="re-execution", severity="error", message=each, way=[each], diff=[each])
        for each in HOSTILE.values()
    ]
    verdict = Verdict(level="integrity", outcome="reproduced", why=HOSTILE["c1"], checked={}, findings={})
    head = findings.Audited(oid="0" * 64, run_id="1" * 64, name=HOSTILE["c0"], verdicts=[verdict])
    path = tmp_path / "audit.html"
    path.write_text("".join(findings.page(head, found, 5)))
    with opened(browser, path) as seen:
        shown = seen.page.eval_on_selector_all("tr.error td:nth-child(5)", "all => all.map(each => each.textContent)")
        spelled = [each.replace("\u2028", "U+2028").replace("\u2029", "U+2029") for each in HOSTILE.values()]
        assert shown == spelled[:5]
        assert seen.page.title() == f"{HOSTILE['c0']}: audit"
        assert "And 1 more" in seen.page.text_content("main")
