"""A dry run says of every step which field of its key is not as it was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.support.components import AfterEquals, Answer, Equal, Judge, Verdict
from tests.support.experiments import dataset, experiment
from themis_vcs import Experiment, InMemoryRunStore, ParsedOutput
from themis_vcs.analysis.reasons import Reason


def planned(wanted: Experiment, store: InMemoryRunStore, **options: Any) -> dict[tuple[str, str, str], list[Reason]]:
    result = wanted.run(store=store, dry_run=True, **options)
    return {(step.stage, step.track, step.case): step.reasons for step in result.pending}


def kinds(found: dict[tuple[str, str, str], list[Reason]], stage: str) -> set[tuple[str, ...]]:
    return {tuple(reason.kind for reason in reasons) for key, reasons in found.items() if key[0] == stage}


def test_everything_is_new_at_first(store: InMemoryRunStore) -> None:
    assert kinds(planned(experiment(3), store), "generate") == {("new case",)}


def test_nothing_is_pending_when_nothing_changed(store: InMemoryRunStore) -> None:
    experiment(3).run(store=store)
    assert planned(experiment(3), store) == {}


def test_a_new_case(store: InMemoryRunStore) -> None:
    experiment(3).run(store=store)
    assert planned(experiment(4), store) == {("generate", "test/answer", "sums/c3/0"): [Reason("new case", "sums/c3")]}


def test_a_new_sample(store: InMemoryRunStore) -> None:
    experiment(2, samples=2).run(store=store)
    found = planned(experiment(2, samples=3), store)
    assert found[("generate", "test/answer", "sums/c1/2")] == [Reason("new sample", "2", old="2 on record")]
    assert len(found) == 2


def test_a_new_metric(store: InMemoryRunStore) -> None:
    experiment(2).run(store=store)
    found = planned(experiment(2, metrics=[Equal(), Verdict(), Equal(component_id="test/other")]), store)
    assert {reasons[0] for reasons in found.values()} == {Reason("new component", "test/other")}


def test_another_input_is_named_by_its_field(store: InMemoryRunStore) -> None:
    experiment(2).run(store=store)
    changed = experiment(datasets=[dataset(2, c1={"metadata": {"n": 7}})])
    found = planned(changed, store)
    assert found[("generate", "test/answer", "sums/c1/0")] == [Reason("input changed", "cases.metadata.n", "1", "7")]


def test_a_value_from_an_earlier_stage_is_shown_old_and_new(store: InMemoryRunStore) -> None:
    experiment(2).run(store=store)
    shouting = experiment(2, parser=AfterEquals(shouted=("c1",)))
    shouting.run(store=store, until_stage="parse")
    assert planned(shouting, store)[("score", "test/equal", "sums/c1")] == [
        Reason("input changed", "parse.value", '"v2"', '"V2"')
    ]


def test_a_stage_that_no_run_of_the_name_has_reached(store: InMemoryRunStore) -> None:
    experiment(2).run(store=store, until_stage="parse")
    assert kinds(planned(experiment(2), store), "score") == {("not run before",)}


def test_another_name_starts_anew(store: InMemoryRunStore) -> None:
    experiment(2).run(store=store, until_stage="parse")
    assert kinds(planned(replace(experiment(2), name="other"), store), "score") == {("new case",)}


def test_code_and_options_are_told_apart(store: InMemoryRunStore) -> None:
    experiment(2, metrics=[Verdict()]).run(store=store)
    found = planned(experiment(2, metrics=[Verdict(rubric="strict")]), store)
    assert {reason for reasons in found.values() for reason in reasons} == {
        Reason("options changed", "test/verdict.rubric", '"fair"', '"strict"')
    }


def test_another_judge_is_named(store: InMemoryRunStore) -> None:
    experiment(2, metrics=[Verdict()]).run(store=store)
    found = planned(experiment(2, metrics=[Verdict()], judge=Judge(component_id="test/new")), store)
    (reasons,) = {tuple(reasons) for reasons in found.values()}
    assert [(reason.kind, reason.field) for reason in reasons] == [
        ("code changed", "test/judge"),
        ("code changed", "test/new"),
    ]
    assert (reasons[0].new, reasons[1].old) == ("absent", "absent")


def test_changed_code_shows_both_fingerprints(store: InMemoryRunStore) -> None:
    @dataclass
    class Parser:
        salt: int
        component_id: str = "test/parser"

        def fingerprint(self) -> str:
            return str(self.salt)

        def parse(self, candidate: Any, ctx: Any) -> ParsedOutput:
            return ParsedOutput(1)

        __module__ = "__main__"

    experiment(2, parser=Parser(1)).run(store=store)
    (reasons,) = {tuple(reasons) for reasons in planned(experiment(2, parser=Parser(2)), store).values()}
    assert [(reason.kind, reason.field) for reason in reasons] == [("code changed", "test/parser")]
    assert all(text is not None and len(text) == 13 and text[0] == "#" for text in (reasons[0].old, reasons[0].new))


@pytest.mark.parametrize(
    ("change", "stage", "path"),
    [
        ({"generation": {"candidate_policy": {"temperature": 1}}}, "generate", "policy.temperature"),
        ({"evaluation": {"judge_config": {"scale": 5}}}, "judge", "judge_config.scale"),
        ({"evaluation": {"workflow_overrides": {"test/verdict": {"x": 1}}}}, "judge", "workflow_config.x"),
    ],
)
def test_params_are_named_by_their_path(store: InMemoryRunStore, change: dict[str, Any], stage: str, path: str) -> None:
    experiment(2).run(store=store)
    found = planned(experiment(2, **change), store)
    assert {reason.field for key, reasons in found.items() if key[0] == stage for reason in reasons} == {path}
    assert kinds(found, stage) == {("params changed",)}


def test_another_seed(store: InMemoryRunStore) -> None:
    experiment(1, seeds=[5]).run(store=store)
    found = planned(experiment(1, seeds=[6]), store)
    assert found[("generate", "test/answer", "sums/c0/0")] == [Reason("seed changed", "seed", "5", "6")]


def test_what_failed_before_says_how(store: InMemoryRunStore) -> None:
    @dataclass
    class Failing(AfterEquals):
        component_id: str = "test/failing"

        def parse(self, candidate: Any, ctx: Any) -> ParsedOutput:
            raise ValueError("no number")

    experiment(1, parser=Failing()).run(store=store)
    found = planned(experiment(1, parser=Failing()), store)
    assert found[("parse", "test/failing", "sums/c0")] == [
        Reason("failed before", "component_failure", old="ValueError: no number")
    ]


def test_what_is_only_asked_for_again_is_forced(store: InMemoryRunStore) -> None:
    experiment(2).run(store=store)
    result = experiment(2).replay(store=store, stage="parse", fresh=True, dry_run=True)
    assert [step.reasons for step in result.pending] == [[Reason("forced")]] * 2


def test_a_judge_that_is_asked_again_is_said_to_be_not_deterministic(store: InMemoryRunStore) -> None:
    unsure = experiment(2, judge=Judge(deterministic=False))
    unsure.run(store=store)
    result = unsure.replay(store=store, stage="judge", dry_run=True)
    assert [step.reasons for step in result.pending] == [[Reason("not deterministic", "test/judge")]] * 2


def test_several_causes_are_all_named(store: InMemoryRunStore) -> None:
    experiment(1, seeds=[5]).run(store=store)
    changed = experiment(generator=Answer(salt="!"), seeds=[6], datasets=[dataset(1, c0={"input": "1"})])
    (reasons,) = planned(changed, store).values()
    assert [reason.kind for reason in reasons] == ["options changed", "input changed", "seed changed"]
