"""Components that fail, answer wrongly, or do not answer: their case alone suffers, and the next run tries again."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from typing import Any

import pytest

from tests.support.components import AfterEquals, Answer, Equal, Judge
from tests.support.experiments import dataset, experiment
from themis_vcs import Case, ParsedOutput, RuntimeConfig
from themis_vcs.errors import ConfigurationError, RemoteError
from themis_vcs.model.objects import Run, Stage, Step
from themis_vcs.pipeline.stores import RunStore


class Overloaded(RemoteError):
    retryable = True

    def __init__(self, retry_after: float | None = None) -> None:
        super().__init__("429 too many requests")
        self.retry_after = retry_after


class Flaky(Answer):
    """Fails `times` times on case c1 with `error`."""

    def __init__(self, error: Exception, times: int = 1) -> None:
        super().__init__()
        self.error, self.times = error, times

    async def generate(self, case: Case, ctx: Any) -> Any:
        if case.case_id == "c1" and self.times:
            self.times -= 1
            raise self.error
        return await super().generate(case, ctx)


def failures(store: RunStore, stage: str) -> list[Step]:
    from themis_vcs.analysis.reading import Reader

    run = store.repository.load(store.repository.ref("names/main"), Run)
    reader = Reader(store.repository)
    return [
        store.repository.load(oid, Step)
        for each in (store.repository.load(oid, Stage) for oid in run.stages)
        if each.name == stage
        for track in each.tracks
        for _, oid in reader.scan(track.failures)
    ]


def test_a_failed_case_stops_no_other_and_is_tried_by_the_next_run(store: RunStore, counted: Counter[str]) -> None:
    generator = Flaky(ValueError("no"))
    first = experiment(generator=generator).run(store=store)
    assert first.status == "completed_with_failures"
    assert (first.stages["generate"].built, first.stages["generate"].failed) == (5, 1)
    assert (first.stages["judge"].built, first.stages["judge"].blocked) == (5, 1)
    assert (first.metrics["test/equal"].count, first.metrics["test/equal"].failed) == (5, 1)
    (step,) = failures(store, "generate")
    assert step.error is not None
    assert (step.error.type, step.error.message, step.case) == ("ValueError", "no", "sums/c1/0")
    counted.clear()
    second = experiment(generator=generator).run(store=store)
    assert second.status == "completed"
    assert set(counted.values()) == {1}
    assert failures(store, "generate") == []
    assert (second.metrics["test/equal"].count, second.metrics["test/equal"].failed) == (6, 0)


def test_failed_cases_can_be_left_alone(store: RunStore, counted: Counter[str]) -> None:
    generator = Flaky(ValueError("no"), times=2)
    experiment(generator=generator).run(store=store)
    counted.clear()
    result = experiment(generator=generator).run(store=store, retry="none")
    assert counted == {}
    assert result.status == "completed_with_failures"
    assert result.objects_added == 0


def test_a_parse_that_failed_once_leaves_no_trace_in_the_rows(store: RunStore) -> None:
    class Once(AfterEquals):
        failed = False

        def parse(self, candidate: Any, ctx: Any) -> ParsedOutput:
            if ctx.case_id == "c2" and not type(self).failed:
                type(self).failed = True
                raise ValueError("unreadable")
            return super().parse(candidate, ctx)

    first = experiment(parser=Once()).run(store=store)
    assert first.stages["parse"].failed == 1
    second = experiment(parser=Once()).run(store=store)
    assert second.status == "completed"
    assert second.metrics["test/equal"].failed == 0
    assert failures(store, "parse") == []


def test_overload_is_retried_within_the_run_and_every_attempt_is_kept(store: RunStore, counted: Counter[str]) -> None:
    result = experiment(generator=Flaky(Overloaded(), times=2)).run(store=store)
    assert result.status == "completed"
    run = store.repository.load(store.repository.ref("names/main"), Run)
    stage = store.repository.load(run.stages[0], Stage)
    from themis_vcs.analysis.reading import Reader

    steps = {key: store.repository.load(oid, Step) for key, oid in Reader(store.repository).scan(stage.tracks[0].steps)}
    assert [each["error"] for each in steps["sums/c1/0"].observations["attempts"]] == ["Overloaded"] * 2
    assert "attempts" not in steps["sums/c0/0"].observations


def test_retry_after_is_obeyed(store: RunStore) -> None:
    started = time.monotonic()
    experiment(generator=Flaky(Overloaded(retry_after=0.3))).run(store=store)
    assert time.monotonic() - started >= 0.3


def test_an_error_that_will_not_pass_is_not_retried(store: RunStore) -> None:
    generator = Flaky(ValueError("no"), times=2)
    experiment(generator=generator).run(store=store)
    assert generator.times == 1


@pytest.mark.parametrize("result", [None, "text", ParsedOutput("x"), [1]])
def test_a_result_of_another_type_fails_the_case_and_names_both_types(store: RunStore, result: Any) -> None:
    class Wrong(Answer):
        async def generate(self, case: Case, ctx: Any) -> Any:
            return result

    outcome = experiment(2, generator=Wrong()).run(store=store)
    assert outcome.stages["generate"].failed == 2
    error = failures(store, "generate")[0].error
    assert error is not None
    assert "GenerationResult" in error.message
    assert type(result).__name__ in error.message


@pytest.mark.parametrize("value", ["\ud800", 2**70, {1: 2}, object()])
def test_an_output_without_canonical_encoding_fails_the_case(store: RunStore, value: Any) -> None:
    class Odd(AfterEquals):
        def parse(self, candidate: Any, ctx: Any) -> ParsedOutput:
            return ParsedOutput(value if ctx.case_id == "c0" else "fine")

    outcome = experiment(2, parser=Odd()).run(store=store)
    assert (outcome.stages["parse"].built, outcome.stages["parse"].failed) == (1, 1)
    error = failures(store, "parse")[0].error
    assert error is not None
    assert error.category == "invalid_output"


def test_an_async_component_that_never_returns_is_given_up(store: RunStore) -> None:
    class Silent(Answer):
        async def generate(self, case: Case, ctx: Any) -> Any:
            if case.case_id == "c1":
                await asyncio.Event().wait()
            return await super().generate(case, ctx)

    result = experiment(3, generator=Silent(), runtime=RuntimeConfig(timeout=0.2, retry_attempts=1)).run(store=store)
    assert (result.stages["generate"].built, result.stages["generate"].failed) == (2, 1)
    error = failures(store, "generate")[0].error
    assert error is not None
    assert error.category == "timeout"


def test_a_plain_component_that_never_returns_is_given_up(store: RunStore) -> None:
    release = threading.Event()

    class Stuck(AfterEquals):
        def parse(self, candidate: Any, ctx: Any) -> ParsedOutput:
            if ctx.case_id == "c1":
                release.wait(30)
            return super().parse(candidate, ctx)

    result = experiment(3, parser=Stuck(), runtime=RuntimeConfig(timeout=0.2)).run(store=store)
    release.set()
    assert (result.stages["parse"].built, result.stages["parse"].failed) == (2, 1)


def test_a_verdict_that_cannot_be_read_is_an_error_and_not_a_zero(store: RunStore, counted: Counter[str]) -> None:
    class Mumbling(Judge):
        async def judge(self, prompt: str, *, seed: int | None = None) -> Any:
            response = await super().judge(prompt, seed=seed)
            return response if "v2" not in prompt else type(response)(response.judge_model_id, "hm, well")

    result = experiment(judge=Mumbling()).run(store=store)
    mean = result.metrics["test/verdict"]
    assert (mean.mean, mean.count, mean.failed) == (1.0, 5, 1)
    assert result.status == "completed_with_failures"
    counted.clear()
    experiment(judge=Mumbling()).run(store=store)
    assert counted == {}


def test_what_was_finished_before_an_interruption_is_kept(store: RunStore, counted: Counter[str]) -> None:
    class Interrupted(Answer):
        async def generate(self, case: Case, ctx: Any) -> Any:
            if case.case_id == "c4":
                raise KeyboardInterrupt
            return await super().generate(case, ctx)

    with pytest.raises(KeyboardInterrupt):
        experiment(generator=Interrupted(), runtime=RuntimeConfig(max_concurrent_tasks=1)).run(store=store)
    run = store.repository.load(store.repository.ref("names/main"), Run)
    assert (run.status, run.work["generate"]) == ("interrupted", [4, 0, 0])
    counted.clear()
    experiment().run(store=store)
    assert counted["generate"] == 2


def test_every_mistake_of_a_configuration_is_listed(store: RunStore) -> None:
    broken = experiment(
        generator="builtin/no_such_generator",
        metrics=["builtin/exact_match", {"use": "builtin/exact_match", "ignore_cas": True}],
        generation={"reducer": None, "candidate_policy": {"num_samples": 3}},
        evaluation={"judge_config": {"api_key": "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"}},
        seeds=["one"],
    )
    with pytest.raises(ConfigurationError) as caught:
        broken.run(store=store)
    assert {path for path, _ in caught.value.problems} == {
        "evaluation.judge_config.api_key",
        "generation.generator",
        "generation.reducer",
        "evaluation.metrics.1.ignore_cas",
        "seeds.0",
    }


def test_bad_data_is_refused_before_anything_is_executed(store: RunStore, counted: Counter[str]) -> None:
    from themis_vcs.errors import DataError

    with pytest.raises(DataError, match="c1"):
        experiment(datasets=[dataset(3, c1={"input": {"text": "\udc00"}})]).run(store=store)
    assert counted == {}
    assert store.repository.ref("names/main") is None


def test_a_metric_of_one_case_is_equal_to_its_score(store: RunStore) -> None:
    mean = experiment(1, metrics=[Equal()]).run(store=store).metrics["test/equal"]
    assert (mean.mean, mean.count, mean.ci) == (1.0, 1, None)
