"""What is executed again, and what is not, when something changes."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.components import AfterEquals, Answer, Equal, Judge, Verdict
from tests.support.experiments import dataset, experiment
from themis_vcs import Case, Dataset, RuntimeConfig
from themis_vcs.errors import UsageError
from themis_vcs.model.objects import Run
from themis_vcs.pipeline.stores import RunStore


def test_a_second_run_calls_nothing_and_adds_nothing(store: RunStore, counted: Counter[str]) -> None:
    first = experiment().run(store=store)
    assert first.status == "completed"
    assert counted == {"generate": 6, "reduce": 6, "parse": 6, "test/equal": 6, "judge": 6}
    counted.clear()
    second = experiment().run(store=store)
    assert counted == {}
    assert second.objects_added == 0
    assert second.run_id == first.run_id
    assert second.metrics == first.metrics
    assert {stage: (c.built, c.reused) for stage, c in second.stages.items()} == dict.fromkeys(
        ("generate", "reduce", "parse", "score", "judge"), (0, 6)
    )


def test_an_added_metric_runs_on_every_case_and_calls_nothing_else(store: RunStore, counted: Counter[str]) -> None:
    experiment().run(store=store)
    counted.clear()
    result = experiment(metrics=[Equal(), Verdict(), Equal("test/another")]).run(store=store)
    assert counted == {"test/another": 6}
    assert result.stages["score"].built == 6
    assert result.stages["score"].reused == 6
    assert result.metrics["test/another"].mean == 1.0


def test_a_parser_edit_rebuilds_what_follows_only_where_its_output_changed(
    store: RunStore, counted: Counter[str]
) -> None:
    experiment(10).run(store=store)
    counted.clear()
    result = experiment(10, parser=AfterEquals(shouted=("c2", "c3", "c7"))).run(store=store)
    assert counted == {"parse": 10, "test/equal": 3, "judge": 3}
    assert result.stages["judge"].built == 3
    assert result.metrics["test/equal"].mean == 0.7


def test_raising_the_number_of_samples_generates_the_missing_ones(store: RunStore, counted: Counter[str]) -> None:
    experiment(4, samples=3).run(store=store)
    counted.clear()
    experiment(4, samples=5).run(store=store)
    assert counted["generate"] == 8


def test_a_changed_case_is_the_only_one_rebuilt(store: RunStore, counted: Counter[str]) -> None:
    experiment(20).run(store=store)
    counted.clear()
    experiment(20, datasets=[dataset(20, c7={"input": "another"})]).run(store=store)
    assert set(counted.values()) == {1}


def test_a_removed_case_is_gone_and_nothing_is_called(store: RunStore, counted: Counter[str]) -> None:
    experiment(20).run(store=store)
    counted.clear()
    result = experiment(19).run(store=store)
    assert counted == {}
    assert result.stages["judge"].reused == 19
    assert result.metrics["test/equal"].count == 19


def test_a_change_that_is_taken_back_finds_everything_again(store: RunStore, counted: Counter[str]) -> None:
    first = experiment().run(store=store)
    experiment(parser=AfterEquals(shouted=("c1",))).run(store=store)
    counted.clear()
    third = experiment().run(store=store)
    assert counted == {}
    assert third.run_id == first.run_id


def test_cases_of_two_datasets_may_share_ids(store: RunStore, counted: Counter[str]) -> None:
    both = [dataset(3, "a"), dataset(3, "b", c1={"expected_output": "other"})]
    result = experiment(datasets=both).run(store=store)
    assert counted["generate"] == 6
    assert result.metrics["test/equal"].count == 6


def test_rerun_executes_everything_and_the_run_before_stays_reachable(store: RunStore, counted: Counter[str]) -> None:
    first = experiment().run(store=store)
    before = store.repository.ref("names/main")
    counted.clear()
    again = experiment(runtime=RuntimeConfig(existing_run_policy="rerun")).run(store=store)
    assert counted == {"generate": 6, "reduce": 6, "parse": 6, "test/equal": 6, "judge": 6}
    assert again.run_id == first.run_id
    assert store.repository.reflog("names/main")[0].old == before
    head = store.repository.load(store.repository.ref("names/main"), Run)
    assert head.parents == [before]


def test_policy_error_refuses_a_run_that_exists(store: RunStore, counted: Counter[str]) -> None:
    experiment().run(store=store)
    with pytest.raises(UsageError, match="exists"):
        experiment(runtime=RuntimeConfig(existing_run_policy="error")).run(store=store)


def test_metadata_of_a_dataset_concerns_metrics_of_that_dataset_alone(store: RunStore, counted: Counter[str]) -> None:
    plain = [dataset(3, "a"), dataset(3, "b")]
    experiment(datasets=plain).run(store=store)
    counted.clear()
    noted = [Dataset("a", plain[0].cases, metadata={"unit": "cm"}), plain[1]]
    experiment(datasets=noted).run(store=store)
    assert counted == {"test/equal": 3, "judge": 3}


def test_a_field_that_a_generator_does_not_read_is_not_seen_by_it(store: RunStore, counted: Counter[str]) -> None:
    seen: list[Case] = []

    class Blind(Answer):
        reads = ("input",)

        async def generate(self, case: Case, ctx: object) -> object:
            seen.append(case)
            return await super().generate(case, ctx)

    experiment(3, generator=Blind()).run(store=store)
    assert [case.expected_output for case in seen] == [None] * 3
    counted.clear()
    experiment(3, generator=Blind(), datasets=[dataset(3, c1={"expected_output": "corrected"})]).run(store=store)
    assert counted == {"test/equal": 1, "judge": 1}


def test_one_case_added_to_many_reads_only_the_unequal_branches(store: RunStore, counted: Counter[str]) -> None:
    from themis_vcs.pipeline import experiment as module

    experiment(3_000, metrics=[Equal()]).run(store=store)
    counted.clear()
    reads: list[int] = []
    workspace = module.Workspace

    class Counting(workspace):  # type: ignore[misc,valid-type]
        def node(self, oid: bytes) -> object:
            before = self.nodes_read
            found = super().node(oid)
            reads.extend([1] * (self.nodes_read - before))
            return found

    module.Workspace = Counting  # type: ignore[misc]
    try:
        experiment(3_001, metrics=[Equal()]).run(store=store)
    finally:
        module.Workspace = workspace  # type: ignore[misc]
    assert counted == {"generate": 1, "reduce": 1, "parse": 1, "test/equal": 1}
    # 3,000 entries lie in about 24 leaves per tree, and there are 13 trees
    assert len(reads) < 200


@pytest.mark.parametrize("deterministic", [True, False])
def test_judges_asked_by_a_plain_run_once_only(store: RunStore, counted: Counter[str], deterministic: bool) -> None:
    judge = Judge(deterministic)
    experiment(judge=judge).run(store=store)
    experiment(judge=judge).run(store=store)
    assert counted["judge"] == 6


def test_async_parsers_and_metrics_are_awaited(store: RunStore) -> None:
    class Later(AfterEquals):
        async def parse(self, candidate: object, ctx: object) -> object:
            return super().parse(candidate, ctx)  # type: ignore[arg-type]

    result = experiment(2, parser=Later(), metrics=[Equal()]).run(store=store)
    assert result.metrics["test/equal"].mean == 1.0
