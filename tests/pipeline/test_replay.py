"""Replaying a stage on stored results: what is drawn again, and what is never touched."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.components import AfterEquals, Equal, Judge, Verdict
from tests.support.experiments import experiment
from themis_vcs.errors import UsageError
from themis_vcs.model.objects import Run, Stage
from themis_vcs.pipeline.stores import RunStore


def roots(store: RunStore, stage: str) -> list[bytes]:
    run = store.repository.load(store.repository.ref("names/main"), Run)
    stages = [store.repository.load(oid, Stage) for oid in run.stages]
    return [track.values for each in stages if each.name == stage for track in each.tracks]


@pytest.mark.parametrize(
    ("deterministic", "options", "calls"),
    [
        (True, {}, 0),
        (False, {}, 6),
        (False, {"changed_only": True}, 0),
        (True, {"fresh": True}, 6),
        (False, {"fresh": True}, 6),
        (True, {"repeats": 3}, 12),
        (False, {"repeats": 3}, 18),
    ],
)
def test_what_a_replay_of_the_judge_asks(
    store: RunStore, counted: Counter[str], deterministic: bool, options: dict[str, object], calls: int
) -> None:
    judge = Judge(deterministic)
    experiment(judge=judge).run(store=store)
    counted.clear()
    experiment(judge=judge).replay(stage="judge", store=store, **options)
    assert counted["judge"] == calls
    assert set(counted) <= {"judge"}


def test_draws_are_kept_apart(store: RunStore) -> None:
    judge = Judge(deterministic=False)
    experiment(2, judge=judge).run(store=store)
    experiment(2, judge=judge).replay(stage="judge", repeats=3, store=store)
    (values,) = roots(store, "judge")
    from themis_vcs.analysis.reading import Reader

    keys = [key for key, _ in Reader(store.repository).scan(values)]
    assert keys == [f"sums/c{case}/{draw}" for case in range(2) for draw in range(3)]


def test_a_replay_shares_every_upstream_object(store: RunStore, counted: Counter[str]) -> None:
    first = experiment().run(store=store)
    parsed = roots(store, "parse")
    counted.clear()
    result = experiment(metrics=[Equal(), Verdict(rubric="strict")]).replay(stage="judge", store=store)
    assert counted == {"judge": 6}
    assert result.run_id != first.run_id
    assert roots(store, "parse") == parsed
    assert store.repository.reflog("names/main")[0].old is not None


def test_replaying_the_score_alone_asks_no_judge(store: RunStore, counted: Counter[str]) -> None:
    experiment(judge=Judge(deterministic=False)).run(store=store)
    counted.clear()
    experiment(judge=Judge(deterministic=False)).replay(stage="score", fresh=True, store=store)
    assert counted == {"test/equal": 6}


def test_the_generator_is_not_looked_up(store: RunStore, counted: Counter[str]) -> None:
    experiment().run(store=store)
    counted.clear()
    missing = experiment(generator="no_such_module:Generator", parser=AfterEquals(shouted=("c1",)))
    result = missing.replay(stage="parse", store=store)
    assert counted == {"parse": 6, "test/equal": 1, "judge": 1}
    assert result.status == "completed"


def test_only_the_named_metrics_are_redone(store: RunStore, counted: Counter[str]) -> None:
    metrics = [Verdict(), Verdict("strict", component_id="test/strict")]
    experiment(metrics=metrics, judge=Judge(deterministic=False)).run(store=store)
    counted.clear()
    result = experiment(metrics=metrics, judge=Judge(deterministic=False)).replay(
        stage="judge", metric_ids=["test/strict"], store=store
    )
    assert counted == {"judge": 6}
    assert set(result.metrics) == {"test/verdict", "test/strict"}


def test_only_the_named_cases_are_redone(store: RunStore, counted: Counter[str]) -> None:
    judge = Judge(deterministic=False)
    experiment(judge=judge).run(store=store)
    judge.asked.clear()
    result = experiment(judge=judge).replay(stage="judge", cases=["c2", "sums/c4"], store=store)
    assert sorted(prompt.split("|")[1] for prompt in judge.asked) == ["v4", "v8"]
    assert result.metrics["test/verdict"].count == 6


def test_an_unknown_metric_is_refused(store: RunStore) -> None:
    experiment().run(store=store)
    with pytest.raises(UsageError, match="no metric test/nothing"):
        experiment().replay(stage="judge", metric_ids=["test/nothing"], store=store)


def test_a_run_that_stopped_early_cannot_be_replayed_further_down(store: RunStore) -> None:
    experiment().run(store=store, until_stage="reduce")
    with pytest.raises(UsageError, match="has no parse stage"):
        experiment().replay(stage="judge", store=store)


def test_a_run_goes_on_where_it_stopped(store: RunStore, counted: Counter[str]) -> None:
    stopped = experiment().run(store=store, until_stage="parse")
    assert (stopped.status, stopped.completed_through_stage) == ("stopped", "parse")
    assert set(stopped.stages) == {"generate", "reduce", "parse"}
    counted.clear()
    finished = experiment().run(store=store)
    assert finished.run_id == stopped.run_id
    assert counted == {"test/equal": 6, "judge": 6}


def test_a_replayed_run_can_be_resumed(store: RunStore, counted: Counter[str]) -> None:
    from themis_vcs.pipeline.experiment import blocking
    from themis_vcs.pipeline.stored import resume_async

    names = {"generator": "builtin/demo_generator", "parser": "builtin/text", "metrics": ["builtin/exact_match"]}
    first = experiment(generation={"reducer": "builtin/passthrough"}, **names)
    first.run(store=store)
    replayed = first.replay(stage="parse", store=store)
    resumed = blocking(resume_async(store.repository, "main"), "resume_async")
    assert resumed.run_id == replayed.run_id
    assert resumed.status == "completed"
    assert resumed.objects_added == 0
