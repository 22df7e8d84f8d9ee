"""Everything that a component can see is in its key, and nothing else: one field is changed at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.components import AfterEquals, Answer, Equal, First, Judge, Verdict
from tests.support.experiments import dataset, experiment
from themis_vcs import (
    Case,
    Dataset,
    Experiment,
    GenerationResult,
    InMemoryRunStore,
    PromptSpec,
    RuntimeConfig,
)
from themis_vcs.analysis.reading import Reader
from themis_vcs.model.derivation import key_of
from themis_vcs.model.objects import Run, Stage, Step

ALL = {"generate", "reduce", "parse", "score", "judge"}


@dataclass
class Constant(Answer):
    """A generator whose answer depends on nothing, so that a change is not seen downstream through its value."""

    async def generate(self, case: Case, ctx: Any) -> GenerationResult:
        return GenerationResult("always = this", candidate_id="one")


@dataclass
class All(First):
    """A selector that leaves nothing out."""

    mark: str = ""

    def fingerprint(self) -> str:
        return f"all:{self.mark}"

    async def select(self, candidates: list[GenerationResult], ctx: Any) -> list[GenerationResult]:
        return candidates


class OtherFirst(First):
    def fingerprint(self) -> str:
        return "another first"


def keys(made: Experiment, key: str = "sums/c1") -> dict[tuple[str, str, str], bytes]:
    """(stage, track, case key) → derivation key, for the steps of one case."""
    store = InMemoryRunStore()
    made.run(store=store)
    repository = store.repository
    reader = Reader(repository)
    run = repository.load(repository.ref(f"names/{made.name}"), Run)
    return {
        (stage.name, track.id, where): key_of(repository.load(oid, Step))
        for stage in (repository.load(oid, Stage) for oid in run.stages)
        for track in stage.tracks
        for where, oid in reader.scan(track.steps)
        if where == key or where.startswith(key + "/")
    }


def base(**changes: Any) -> Experiment:
    return experiment(3, **{"generator": Constant(), "seeds": [1], **changes})


def changed_stages(made: Experiment) -> set[str]:
    before, after = keys(base()), keys(made)
    return {name[0] for name in before if before[name] != after.get(name)}


VISIBLE: list[tuple[str, Callable[[], Experiment], set[str]]] = [
    ("case input", lambda: base(datasets=[dataset(3, c1={"input": "new"})]), {"generate", "score", "judge"}),
    (
        "expected output",
        lambda: base(datasets=[dataset(3, c1={"expected_output": "new"})]),
        {"generate", "score", "judge"},
    ),
    ("metadata", lambda: base(datasets=[dataset(3, c1={"metadata": {}})]), {"generate", "score", "judge"}),
    (
        "dataset metadata",
        lambda: base(datasets=[Dataset("sums", dataset(3).cases, metadata={"unit": "m"})]),
        {"score", "judge"},
    ),
    ("seed", lambda: base(seeds=[2]), {"generate", "reduce", "judge"}),
    ("prompt", lambda: base(generation={"prompt_spec": PromptSpec(system="be brief")}), {"generate"}),
    (
        "params",
        lambda: base(generation={"candidate_policy": {"num_samples": 1, "temperature": 0.1}}),
        {"generate"},
    ),
    ("generator", lambda: base(generator=Constant(salt="new")), {"generate"}),
    ("selector", lambda: base(generation={"selector": All()}), {"reduce"}),
    ("reducer", lambda: base(generation={"reducer": OtherFirst()}), {"reduce"}),
    ("parser", lambda: base(parser=AfterEquals(shouted=("none",))), {"parse"}),
    ("rubric", lambda: base(evaluation={"judge_config": {"rubric": "new"}}), {"judge"}),
    ("judge model", lambda: base(judge=Judge(component_id="test/other-judge")), {"judge"}),
    ("judge prompt", lambda: base(evaluation={"prompt_spec": PromptSpec(system="strict")}), {"judge"}),
    (
        "override of the metric",
        lambda: base(evaluation={"workflow_overrides": {"test/verdict": {"scale": 5}}}),
        {"judge"},
    ),
    ("workflow metric", lambda: base(metrics=[Equal(), Verdict(rubric="new")]), {"judge"}),
]

INVISIBLE: list[tuple[str, Callable[[], Experiment]]] = [
    ("name of the run", lambda: base(name="another")),
    ("runtime", lambda: base(runtime=RuntimeConfig(max_concurrent_tasks=1, retry_attempts=9))),
    ("environment", lambda: base(environment_metadata={"machine": "new"})),
    ("revision of the dataset", lambda: base(datasets=[Dataset("sums", dataset(3).cases, revision="2")])),
    ("another case", lambda: base(datasets=[dataset(3, c0={"input": "new"})])),
    ("another dataset", lambda: base(datasets=[dataset(3), dataset(2, "other")])),
    ("another metric", lambda: base(metrics=[Equal(), Equal("test/second"), Verdict()])),
    (
        "override of another metric",
        lambda: base(
            metrics=[Equal(), Verdict(), Verdict(component_id="test/x")],
            evaluation={"workflow_overrides": {"test/x": {"scale": 5}}},
        ),
    ),
    ("number of draws", lambda: base(evaluation={"judge_repeats": 2})),
]


@pytest.mark.parametrize(("made", "stages"), [row[1:] for row in VISIBLE], ids=[row[0] for row in VISIBLE])
def test_what_a_component_can_see_changes_its_key_and_no_other(
    made: Callable[[], Experiment], stages: set[str]
) -> None:
    assert changed_stages(made()) == stages


@pytest.mark.parametrize("made", [row[1] for row in INVISIBLE], ids=[row[0] for row in INVISIBLE])
def test_what_no_component_can_see_changes_no_key(made: Callable[[], Experiment]) -> None:
    assert changed_stages(made()) == set()


def test_the_pure_metric_of_an_experiment_is_keyed_by_its_own_code() -> None:
    class Stricter(Equal):
        def fingerprint(self) -> str:
            return "stricter"

    assert changed_stages(base(metrics=[Stricter(), Verdict()])) == {"score"}


def test_samples_and_draws_have_keys_of_their_own() -> None:
    found = keys(base(samples=3, evaluation={"judge_repeats": 2}))
    generated = [key for (stage, _, _), key in found.items() if stage == "generate"]
    judged = [key for (stage, _, _), key in found.items() if stage == "judge"]
    assert (len(generated), len(set(generated))) == (3, 3)
    assert (len(judged), len(set(judged))) == (2, 2)


def test_more_samples_leave_the_keys_of_the_first_ones_alone() -> None:
    one, three = keys(base()), keys(base(samples=3))
    name = ("generate", "test/answer", "sums/c1/0")
    assert one[name] == three[name]


def test_a_field_that_is_not_read_is_not_in_the_key() -> None:
    @dataclass
    class Blind(Constant):
        reads: tuple[str, ...] = ("input",)

    plain = experiment(3, generator=Blind())
    other = experiment(3, generator=Blind(), datasets=[dataset(3, c1={"expected_output": "x", "metadata": {}})])
    name = ("generate", "test/answer", "sums/c1/0")
    assert keys(plain)[name] == keys(other)[name]


def test_keys_do_not_depend_on_the_order_of_cases() -> None:
    backwards = Dataset("sums", list(reversed(dataset(3).cases)))  # type: ignore[call-overload]
    assert keys(base()) == keys(base(datasets=[backwards]))
