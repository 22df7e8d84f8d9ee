"""Reports: what a row says, what the head counts, and that no format lets a model's words act."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.components import Answer, Equal
from tests.support.experiments import dataset, experiment
from themis_vcs import Case, GenerationResult, InMemoryRunStore, LmdbRunStore, Reporter, ScoreError, compare
from themis_vcs.analysis.reporting.delimited import guarded
from themis_vcs.errors import NoStore, UsageError
from themis_vcs.pipeline.stores import RunStore

HOSTILE = (
    "</script><script>alert(1)</script> =HYPERLINK(1) | `x` \\input{y} \u202e\x1b[31m & \u2028"
    " <img src=x onerror=alert(2)>"
)


@dataclass
class Hostile(Answer):
    """A generator that fails for c1 and writes what no format should act on for c2."""

    component_id: str = "test/hostile"

    async def generate(self, case: Case, ctx: Any) -> GenerationResult:
        if case.case_id == "c1":
            raise RuntimeError(f"down: {HOSTILE}")
        found = await super().generate(case, ctx)
        observed = replace(found, latency_ms=100.0, token_usage={"output": 5})
        return replace(observed, final_output=f"={HOSTILE}= v4") if case.case_id == "c2" else observed


@dataclass
class Refusing(Equal):
    """A metric that cannot score c3."""

    component_id: str = "test/refusing"

    def score(self, parsed: Any, case: Case, ctx: Any) -> Any:
        return ScoreError(self.component_id, "cannot say") if case.case_id == "c3" else super().score(parsed, case, ctx)


@pytest.fixture
def store() -> RunStore:
    store = InMemoryRunStore()
    sets = [dataset(5), dataset(2, "more", c1={"expected_output": "other"})]
    metrics = [Equal(), Refusing()]
    experiment(generator=Hostile(), metrics=metrics, datasets=sets).run(store=store)
    return store


def document(store: RunStore, **options: Any) -> Any:
    return json.loads(Reporter(store).export_json("main", **options))


def test_a_row_for_every_case_and_metric(store: RunStore) -> None:
    rows = document(store)["rows"]
    keys = [(row["dataset"], row["case"], row["metric"]) for row in rows]
    cases = [("more", "c0"), ("more", "c1"), *(("sums", f"c{n}") for n in range(5))]
    assert keys == [(*case, metric) for case in cases for metric in ("test/equal", "test/refusing")]


def test_what_a_row_says(store: RunStore) -> None:
    rows = {
        (row["dataset"], row["case"], row["metric"]): row
        for row in document(store, columns="+parsed,latency_ms,tokens")["rows"]
    }
    right = rows["sums", "c0", "test/equal"]
    assert (right["outcome"], right["value"], right["candidate"], right["parsed"]) == ("correct", 1.0, "c0/0", "v0")
    assert (right["latency_ms"], right["tokens"]) == (100.0, {"output": 5})
    down = rows["sums", "c1", "test/equal"]
    assert (down["outcome"], down["value"], down["stage"]) == ("error", None, "generate")
    assert down["message"].startswith("RuntimeError: down:")
    refused = rows["sums", "c3", "test/refusing"]
    assert (refused["outcome"], refused["stage"], refused["message"]) == ("error", "score", "cannot say")


def test_means_are_those_of_the_run_and_say_how_many_cases_they_are_of(store: RunStore) -> None:
    result = experiment(
        generator=Hostile(),
        metrics=[Equal(), Refusing()],
        datasets=[dataset(5), dataset(2, "more", c1={"expected_output": "other"})],
    ).run(store=store)
    figures = {each["metric"]: each for each in document(store)["metrics"]}
    for name, mean in result.metrics.items():
        found = figures[name]
        assert (found["mean"], found["n"], found["failed"]) == (mean.mean, mean.count, mean.failed)
        assert found["ci"] == list(mean.ci or ())
        assert found["cases"] == 7


def test_failed_cases_count_as_zero_where_that_is_chosen(store: RunStore) -> None:
    left_out, zeros = (document(store, failed=each) for each in ("exclude", "zero"))
    assert (left_out["failed"], zeros["failed"]) == ("exclude", "zero")
    (one, other) = (next(f for f in each["metrics"] if f["metric"] == "test/equal") for each in (left_out, zeros))
    assert (one["n"], one["failed"]) == (5, 2)
    assert (other["n"], other["failed"]) == (7, 2)
    assert other["mean"] == pytest.approx(one["mean"] * 5 / 7, abs=1e-12)


def test_the_setting_of_the_store_chooses_what_failed_cases_are(tmp_path: Path) -> None:
    with LmdbRunStore(tmp_path / "store") as store:
        experiment(generator=Hostile()).run(store=store)
    assert document(store)["failed"] == "exclude"
    (tmp_path / "store" / "config.toml").write_text('[analysis]\nfailed = "zero"\n')
    assert document(store)["failed"] == "zero"
    assert document(store, failed="exclude")["failed"] == "exclude"


def test_slices_by_dataset_and_metadata(store: RunStore) -> None:
    slices = document(store, by=["dataset", "metadata.n"])["slices"]
    of_sets = {
        each["slice"]: each["cases"] for each in slices if (each["by"], each["metric"]) == ("dataset", "test/equal")
    }
    assert of_sets == {"more": 2, "sums": 5}
    assert {each["slice"] for each in slices if each["by"] == "metadata.n"} == {"0", "1", "2", "3", "4"}


def test_a_run_that_stopped_is_not_shown_as_complete() -> None:
    with InMemoryRunStore() as store:
        experiment().run(store=store, until_stage="parse")
        found = document(store)
    assert found["incomplete"]
    assert {row["outcome"] for row in found["rows"]} == {"not reached"}
    assert all(each["mean"] is None and each["not_reached"] == 6 for each in found["metrics"])


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "tsv", "markdown", "latex", "html"])
def test_a_report_loses_nothing_by_what_else_comes_into_the_store(store: RunStore, form: str) -> None:
    before = Reporter(store).export("main", form)
    experiment(3, name="other", seeds=[4]).run(store=store)
    experiment(9, name="third", datasets=[dataset(9)]).run(store=store)
    assert Reporter(store).export("main", form) == before


def test_columns_behind_a_plus_are_added_to_the_usual_ones(store: RunStore) -> None:
    usual, more = (list(document(store, columns=columns)["rows"][0]) for columns in (None, "+output,metadata.topic"))
    assert usual[-1] == "candidate"
    assert more == [*usual, "output", "metadata.topic"]
    assert list(document(store, columns="+case")["rows"][0]) == usual


def test_rows_and_columns_that_are_asked_for(store: RunStore) -> None:
    options = {"columns": "case,value", "where": "dataset = sums and outcome != correct", "sort": "case:desc"}
    rows = [json.loads(line) for line in Reporter(store).export_jsonl("main", **options).splitlines()]
    assert rows == [{"case": "c3", "value": None}, {"case": "c1", "value": None}, {"case": "c1", "value": None}]
    assert len(Reporter(store).export_jsonl("main", **options, limit=2).splitlines()) == 2


@pytest.mark.parametrize(
    "asked",
    [
        {"columns": "nothing"},
        {"where": "nothing = 1"},
        {"where": "case ="},
        {"where": "outcome = corect"},
        {"sort": "x"},
    ],
)
def test_what_cannot_be_asked_for_is_named(store: RunStore, asked: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        document(store, **asked)


def test_csv_reads_back_and_no_cell_is_a_formula(store: RunStore) -> None:
    rows = list(csv.DictReader(io.StringIO(Reporter(store).export_csv("main", columns="+output"), newline="")))
    (hostile,) = [row for row in rows if (row["dataset"], row["case"], row["metric"]) == ("sums", "c2", "test/equal")]
    assert hostile["output"] == f"'={HOSTILE}= v4"
    assert len(rows) == 14
    raw = csv.DictReader(io.StringIO(Reporter(store).export_csv("main", raw=True, columns="+output"), newline=""))
    assert f"={HOSTILE}= v4" in {row["output"] for row in raw}


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", "\u200b=1", "\0=1"]
)
def test_what_a_spreadsheet_would_compute_gets_an_apostrophe(cell: str) -> None:
    assert guarded(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["-1.5", "+3", "1e-9", "-2E+4", "a=b", "", "text"])
def test_numbers_and_text_stay_as_they_are(cell: str) -> None:
    assert guarded(cell) == cell


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_nothing_that_a_model_wrote_is_markup_in_the_page(store: RunStore) -> None:
    page = Reporter(store).export_html("main", columns="case,output,message")
    found = _Tags()
    found.feed(page)
    names = [name for name, _ in found.tags]
    assert names.count("script") == 2
    assert "img" not in names
    assert not [attributes for _, attributes in found.tags if any(key.startswith("on") for key in attributes)]
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page)
    assert "\x1b" not in page
    assert "\u202e" not in page
    (policy,) = [attributes["content"] for name, attributes in found.tags if "http-equiv" in attributes]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    data = re.search(r'<script id="rows" type="application/json">(.*?)</script>', page, re.S)
    assert data is not None
    assert f"={HOSTILE}= v4" in {row[1] for row in json.loads(data[1])["rows"]}


def test_a_page_has_the_first_rows_only_unless_a_limit_says_how_many(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("themis_vcs.analysis.reporting.page.MOST_ROWS", 2)

    def rows(**options: int) -> int:
        page = Reporter(store).export_html("main", **options)
        data = re.search(r'<script id="rows" type="application/json">(.*?)</script>', page, re.S)
        assert data is not None
        assert ("the first 2 rows" in page) == (not options)
        return len(json.loads(data[1])["rows"])

    assert rows() == 2
    assert rows(limit=3) == 3


def test_markdown_and_latex_escape_what_they_would_act_on(store: RunStore) -> None:
    markdown = Reporter(store).export_markdown("main")
    assert "<script" not in markdown
    assert "<img" not in markdown
    latex = Reporter(store).export_latex("main", columns="case,output")
    assert "\\input{y}" not in latex
    assert latex.isascii()


def test_a_file_is_written_whole(store: RunStore, tmp_path: Path) -> None:
    text = Reporter(store).export_csv("main", tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_bytes().decode() == text
    assert [each.name for each in tmp_path.iterdir()] == ["r.csv"]


def test_a_data_frame_has_the_rows(store: RunStore) -> None:
    frame = Reporter(store).to_pandas("main")
    assert len(frame) == 14
    assert frame[frame.metric == "test/equal"].value.mean() == document(store)["metrics"][0]["mean"]


def test_a_result_gives_a_data_frame(tmp_path: Path) -> None:
    result = experiment(4).run(store=tmp_path / "store")
    assert len(result.to_pandas(columns="case,value")) == 8


def test_parquet_and_arrow_hold_the_rows(store: RunStore, tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    from themis_vcs.analysis.reporting.table import write_table
    from themis_vcs.analysis.selection import Asked

    table = Reporter(store).to_arrow("main", columns="case,metric,value,tokens")
    assert table.schema.field("value").type == pyarrow.float64()
    selection = Asked(columns="case,metric,value,tokens").selection()
    rows = list(Reporter._rows(store.repository, "main", selection))
    for form, read in (("parquet", parquet.read_table), ("arrow", lambda path: pyarrow.ipc.open_file(path).read_all())):
        with (tmp_path / form).open("wb") as file:
            write_table(form, selection, rows, file)
        assert read(tmp_path / form).to_pylist() == table.to_pylist()
    assert table.num_rows == 14
    assert json.loads(table.column("tokens")[0].as_py()) == {"output": 5}


def test_a_reader_makes_no_store(tmp_path: Path) -> None:
    for read in (lambda: Reporter(tmp_path / "none").export_csv("main"), lambda: compare(tmp_path / "none", "a", "b")):
        with pytest.raises(NoStore, match="none"):
            read()
    assert list(tmp_path.iterdir()) == []


def test_columns_may_be_a_list(store: RunStore) -> None:
    one, other = (Reporter(store).export_csv("main", columns=each) for each in ("case,value", ["case", "value"]))
    assert one == other
