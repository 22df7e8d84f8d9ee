"""Re-execution: what is deterministic comes out bit for bit, what is not is measured, and nothing gets out of hand."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.support.components import AfterEquals, Answer, Equal, Judge
from tests.support.experiments import experiment
from tests.support.forging import audited, codes, head, outcomes, reexecuted
from themis_vcs import InMemoryRunStore, JudgeResponse, ParsedOutput, Repository
from themis_vcs.audit.reexecution import Asked, wilson
from themis_vcs.errors import UsageError
from themis_vcs.evaluation.failures import ParseError
from themis_vcs.model.objects import Run, Stage
from themis_vcs.performer.performer import StoredPerformer
from themis_vcs.performer.worker import Exited, NoAnswer, Worker


class Moody(AfterEquals):
    """A parser that does what its class attribute says, once the run is made."""

    mood = "calm"

    def fingerprint(self) -> str:
        return "moody"

    def parse(self, candidate: Any, ctx: Any) -> ParsedOutput:
        if Moody.mood == "exits":
            sys.exit(7)
        if Moody.mood == "hangs":
            time.sleep(60)
        if Moody.mood == "swears":
            error = RuntimeError("\ud800\x1b" * 10_000)
            error.category = "\udfff" * 10_000  # type: ignore[attr-defined]
            raise error
        if Moody.mood == "raises":
            raise ParseError("not now")
        if Moody.mood == "returns":
            return "nonsense"  # type: ignore[return-value]
        parsed = super().parse(candidate, ctx)
        return replace(parsed, value="\x1b[31m" * 400) if Moody.mood == "lies" else parsed


class Refusing(Answer):
    """A generator that fails for c2, as its class attribute says."""

    category = "provider_failure"

    async def generate(self, case: Any, ctx: Any) -> Any:
        if case.case_id == "c2":
            error = RuntimeError("down")
            error.category = self.category  # type: ignore[attr-defined]
            raise error
        return await super().generate(case, ctx)


class Wavering(Answer):
    """A generator that declares that it may answer otherwise, and does for every other call."""

    calls = 0

    async def generate(self, case: Any, ctx: Any) -> Any:
        Wavering.calls += 1
        answer = await super().generate(case, ctx)
        return replace(answer, final_output="= else") if Wavering.calls > 12 and Wavering.calls % 2 else answer


@pytest.fixture(autouse=True)
def calm() -> Any:
    Moody.mood, Refusing.category, Wavering.calls = "calm", "provider_failure", 0
    yield
    Moody.mood = "calm"


def made(**options: Any) -> Repository:
    store = InMemoryRunStore()
    experiment(**{"size": 6, "name": "main", **options}).run(store=store)
    return store.repository


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"samples": 3},
        {"seeds": [5, 6], "samples": 3, "evaluation": {"judge_repeats": 2}},
        {
            "generator": "builtin/demo_generator",
            "metrics": ["builtin/f1", "builtin/llm_rubric"],
            "judge": "builtin/demo_judge",
            "parser": "builtin/text",
            "evaluation": {"judge_config": {"rubric": "Is it right?"}},
        },
        {"generator": Refusing()},
    ],
    ids=str,
)
def test_an_honest_run_comes_out_bit_for_bit(options: dict[str, Any]) -> None:
    found = reexecuted(made(**options))
    assert found[0] == []
    assert outcomes(found) == ["reproduced", "reproduced", "cannot tell", "reproduced"]


def test_answers_of_judges_that_may_say_otherwise_are_taken_as_stored_and_the_rest_is_executed() -> None:
    found = reexecuted(made(judge=Judge(deterministic=False)))
    assert codes(found) == {"answers-taken"}
    assert outcomes(found)[-1] == "reproduced in part"


def test_nothing_is_written_and_a_run_is_read_only() -> None:
    repository = made()
    before = sorted(repository.backend.oids()), list(repository.refs()), list(repository.backend.derivations())
    reexecuted(repository)
    assert before == (
        sorted(repository.backend.oids()),
        list(repository.refs()),
        list(repository.backend.derivations()),
    )


def test_a_failure_of_another_category_is_a_difference() -> None:
    repository = made(generator=Refusing())
    Refusing.category = "data_problem"
    (found,) = reexecuted(repository)[0]
    assert (found.code, found.severity, found.way[-1]) == ("outcome-differs", "error", "sums/c2/0")


@pytest.mark.parametrize(
    ("mood", "code", "severity", "said"),
    [
        ("lies", "value-differs", "error", "another value"),
        ("raises", "outcome-differs", "error", "parse_failure"),
        ("swears", "outcome-differs", "error", "RuntimeError: ?\x1b?"),
        ("returns", "outcome-differs", "error", "wrong_result"),
        ("exits", "outcome-differs", "error", "SystemExit"),
        ("hangs", "no-answer", "warning", "no answer within 0.2 s"),
    ],
)
def test_whatever_a_component_does_is_a_finding(mood: str, code: str, severity: str, said: str) -> None:
    repository = made(parser=Moody(), size=2)
    Moody.mood = mood
    found, _ = reexecuted(repository, stages=["parse"], timeout=0.2 if mood == "hangs" else 30)
    assert {(each.code, each.severity) for each in found} == {(code, severity)}
    assert said in found[0].message
    assert len(found) == 2
    assert all(len(each.message) <= 1_000 and all(len(line) < 400 for line in each.diff) for each in found)
    assert msgspec.json.encode(found)


def test_a_difference_shows_the_two_values() -> None:
    repository = made(parser=Moody(), size=1)
    Moody.mood = "lies"
    (found,) = reexecuted(repository, stages=["parse"])[0]
    (line,) = found.diff
    assert line.startswith("data.value: 'v0' -> ")
    assert "\x1b" not in line


def test_what_was_not_asked_for_is_told_from_what_could_not_be_executed() -> None:
    repository = made(generator=Wavering(deterministic=False))
    found, verdicts = reexecuted(repository, stages=["generate", "parse"])
    assert [each.severity for each in found if each.code == "not-reexecuted"] == ["note"]
    assert verdicts[-1].why.endswith(
        "bit for bit; 4 components not asked for (test/answer, test/first, test/equal, test/verdict)"
    )
    store = InMemoryRunStore()
    experiment(6, name="main", metrics=[Equal(), Equal("test/second")]).run(store=store)
    second = experiment(6, name="main", metrics=[Equal(), Louder("test/second")])
    second.replay(stage="score", metric_ids=["test/equal"], store=store)
    found, verdicts = reexecuted(store.repository)
    assert [each.severity for each in found if each.code == "not-reexecuted"] == ["warning"]
    assert verdicts[-1].outcome == "reproduced in part"
    assert verdicts[-1].why.endswith("; 1 component could not be executed (test/second)")


def test_stages_components_and_samples_narrow_it() -> None:
    repository = made()
    for asked, executed in (
        ({"stages": ["parse", "score"]}, 12),
        ({"components": ["test/equal"]}, 6),
        ({"sample": 2}, 10),
        ({"sample": 2, "stages": ["parse"]}, 2),
    ):
        verdict = reexecuted(repository, **asked)[1][-1]
        assert verdict.why.startswith(f"{executed} of {executed} "), asked
        assert verdict.outcome == "reproduced in part"
    with pytest.raises(UsageError, match="no component test/none"):
        reexecuted(repository, components=["test/none"])


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    repository = made(parser=Moody(), size=40)
    Moody.mood = "lies"

    def drawn(seed: int) -> list[str]:
        return [each.way[-1] for each in reexecuted(repository, stages=["parse"], sample=5, seed=seed)[0]]

    assert drawn(1) == drawn(1) != drawn(2)


def test_agreement_of_what_may_come_out_otherwise_is_measured_when_the_person_names_it() -> None:
    repository = made(generator=Wavering(deterministic=False), size=12)
    refused = reexecuted(repository, stages=["generate"])
    assert (codes(refused), outcomes(refused)[-1]) == ({"not-reexecuted"}, "cannot tell")
    assert Wavering.calls == 12
    unmeasured = reexecuted(repository, components=["test/answer"])
    assert "--sample" in unmeasured[0][0].message
    found = reexecuted(repository, components=["test/answer"], sample=8)
    (agreement,) = (each for each in found[0] if each.code == "agreement")
    assert agreement.figures == {"same": 4.0, "calls": 8.0, "low": wilson(4, 8)[0], "high": wilson(4, 8)[1]}
    assert {each.severity for each in found[0]} == {"note"}
    assert outcomes(found)[-1] == "reproduced in part"


def test_judgments_agree_by_their_scores_whatever_was_said() -> None:
    found = reexecuted(made(judge=Chatty(deterministic=False)), components=["test/judge"], sample=6)
    (agreement,) = (each for each in found[0] if each.code == "agreement")
    assert (agreement.figures["same"], agreement.figures["calls"]) == (6, 6)


class Chatty(Judge):
    """A judge model whose words differ each time, and whose verdict does not."""

    words = 0

    async def judge(self, prompt: str, *, seed: int | None = None) -> JudgeResponse:
        Chatty.words += 1
        return JudgeResponse(self.component_id, json.dumps({"label": "seen", "score": 1.0, "said": Chatty.words}))


@pytest.mark.parametrize(
    ("same", "count", "low", "high"),
    [(10, 10, 0.7225, 1.0), (0, 10, 0.0, 0.2775), (4, 8, 0.2152, 0.7848), (81, 263, 0.2553, 0.3662)],
)
def test_the_interval_is_that_of_wilson(same: int, count: int, low: float, high: float) -> None:
    """The last is an example of Newcombe (1998), method 3."""
    assert wilson(same, count) == pytest.approx((low, high), abs=5e-5)


def test_recorded_answers_prove_nothing(tmp_path: Path) -> None:
    records = tmp_path / "answers.jsonl"
    records.write_text("".join(f'{{"case_id": "c{n}", "output": "= v{2 * n}"}}\n' for n in range(6)))
    found = reexecuted(made(generator={"use": "builtin/recorded_generator", "path": str(records)}), stages=["generate"])
    (said,) = (each for each in found[0] if each.level == "re-execution")
    assert said.message.startswith("cannot tell: it plays answers back")
    assert outcomes(found)[-1] == "cannot tell"


def test_code_that_nobody_here_has_named_is_not_called() -> None:
    repository = made()
    theirs = Repository.memory()
    for oid, payload in repository.backend.everything():
        theirs.put_payload(oid, payload, "copied")
    theirs.flush()
    oid = head(repository)
    performer = StoredPerformer(theirs, theirs.load(oid, Run).snapshot, imports=True)
    found = audited(theirs, oid, "re-execution", reexecution=Asked(performer=performer))
    said = [each.message for each in found[0] if each.level == "re-execution"]
    assert len(said) == 5
    assert all("is somebody's code" in each for each in said)


def test_a_component_that_was_carried_over_in_another_state_cannot_be_told_of() -> None:
    store = InMemoryRunStore()
    experiment(6, name="main", metrics=[Equal(), Equal("test/second")]).run(store=store)
    second = experiment(6, name="main", metrics=[Equal(), Louder("test/second")])
    second.replay(stage="score", metric_ids=["test/equal"], store=store)
    found = reexecuted(store.repository)
    assert [(each.code, each.severity) for each in found[0] if each.level == "provenance"] == [
        ("component-carried", "note")
    ]
    assert [each.way[2] for each in found[0] if each.code == "not-reexecuted"] == ["track test/second"]


class Louder(Equal):
    """Another state of the metric."""

    def fingerprint(self) -> str:
        return "louder"


def test_a_worker_goes_on_after_a_call_that_hangs_or_exits() -> None:
    worker = Worker()

    async def exits() -> None:
        sys.exit(3)

    async def hangs() -> None:
        await asyncio.sleep(60)

    async def answers() -> str:
        return "here"

    with pytest.raises(Exited, match="SystemExit"):
        worker.call(exits, 5)
    with pytest.raises(NoAnswer):
        worker.call(hangs, 0.05)
    assert worker.call(answers, 5) == "here"
    worker.close()


def test_every_stage_of_a_run_is_called_as_the_pipeline_calls_it() -> None:
    """Each stage is re-executed at least once for each of its cases: none is passed over in silence."""
    repository = made(samples=2)
    verdict = reexecuted(repository)[1][-1]
    stages = [repository.load(oid, Stage) for oid in repository.load(head(repository), Run).stages]
    assert len(stages) == 5
    assert (
        verdict.why == f"{6 * 2 + 6 * 4} of {6 * 2 + 6 * 4} steps that were executed again gave the same, bit for bit"
    )
