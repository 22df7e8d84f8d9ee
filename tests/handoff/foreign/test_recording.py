"""A log becomes a run like any other: once, whole or not at all, and what it brought outlives a replay."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.components import Judge, Verdict
from tests.support.experiments import experiment
from themis_vcs import GenerationResult, InMemoryRunStore
from themis_vcs.analysis.reading import Reader
from themis_vcs.errors import DataError, UsageError
from themis_vcs.evaluation.judging import (
    AggregationResult,
    EvaluationExecution,
    JudgeCall,
    JudgeResponse,
    ParsedJudgment,
    RenderedJudgePrompt,
)
from themis_vcs.evaluation.results import Score
from themis_vcs.handoff.foreign.log import Log, LogFile, Sample, Scored
from themis_vcs.handoff.foreign.record import Options, Recorded, record
from themis_vcs.model.objects import Run, Snapshot, Stage
from themis_vcs.pipeline.replay import Selection
from themis_vcs.pipeline.stored import replay_stored_async, resume_async
from themis_vcs.pipeline.stores import RunStore
from themis_vcs.transfer.history import origin_of


@pytest.fixture
def here() -> RunStore:
    return InMemoryRunStore()


def judged(value: float) -> EvaluationExecution:
    return EvaluationExecution(
        "graded",
        "candidate",
        [JudgeCall("grade", "grader")],
        [RenderedJudgePrompt("grade", "Is it right?")],
        [JudgeResponse("grader", f"GRADE: {value}", token_usage={"output": 3})],
        [ParsedJudgment("C" if value else "I", value)],
        [Score("graded", value)],
        aggregation_output=AggregationResult("single", value),
    )


def sample(case: str, right: bool, **fields: Any) -> Sample:
    given: dict[str, Any] = {
        "dataset_id": "sums",
        "case_id": case,
        "input": f"{case}?",
        "expected_output": "yes",
        "outputs": [GenerationResult("yes" if right else "no")],
        "scores": {"match": Scored(float(right))},
        "evaluations": {"graded": judged(float(right))},
        "place": f"log:{case}",
    }
    return Sample(**{**given, **fields})


def log(*samples: Sample, **fields: Any) -> Log:
    def read() -> Iterator[Sample]:
        yield from samples

    given: dict[str, Any] = {
        "tool": "tester",
        "version": "1.2",
        "model": "some/model",
        "name": "sums",
        "files": [LogFile("log", 10, "ab" * 32)],
        "read": read,
    }
    return Log(**{**given, **fields})


def take(store: RunStore, given: Log, **options: Any) -> Recorded:
    return record(store.repository, given, Options(**options))


def stages(store: RunStore, name: str = "sums") -> dict[str, Stage]:
    oid = store.repository.ref(f"names/{name}")
    assert oid is not None
    found = [store.repository.load(each, Stage) for each in store.repository.load(oid, Run).stages]
    return {each.name: each for each in found}


def values_of(store: RunStore) -> list[str]:
    """Every value of the run, and its cases, as text."""
    oid = store.repository.ref("names/sums")
    assert oid is not None
    run = store.repository.load(oid, Run)
    roots = [store.repository.load(run.snapshot, Snapshot).identity.cases]
    roots += [track.values for stage in stages(store).values() for track in stage.tracks]
    reader = Reader(store.repository)
    return [str(store.repository.get(value)) for root in roots for _, value in reader.scan(root)]


def test_scores_and_judgments_are_in_their_stages_with_their_means(here: RunStore) -> None:
    recorded = take(here, log(sample("a", True), sample("b", False)))
    assert recorded.result is not None
    assert recorded.result.status == "completed"
    assert {name: mean.mean for name, mean in recorded.result.metrics.items()} == {"match": 0.5, "graded": 0.5}
    assert [track.id for track in stages(here)["score"].tracks] == ["match"]
    assert [track.id for track in stages(here)["judge"].tracks] == ["graded"]


def test_a_log_that_is_here_already_adds_nothing(here: RunStore) -> None:
    first = take(here, log(sample("a", True), sample("b", False, outputs=["broken"], scores={}, evaluations={})))
    before = here.repository.statistics().objects, here.repository.ref("names/sums")
    second = take(here, log(sample("a", True), sample("b", False, outputs=["broken"], scores={}, evaluations={})))
    assert (second.outcome, second.run_id) == ("unchanged", first.run_id)
    assert (here.repository.statistics().objects, here.repository.ref("names/sums")) == before


def test_another_content_is_another_run(here: RunStore) -> None:
    first = take(here, log(sample("a", True)))
    second = take(here, log(sample("a", True), files=[LogFile("log", 10, "cd" * 32)]))
    assert first.run_id != second.run_id


def test_where_a_run_comes_from_is_on_record(here: RunStore) -> None:
    take(here, log(sample("a", True)))
    head = here.repository.ref("names/sums")
    assert head is not None
    assert origin_of(here.repository, head) == "tester log"


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (sample("a", True), "log:a: id: 'a' is there twice in sums"),
        (sample("", True), "log:: id: is empty"),
        (sample("b", True, outputs=[]), "log:b: outputs: 0, where the log has 1 a sample"),
        (sample("b", True, input=2**70), r"log:b: .*integer"),
        (sample("b", True, input="\ud800"), "log:b: .*surrogate"),
    ],
)
def test_a_bad_sample_leaves_nothing_behind(here: RunStore, bad: Sample, what: str) -> None:
    before = here.repository.statistics().objects
    with pytest.raises(DataError, match=what):
        take(here, log(sample("a", True), bad))
    assert here.repository.statistics().objects == before
    assert list(here.repository.refs("")) == []


def test_a_summary_that_the_samples_do_not_have_is_found(here: RunStore) -> None:
    samples = sample("a", True), sample("b", False)
    agreeing = take(here, log(*samples, summary={"match": {"sums": 0.5}}), dry_run=True)
    assert (agreeing.agreed, agreeing.disagreements) == (1, [])
    differing = take(here, log(*samples, summary={"match": {"": 0.75}}), dry_run=True)
    (found,) = differing.disagreements
    assert (found.scorer, found.stated, found.found) == ("match", 0.75, 0.5)


def test_a_secret_in_a_log_is_not_stored(here: RunStore) -> None:
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    take(here, log(sample("a", True, input=f"use {token}", outputs=[GenerationResult(f"I used {token}")])))
    values = values_of(here)
    assert not any(token in each for each in values)
    assert any("[redacted]" in each for each in values)


def other_judge(**fields: Any) -> Any:
    return experiment(name="sums", metrics=[Verdict()], judge=Judge(), **fields)


def test_another_judge_leaves_the_imported_scores_and_judgments_where_they_are(here: RunStore) -> None:
    take(here, log(sample("a", True), sample("b", False)))
    before = stages(here)
    result = other_judge().replay(stage="judge", base="sums", store=here)
    after = stages(here)
    assert result.stages["generate"].built == 0
    assert after["score"] == before["score"]
    (imported,) = before["judge"].tracks
    assert imported in after["judge"].tracks
    assert len(after["judge"].tracks) == 2


def test_a_second_replay_keeps_them_too(here: RunStore) -> None:
    take(here, log(sample("a", True), sample("b", False)))
    (imported,) = stages(here)["judge"].tracks
    for _ in range(2):
        other_judge().replay(stage="judge", base="sums", store=here)
    assert imported in stages(here)["judge"].tracks


async def _replay(store: RunStore, stage: str) -> Any:
    return await replay_stored_async(store.repository, "sums", Selection(stage))


def test_generating_again_says_where_the_answers_came_from(here: RunStore) -> None:
    take(here, log(sample("a", True)))
    with pytest.raises(UsageError, match=r"imported from tester 1\.2 \(log\), and cannot be made again"):
        asyncio.run(_replay(here, "generate"))


def test_judging_again_with_the_judges_of_a_log_is_refused(here: RunStore) -> None:
    take(here, log(sample("a", True)))
    with pytest.raises(UsageError, match="the scores of run .* were imported from tester") as caught:
        asyncio.run(_replay(here, "judge"))
    assert "--stage judge --base REV" in str(caught.value.hint)


def test_an_imported_run_is_resumed_without_its_tool(here: RunStore) -> None:
    take(here, log(sample("a", True), sample("b", False)))
    before = stages(here)
    asyncio.run(resume_async(here.repository, "sums"))
    assert stages(here) == before


def test_several_answers_to_a_case_are_kept_each(here: RunStore) -> None:
    several = [GenerationResult("yes"), GenerationResult("no"), GenerationResult("yes")]
    take(here, log(sample("a", True, outputs=several, evaluations={}), samples_each=3))
    (track,) = stages(here)["generate"].tracks
    assert track.fanout == 3
