"""Views over stored runs: what a case, a step, a run consists of, and what changed between two."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.components import AfterEquals, Answer, Equal, Verdict
from tests.support.experiments import dataset, experiment
from themis_vcs import Case, Dataset, InMemoryRunStore, ParsedOutput, Score
from themis_vcs.analysis.caseview import case_view
from themis_vcs.analysis.inventory import inventory
from themis_vcs.analysis.log import log
from themis_vcs.analysis.lookup import find_case, locate, stage_of
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.receipt import receipt
from themis_vcs.analysis.rundiff import RunDiff, rundiff
from themis_vcs.analysis.steps import places
from themis_vcs.analysis.summary import summary
from themis_vcs.errors import NotFound, UsageError
from themis_vcs.model.derivation import derivation_key


class Half(Equal):
    """Half a point for the expected output."""

    def __init__(self) -> None:
        super().__init__("test/half")

    def score(self, parsed: ParsedOutput, case: Case, ctx: Any) -> Score:
        return Score(self.component_id, super().score(parsed, case, ctx).value / 2)


def compared(store: InMemoryRunStore, old: str, new: str, reader: Reader | None = None) -> RunDiff:
    repository = store.repository
    return rundiff(reader or Reader(repository), (old, locate(repository, old)), (new, locate(repository, new)))


def find(store: InMemoryRunStore, text: str) -> tuple[str, int | None]:
    found = locate(store.repository, "main")
    return find_case(Reader(store.repository), found.snapshot.identity, text)


@pytest.mark.parametrize(
    ("text", "key", "index"),
    [
        ("sums/c1", "sums/c1", None),
        ("c1", "sums/c1", None),
        ("sums/c1/1", "sums/c1", 1),
        ("c1/0", "sums/c1", 0),
        ("odd%2Fset/a%2Fb", "odd%2Fset/a%2Fb", None),
        ("a/b", "odd%2Fset/a%2Fb", None),
        ("a/b/1", "odd%2Fset/a%2Fb", 1),
        ("odd%2Fset/10", "odd%2Fset/10", None),
    ],
)
def test_a_case_is_found_by_its_key_or_by_an_id_that_is_there_once(
    store: InMemoryRunStore, text: str, key: str, index: int | None
) -> None:
    odd = Dataset("odd/set", [*dataset(0).cases, *[_case(name) for name in ("a/b", "10")]])
    experiment(datasets=[dataset(2), odd], samples=2).run(store=store)
    assert find(store, text) == (key, index)


def _case(case_id: str) -> Any:
    from themis_vcs import Case

    return Case(case_id, "1+1", "v2")


def test_an_id_of_two_datasets_has_to_be_said_in_full(store: InMemoryRunStore) -> None:
    experiment(datasets=[dataset(2), dataset(2, "more")]).run(store=store)
    with pytest.raises(UsageError, match="several datasets") as caught:
        find(store, "c1")
    assert caught.value.hint == "say which: more/c1, sums/c1"
    assert find(store, "more/c1") == ("more/c1", None)


def test_a_case_that_is_not_there_gets_the_nearest_as_a_hint(store: InMemoryRunStore) -> None:
    experiment(3).run(store=store)
    with pytest.raises(NotFound) as caught:
        find(store, "sums/c11")
    assert "sums/c1" in str(caught.value.hint)


def test_a_stage_that_a_run_did_not_reach(store: InMemoryRunStore) -> None:
    experiment(1).run(store=store, until_stage="parse")
    with pytest.raises(NotFound, match="has no judge stage"):
        stage_of(store.repository, locate(store.repository, "main").run, "judge")


def test_a_case_has_a_step_per_sample_and_per_metric(store: InMemoryRunStore) -> None:
    experiment(2, samples=3, evaluation={"judge_repeats": 2}).run(store=store)
    view = case_view(Reader(store.repository), locate(store.repository, "main"), "c1")
    assert {stage: [step.key for step in steps] for stage, steps in view.stages.items()} == {
        "generate": ["sums/c1/0", "sums/c1/1", "sums/c1/2"],
        "reduce": ["sums/c1"],
        "parse": ["sums/c1"],
        "score": ["sums/c1"],
        "judge": ["sums/c1/0", "sums/c1/1"],
    }
    assert (view.dataset_id, view.case_id, view.case.input) == ("sums", "c1", "1+1")


def test_samples_past_the_ninth_stay_in_order(store: InMemoryRunStore) -> None:
    experiment(1, samples=12).run(store=store)
    view = case_view(Reader(store.repository), locate(store.repository, "main"), "c0")
    assert [step.key for step in view.stages["generate"]] == [f"sums/c0/{index}" for index in range(12)]


def test_the_receipt_has_everything_that_is_in_the_key(store: InMemoryRunStore) -> None:
    experiment(2, samples=2).run(store=store)
    reader = Reader(store.repository)
    (place,) = places(reader, "main:reduce/sums/c1")
    view = receipt(reader, place)
    assert view is not None
    parts = (bytes.fromhex(view.fingerprint), bytes.fromhex(view.params_oid))
    inputs = [bytes.fromhex(each.oid) for each in view.inputs]
    assert derivation_key("reduce", *parts, inputs, view.key, view.seed).hex() == view.derivation
    assert [each.name for each in view.inputs] == ["generate", "generate"]
    assert [(use.stage, use.track) for use in view.used_by] == [
        ("parse", "test/after-equals"),
        ("judge", "test/verdict"),
    ]


def test_a_run_at_a_glance(store: InMemoryRunStore) -> None:
    experiment(datasets=[dataset(2), dataset(3, "more")]).run(store=store)
    found = summary(Reader(store.repository), locate(store.repository, "main"))
    assert (found.cases, found.datasets) == (5, {"more": 3, "sums": 2})
    assert found.metrics["test/equal"].mean == 1.0
    assert [(track.stage, track.values, track.blocked) for track in found.tracks] == [
        ("generate", 5, 0),
        ("reduce", 5, 0),
        ("parse", 5, 0),
        ("score", 5, 0),
        ("judge", 5, 0),
    ]


def test_the_log_says_what_changed_against_the_parent(store: InMemoryRunStore) -> None:
    experiment(2).run(store=store)
    experiment(2, metrics=[Equal(), Verdict(rubric="strict")]).run(store=store)
    experiment(datasets=[dataset(3, c0={"input": "x"})], metrics=[Verdict(rubric="strict")]).run(store=store)
    newest, middle, oldest = log(Reader(store.repository), locate(store.repository, "main").oid)
    assert oldest.changes is None
    assert middle.changes is not None
    assert ("judge.test/verdict.options.rubric", "fair", "strict") in [
        (each.path, each.old, each.new) for each in middle.changes.configuration
    ]
    assert middle.changes.configuration[0].path == "judge.metrics.test/verdict"
    assert newest.changes is not None
    assert (newest.changes.configuration[0].path, newest.changes.configuration[0].kind) == (
        "score.metrics.test/equal",
        "removed",
    )
    assert (newest.changes.cases.added, newest.changes.cases.changed) == (1, 1)
    assert newest.refs == ["main"]


def test_a_comparison_names_the_flipped_scores_and_the_values_behind_them(store: InMemoryRunStore) -> None:
    experiment(6).run(store=store)
    experiment(6, parser=AfterEquals(shouted=("c1", "c4"))).run(store=store)
    found = compared(store, "main@{1}", "main")
    assert {(flip.metric, flip.case, flip.old, flip.new) for flip in found.flipped} == {
        (metric, f"sums/{case}", 1.0, 0.0) for metric in ("test/equal", "test/verdict") for case in ("c1", "c4")
    }
    assert [(step.stage, step.key, step.old, step.new) for step in found.steps] == [
        ("parse", "sums/c1", '"v2"', '"V2"'),
        ("parse", "sums/c4", '"v8"', '"V8"'),
    ]
    (equal,) = [each for each in found.metrics if each.metric == "test/equal"]
    assert (equal.higher, equal.lower) == (0, 2)


def test_a_score_that_changes_between_right_and_wrong_is_flipped_and_any_other_is_changed(
    store: InMemoryRunStore,
) -> None:
    metrics = [Equal(), Half()]
    experiment(3, metrics=metrics).run(store=store)
    experiment(3, metrics=metrics, parser=AfterEquals(shouted=("c1",))).run(store=store)
    found = compared(store, "main@{1}", "main")
    assert [(each.metric, each.case, each.old, each.new) for each in found.flipped] == [("test/equal", "sums/c1", 1, 0)]
    assert [(each.metric, each.case, each.old, each.new) for each in found.changed] == [
        ("test/half", "sums/c1", 0.5, 0)
    ]


def test_a_comparison_counts_the_cases_of_both_runs(store: InMemoryRunStore) -> None:
    experiment(datasets=[dataset(5)]).run(store=store)
    experiment(datasets=[Dataset("sums", [*dataset(4).cases, _case("new"), _case("newer")])]).run(store=store)
    found = compared(store, "main@{1}", "main")
    assert (found.old.cases, found.new.cases, found.cases_in_both) == (5, 6, 4)


def test_a_failure_is_a_changed_score_with_its_reason(store: InMemoryRunStore) -> None:
    experiment(2).run(store=store)
    experiment(datasets=[dataset(2, c1={"expected_output": "|"})]).run(store=store)
    found = compared(store, "main~1", "main")
    change = next(each for each in found.changed if each.metric == "test/verdict")
    assert (change.case, change.new, change.new_reason) == ("sums/c1", None, "missing: no value")


def test_metrics_that_only_one_run_has_are_no_changed_scores(store: InMemoryRunStore) -> None:
    experiment(3).run(store=store)
    experiment(3, metrics=[Equal(), Verdict(), Equal(component_id="test/new")]).run(store=store)
    found = compared(store, "main@{1}", "main")
    assert (found.flipped, found.changed) == ([], [])
    assert [(each.metric, each.old is None) for each in found.metrics][-1] == ("test/new", True)


def test_a_comparison_reads_only_what_differs(store: InMemoryRunStore) -> None:
    size = 3_000
    experiment(size, metrics=[Equal()]).run(store=store)
    experiment(size, metrics=[Equal()], parser=AfterEquals(shouted=("c7",))).run(store=store)
    reader = Reader(store.repository)
    found = compared(store, "main@{1}", "main", reader)
    assert [flip.case for flip in found.flipped] == ["sums/c7"]
    assert reader.nodes_read < size / 10


def test_the_inventory_counts_every_object(store: InMemoryRunStore) -> None:
    experiment(3, generator=Answer()).run(store=store)
    found = inventory(store.repository)
    assert found.objects == store.repository.statistics().objects
    assert found.kinds["run"].objects == 1
    assert sum(each.bytes for each in found.kinds.values()) == found.payload_bytes
