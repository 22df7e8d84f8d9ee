"""What becomes of a run that arrives in a store: beside what is there, once, and never as more than it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.components import Answer, Equal, Judge, Verdict
from tests.support.experiments import experiment
from tests.support.handingover import head, stages
from themis_vcs import (
    Case,
    GenerationResult,
    InMemoryRunStore,
    export_evaluation_bundle,
    export_generation_bundle,
    export_parse_bundle,
    export_score_bundle,
    import_evaluation_bundle,
    import_generation_bundle,
    import_parse_bundle,
    import_score_bundle,
)
from themis_vcs.errors import Rejected, UsageError
from themis_vcs.model.objects import Run
from themis_vcs.pipeline.stored import resume_async
from themis_vcs.pipeline.stores import RunStore
from themis_vcs.transfer.history import origin_of


@pytest.fixture
def here() -> RunStore:
    return InMemoryRunStore()


@pytest.fixture
def there() -> RunStore:
    return InMemoryRunStore()


@dataclass
class Half(Answer):
    """A generator that answers only some cases; which ones is no part of what it is."""

    component_id: str = "test/half"
    answered: set[str] = field(default_factory=set)

    def fingerprint(self) -> str:
        return "half"

    async def generate(self, case: Case, ctx: Any) -> GenerationResult:
        if case.case_id not in self.answered:
            raise RuntimeError("not here")
        return await super().generate(case, ctx)


@dataclass
class Moody(Answer):
    """A generator that answers otherwise in other moods, and does not say so."""

    component_id: str = "test/moody"
    deterministic: bool = False
    mood: str = ""

    def fingerprint(self) -> str:
        return "moody"

    async def generate(self, case: Case, ctx: Any) -> GenerationResult:
        found = await super().generate(case, ctx)
        return replace(found, final_output=f"{self.mood}{found.final_output}")


def test_a_second_import_changes_nothing(here: RunStore, there: RunStore) -> None:
    experiment().run(store=here)
    bundle = export_evaluation_bundle(here, "main")
    first = import_evaluation_bundle(there, bundle)
    refs, reflog = list(there.repository.refs()), there.repository.reflog("names/main")
    objects = sorted(there.repository.backend.oids(b""))
    second = import_evaluation_bundle(there, bundle)
    assert (first.outcome, second.outcome) == ("new", "unchanged")
    assert list(there.repository.refs()) == refs
    assert there.repository.reflog("names/main") == reflog
    assert sorted(there.repository.backend.oids(b"")) == objects


def test_importing_what_was_made_here_changes_nothing(here: RunStore) -> None:
    experiment().run(store=here)
    before = list(here.repository.refs())
    assert import_evaluation_bundle(here, export_evaluation_bundle(here, "main")).outcome == "unchanged"
    assert list(here.repository.refs()) == before


def test_after_an_import_nothing_is_executed_again(here: RunStore, there: RunStore, counted: Counter[str]) -> None:
    experiment(samples=2).run(store=here)
    import_evaluation_bundle(there, export_evaluation_bundle(here, "main"))
    counted.clear()
    result = experiment(samples=2).run(store=there)
    assert counted == {}
    assert result.status == "completed"
    assert [counts.built for counts in result.stages.values()] == [0] * 5
    assert stages(there.repository) == stages(here.repository)


def test_an_imported_run_answers_as_a_local_one(here: RunStore, there: RunStore) -> None:
    local = experiment(samples=2).run(store=here)
    import_evaluation_bundle(there, export_evaluation_bundle(here, "main"))
    ours, theirs = here.resume(local.run_id), there.resume(local.run_id)
    assert ours is not None
    assert theirs is not None
    assert theirs.snapshot == ours.snapshot
    assert theirs.execution_state == ours.execution_state
    assert theirs.events == ours.events


@pytest.mark.parametrize("kind", ["local", "imported"])
def test_a_later_stage_continues_on_it(kind: str, here: RunStore, there: RunStore, counted: Counter[str]) -> None:
    experiment().run(store=here, until_stage="score")
    store = here
    if kind == "imported":
        import_score_bundle(there, export_score_bundle(here, "main"))
        store = there
    assert head(store.repository).completed_through == "score"
    counted.clear()
    missing = experiment(generator="no_such_module:Generator", metrics=[Equal(), Verdict("strict")])
    result = missing.replay(stage="judge", store=store)
    assert counted == {"judge": 6}
    assert result.status == "completed"


def test_judged_elsewhere_and_brought_back(here: RunStore, there: RunStore, counted: Counter[str]) -> None:
    first = experiment(generator=Answer(salt="x")).run(store=here, until_stage="score")
    assert (first.status, first.completed_through_stage) == ("stopped", "score")
    assert counted["generate"] == 6
    import_score_bundle(there, export_score_bundle(here, "main"))
    experiment(generator="no_such_module:Generator", metrics=[Equal(), Verdict("strict")]).replay(
        stage="judge", store=there
    )
    assert (counted["generate"], counted["judge"]) == (6, 6)
    back = import_evaluation_bundle(here, export_evaluation_bundle(there, "main", only=True))
    assert (back.name, back.outcome) == ("main", "new")
    assert stages(here.repository) == stages(there.repository)
    assert head(here.repository).run_id == head(there.repository).run_id
    assert head(here.repository).status == "completed"
    assert head(here.repository, "main~1").run_id.hex() == first.run_id
    assert (counted["generate"], counted["judge"]) == (6, 6)


def test_an_evaluation_alone_is_no_complete_run(here: RunStore, there: RunStore) -> None:
    experiment().run(store=here)
    import_evaluation_bundle(there, export_evaluation_bundle(here, "main", only=True))
    run = head(there.repository)
    assert list(stages(there.repository)) == ["judge"]
    assert run.completed_through is None
    assert run.status == "stopped"
    with pytest.raises(UsageError, match="has no generate stage"):
        experiment().replay(stage="judge", store=there)


@pytest.mark.parametrize("first", ["evaluation", "generation"])
def test_stages_that_come_one_by_one_meet_in_whatever_order(first: str, here: RunStore, there: RunStore) -> None:
    experiment().run(store=here)
    brought = [
        lambda: import_generation_bundle(there, export_generation_bundle(here, "main")),
        lambda: import_evaluation_bundle(there, export_evaluation_bundle(here, "main", only=True)),
    ]
    for bring in brought if first == "generation" else brought[::-1]:
        bring()
    assert set(stages(there.repository)) == {"generate", "judge"}


def test_a_stage_is_left_out_with_those_that_its_results_led_to(here: RunStore, there: RunStore) -> None:
    experiment(generator=Moody(mood="a")).run(store=there)
    experiment(generator=Moody(mood="b")).run(store=here, until_stage="generate")
    import_generation_bundle(there, export_generation_bundle(here, "main"), replace=True)
    assert set(stages(there.repository)) == {"generate"}


def test_its_scores_come_with_an_evaluation(here: RunStore, there: RunStore) -> None:
    from themis_vcs.analysis.metrics import metric_means
    from themis_vcs.analysis.reading import Reader

    result = experiment().run(store=here)
    import_evaluation_bundle(there, export_evaluation_bundle(here, "main", only=True))
    means = metric_means(Reader(there.repository), head(there.repository).stages, 6)
    assert means == {"test/verdict": result.metrics["test/verdict"]}


def test_halves_make_a_whole(here: RunStore, there: RunStore, counted: Counter[str]) -> None:
    first, second = Half(answered={"c0", "c1", "c2"}), Half(answered={"c3", "c4", "c5"})
    experiment(generator=first).run(store=here, until_stage="parse")
    experiment(generator=second).run(store=there, until_stage="parse")
    whole = InMemoryRunStore()
    experiment(generator=Half(answered=first.answered | second.answered)).run(store=whole)
    import_parse_bundle(here, export_parse_bundle(there, "main"))
    assert [stage.tracks[0].values for stage in stages(here.repository).values()] == [
        stage.tracks[0].values for stage in list(stages(whole.repository).values())[:3]
    ]
    assert (head(here.repository).status, head(here.repository).completed_through) == ("stopped", "parse")
    counted.clear()
    result = experiment(generator=Half(answered=first.answered)).run(store=here)
    assert result.status == "completed"
    assert counted == {"test/equal": 6, "judge": 6}


def test_half_a_run_is_not_shown_as_complete(here: RunStore, there: RunStore) -> None:
    experiment(generator=Half(answered={"c0"})).run(store=here)
    adopted = import_evaluation_bundle(there, export_evaluation_bundle(here, "main"))
    assert adopted.run.status == "completed_with_failures"
    claimed = head(here.repository)
    lie = here.repository.put(replace(claimed, status="completed"))
    here.repository.flush()
    fresh = InMemoryRunStore()
    adopted = import_evaluation_bundle(fresh, export_evaluation_bundle(here, lie.hex()))
    assert adopted.run.status == "completed_with_failures"


def test_another_result_for_the_same_step_is_refused(here: RunStore, there: RunStore) -> None:
    experiment(generator=Moody()).run(store=here)
    experiment(generator=Moody(mood="oh, ")).run(store=there, until_stage="generate")
    before = list(here.repository.refs())
    with pytest.raises(Rejected, match="generate/sums/c0/0: another value is here"):
        import_generation_bundle(here, export_generation_bundle(there, "main"))
    assert list(here.repository.refs()) == before


def test_what_is_replaced_stays_in_the_history(here: RunStore, there: RunStore) -> None:
    experiment(generator=Moody()).run(store=here)
    experiment(generator=Moody(mood="oh, ")).run(store=there, until_stage="generate")
    old = stages(here.repository)
    adopted = import_generation_bundle(here, export_generation_bundle(there, "main"), replace=True)
    assert adopted.outcome == "merged"
    assert stages(here.repository) == stages(there.repository)
    assert stages(here.repository, "main~1") == old
    assert stages(here.repository, "main@{1}") == old
    assert head(here.repository).completed_through == "generate"


def test_a_judgment_of_other_answers_is_refused(here: RunStore, there: RunStore) -> None:
    experiment(generator=Moody()).run(store=here, until_stage="score")
    experiment(generator=Moody(mood="oh, ")).run(store=there)
    with pytest.raises(Rejected, match="made from other results of reduce"):
        import_evaluation_bundle(here, export_evaluation_bundle(there, "main", only=True))


def test_a_run_says_where_it_came_from(here: RunStore, there: RunStore) -> None:
    experiment().run(store=here)
    adopted = import_evaluation_bundle(there, export_evaluation_bundle(here, "main"))
    assert origin_of(there.repository, adopted.oid) == "a stage bundle"
    assert origin_of(here.repository, adopted.oid) is None


def test_another_name_may_be_given(here: RunStore, there: RunStore) -> None:
    experiment().run(store=here)
    adopted = import_evaluation_bundle(there, export_evaluation_bundle(here, "main"), name="theirs")
    assert adopted.name == "theirs"
    assert there.repository.ref("names/theirs") == adopted.oid
    assert there.repository.ref("names/main") is None


def test_the_code_of_an_imported_run_is_not_trusted(here: RunStore, there: RunStore) -> None:
    import asyncio

    experiment().run(store=here, until_stage="generate")
    import_generation_bundle(there, export_generation_bundle(here, "main"))
    with pytest.raises(UsageError):
        asyncio.run(resume_async(there.repository, "main"))


def test_redrawn_judgments_of_one_run_meet(here: RunStore, there: RunStore) -> None:
    experiment(judge=Judge(deterministic=False)).run(store=here)
    import_evaluation_bundle(there, export_evaluation_bundle(here, "main"))
    experiment(judge=Judge(deterministic=False)).replay(stage="judge", store=there)
    assert isinstance(head(there.repository), Run)
