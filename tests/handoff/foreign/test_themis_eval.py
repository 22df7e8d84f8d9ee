"""Bundles of themis-eval become a run: answers in their places, judgments with their calls, gaps as failures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from themis_vcs import InMemoryRunStore
from themis_vcs.errors import DataError, FormatError
from themis_vcs.evaluation.results import GenerationResult
from themis_vcs.handoff.foreign.record import Options, record
from themis_vcs.handoff.foreign.themis_eval import themis_eval

GOLDEN = Path(__file__).parents[2] / "golden" / "imports" / "themis-eval"
GENERATION, EVALUATION = GOLDEN / "generation.json", GOLDEN / "evaluation.json"
Bundle = dict[str, Any]


PANEL = "builtin/panel_of_judges"


def test_every_answer_stands_at_its_case_and_number() -> None:
    log = themis_eval([GENERATION])
    assert (log.version, log.model, log.samples_each) == ("4.0.2", "generator/table", 2)
    said = {}
    for sample in log.read():
        for index, each in enumerate(sample.outputs):
            said[sample.dataset_id, sample.case_id, index] = (
                each.final_output if isinstance(each, GenerationResult) else None
            )
    answers = {"c1": "“c1”", "c2": "“c2”", "c3": None, "c4": "four"}
    assert said == {
        (dataset, case, index): answers[case]
        for dataset, cases in (("sums", ("c1", "c2")), ("words", ("c3", "c4")))
        for case in cases
        for index in (0, 1)
    }


def test_what_was_measured_of_an_answer_is_kept_beside_it() -> None:
    [answer] = [each.outputs[0] for each in themis_eval([GENERATION]).read() if each.case_id == "c1"]
    assert isinstance(answer, GenerationResult)
    assert answer.token_usage == {"prompt_tokens": 3, "completion_tokens": 2}
    assert answer.latency_ms == 12.5
    assert [(each.role, each.content) for each in answer.conversation] == [("user", "c1?"), ("assistant", "“c1”")]


def test_judgments_are_those_of_the_evaluation_bundle() -> None:
    found = {each.case_id: each for each in themis_eval([EVALUATION, GENERATION]).read()}
    assert {case: list(each.evaluations) for case, each in found.items()} == {
        "c1": [PANEL],
        "c2": [PANEL],
        "c3": [],
        "c4": [PANEL],
    }
    execution = found["c4"].evaluations[PANEL]
    assert [each.call_id for each in execution.judge_calls] == ["judge-0", "judge-1"]
    assert [each.raw_response for each in execution.judge_responses] == ["pass", "fail"]
    assert found["c4"].scores[PANEL].value == 0.5


def test_a_case_without_an_answer_makes_the_run_incomplete() -> None:
    store = InMemoryRunStore()
    recorded = record(store.repository, themis_eval([GENERATION, EVALUATION]), Options())
    assert (recorded.samples, recorded.answers, recorded.failed) == ({"sums": 2, "words": 2}, 8, 2)
    # What its own `run` printed: 0.8333333333333334.
    assert recorded.means == {PANEL: pytest.approx(2.5 / 3, abs=1e-12)}
    assert recorded.judged == [PANEL]
    assert recorded.result is not None
    assert recorded.result.status == "completed_with_failures"
    again = record(store.repository, themis_eval([GENERATION, EVALUATION]), Options())
    assert again.outcome == "unchanged"


@pytest.mark.parametrize(("source", "part"), [(GENERATION, "result"), (EVALUATION, "execution")])
def test_an_edited_record_is_refused(tmp_path: Path, source: Path, part: str) -> None:
    def edit(bundle: Bundle) -> None:
        payload = bundle["records"][0][part]
        payload["final_output" if part == "result" else "scores"] = "0" if part == "result" else []

    bundles = {GENERATION: GENERATION, EVALUATION: EVALUATION, source: changed(tmp_path, source, edit)}
    with pytest.raises(DataError, match=rf"records\[0\]: {part}_blob_ref: it is not the hash of {part}"):
        list(themis_eval(list(bundles.values())).read())


def changed(tmp_path: Path, source: Path, change: Callable[[Bundle], object]) -> Path:
    bundle = json.loads(source.read_text())
    change(bundle)
    path = tmp_path / source.name
    path.write_text(json.dumps(bundle))
    return path


def repeat_case(bundle: Bundle) -> None:
    bundle["snapshot"]["datasets"][1]["cases"][0]["case_id"] = "c1"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda bundle: bundle["records"][1].update(case_id="cx"), r"records\[1\]: case_id: 'cx' is no case"),
        (repeat_case, r"datasets\[1\].cases\[0\]: case_id: 'c1' is there twice"),
        (lambda bundle: bundle["records"][2].update(candidate_index=-1), r"records\[2\]: candidate_index"),
        (
            lambda bundle: bundle["records"][0]["result"].pop("final_output"),
            r"records\[0\]: result.final_output: missing",
        ),
        (lambda bundle: bundle["records"][0]["result"].update(trace=5), r"records\[0\]: result.trace"),
        (lambda bundle: bundle["snapshot"].update(run_id="0" * 64), "snapshot.run_id: it is of another run"),
        (lambda bundle: bundle["records"][3].update(execution={}), r"records\[3\]: execution: a bundle has"),
        (lambda bundle: bundle["records"].clear(), "no bundle holds generations"),
    ],
)
def test_a_bundle_that_does_not_hold_together_is_refused(
    tmp_path: Path, change: Callable[[Bundle], object], what: str
) -> None:
    path = changed(tmp_path, GENERATION, change)
    with pytest.raises(DataError, match=what) as caught:
        list(themis_eval([path]).read())
    assert str(path) in str(caught.value)


def test_the_evaluation_of_another_run_is_refused(tmp_path: Path) -> None:
    def other(bundle: Bundle) -> None:
        bundle["run_id"] = bundle["snapshot"]["run_id"] = "1" * 64

    with pytest.raises(DataError, match="run_id: it is of another run than"):
        themis_eval([GENERATION, changed(tmp_path, EVALUATION, other)])


def test_judgments_alone_are_no_run() -> None:
    with pytest.raises(DataError, match="no bundle holds generations") as caught:
        themis_eval([EVALUATION])
    assert "generation bundle" in str(caught.value.hint)


def test_a_newer_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="schema_version: '2'"):
        themis_eval([changed(tmp_path, GENERATION, lambda bundle: bundle.update(schema_version="2"))])


def test_an_evaluation_that_lacks_an_answer_is_a_score_without_its_calls(tmp_path: Path) -> None:
    def lack(bundle: Bundle) -> None:
        bundle["records"][0]["execution"]["judge_responses"].pop()
        del bundle["records"][0]["execution_blob_ref"]

    path = changed(tmp_path, EVALUATION, lack)
    found = {each.case_id: each for each in themis_eval([GENERATION, path]).read()}
    assert found["c1"].evaluations == {}
    assert found["c1"].scores[PANEL].value == 1.0
