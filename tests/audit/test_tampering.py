"""Tampering that keeps every hash right is found, at the level that promises it.

Each forgery is a function from a store with a run `main` of eight cases to the run that is audited then.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.components import AfterEquals, Answer, Equal, Judge
from tests.support.experiments import experiment
from tests.support.forging import (
    CASE,
    asking_for,
    at,
    audited,
    changed,
    codes,
    head,
    reexecuted,
    rewritten,
    with_receipt,
    with_step,
    with_tracks,
    with_value,
    written,
)
from themis_vcs import LmdbRunStore, Repository
from themis_vcs.model.codec import pack
from themis_vcs.model.derivation import key_of
from themis_vcs.model.objects import Run, Snapshot, Stage, Step, StepError, Track, TreeNode, Value
from themis_vcs.model.oid import Oid
from themis_vcs.pipeline.snapshot import run_id_of
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.seal import sealed

Forgery = Callable[[LmdbRunStore], Oid]
JUDGED = f"{CASE}/0"


def better(data: dict[str, Any]) -> dict[str, Any]:
    """A score that is another one."""
    return {**data, "value": 0.5}


def a_value_is_swapped(store: LmdbRunStore) -> Oid:
    repository = store.repository

    def swap(track: Track) -> Track:
        return replace(track, values=changed(repository, track.values, {CASE: at(repository, track.values, "sums/c2")}))

    return rewritten(repository, "parse", swap)


def a_score_is_altered(store: LmdbRunStore) -> Oid:
    return rewritten(store.repository, "score", with_value(store.repository, CASE, better))


def a_score_is_altered_with_its_receipt(store: LmdbRunStore) -> Oid:
    return rewritten(store.repository, "score", with_value(store.repository, CASE, better, receipt=True))


def a_score_is_altered_with_its_receipt_and_the_index(store: LmdbRunStore) -> Oid:
    return rewritten(store.repository, "score", with_value(store.repository, CASE, better, receipt=True, index=True))


def a_verdict_is_altered_with_its_receipt_and_the_index(store: LmdbRunStore) -> Oid:
    def kinder(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "scores": [{**each, "value": 0.25} for each in data["scores"]]}

    return rewritten(store.repository, "judge", with_value(store.repository, JUDGED, kinder, receipt=True, index=True))


def an_answer_is_forged_with_its_receipt_and_the_index(store: LmdbRunStore) -> Oid:
    """All that comes of the answer is computed honestly: the forger has the rest of the pipeline run on it."""
    repository = store.repository

    def right(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "final_output": "1+1 #0 = v3"}

    forged = rewritten(repository, "generate", with_value(repository, JUDGED, right, receipt=True, index=True))
    repository.commit([RefUpdate("names/forged", forged, None)], message="forged")
    experiment(8, name="forged").replay(stage="reduce", store=store)
    return head(repository, "forged")


def a_metric_is_shown_less_than_it_reads(store: LmdbRunStore) -> Oid:
    """The receipt, the score and the index fit what was shown: the expected answer was kept from the metric."""
    repository = store.repository

    def hide(track: Track) -> Track:
        step = repository.load(at(repository, track.steps, CASE), Step)
        case = repository.load(step.inputs[0], Value)
        shown = repository.put(
            replace(case, data={name: each for name, each in case.data.items() if name != "expected_output"})
        )
        return with_receipt(repository, CASE, replace(step, inputs=[shown, *step.inputs[1:]]), index=True)(track)

    return rewritten(repository, "score", hide)


def a_score_is_altered_and_its_metric_said_to_be_unsteady(store: LmdbRunStore) -> Oid:
    """So that its receipt need not be the only one, and nobody need execute it again."""
    alter = with_value(store.repository, CASE, better, receipt=True)

    def forge(track: Track) -> Track:
        return replace(alter(track), component=replace(track.component, deterministic=False))

    return rewritten(store.repository, "score", forge)


def a_failure_is_made_of_a_value(store: LmdbRunStore) -> Oid:
    repository = store.repository

    def fail(track: Track) -> Track:
        step = repository.load(at(repository, track.steps, CASE), Step)
        failed = repository.put(replace(step, value=None, error=StepError("metric_failure", "ValueError", "no")))
        return replace(
            track,
            values=changed(repository, track.values, {CASE: None}),
            steps=changed(repository, track.steps, {CASE: None}),
            failures=changed(repository, track.failures, {CASE: failed}),
        )

    return rewritten(repository, "score", fail, lambda run: replace(run, status="completed_with_failures"))


def a_failure_is_made_of_a_value_and_the_index_leads_to_it(store: LmdbRunStore) -> Oid:
    repository, oid = store.repository, a_failure_is_made_of_a_value(store)
    (track,) = repository.load(repository.load(oid, Run).stages[3], Stage).tracks
    failed = at(repository, track.failures, CASE)
    repository.record(key_of(repository.load(failed, Step)), failed)
    repository.flush()
    return oid


def a_case_is_left_out(store: LmdbRunStore) -> Oid:
    repository = store.repository

    def leave_out(track: Track) -> Track:
        return replace(
            track,
            values=changed(repository, track.values, {CASE: None}),
            steps=changed(repository, track.steps, {CASE: None}),
        )

    return rewritten(repository, "score", leave_out)


def a_result_of_no_case_is_added(store: LmdbRunStore) -> Oid:
    return _under_another_key(store.repository, "sums/zz")


def a_result_is_there_twice(store: LmdbRunStore) -> Oid:
    return _under_another_key(store.repository, "sums/c2")


def _under_another_key(repository: Repository, key: str) -> Oid:
    def add(track: Track) -> Track:
        return replace(
            track,
            values=changed(repository, track.values, {key: at(repository, track.values, CASE)}),
            steps=changed(repository, track.steps, {key: at(repository, track.steps, CASE)}),
        )

    return rewritten(repository, "score", add)


def a_case_is_there_twice(store: LmdbRunStore) -> Oid:
    """Under a second name, with the run id made anew."""
    repository = store.repository
    run = repository.load(head(repository), Run)
    snapshot = repository.load(run.snapshot, Snapshot)
    again = at(repository, snapshot.identity.cases, CASE)
    identity = replace(snapshot.identity, cases=changed(repository, snapshot.identity.cases, {"sums/c9": again}))
    forged = repository.put(replace(snapshot, identity=identity))
    return rewritten(repository, "", run_too=lambda run: replace(run, run_id=run_id_of(identity), snapshot=forged))


def receipt(stage: str, /, **fields: Any) -> Forgery:
    """A receipt that says something else than the run."""

    def forge(store: LmdbRunStore) -> Oid:
        return rewritten(store.repository, stage, with_step(store.repository, **fields))

    return forge


def a_receipt_names_other_parameters(store: LmdbRunStore) -> Oid:
    return receipt("score", params=store.repository.put(Value("params", {"other": 1})))(store)


def a_mean_is_changed(store: LmdbRunStore) -> Oid:
    def praise(data: dict[str, Any]) -> dict[str, Any]:
        scores = [{"metric_id": "test/verdict", "value": each} for each in (0.5, 1.0)]
        return {**data, "scores": scores, "aggregation_output": {"method": "mean", "value": 0.9, "details": {}}}

    return rewritten(store.repository, "judge", with_value(store.repository, JUDGED, praise, receipt=True, index=True))


def a_metric_is_dropped(store: LmdbRunStore) -> Oid:
    return with_tracks(store.repository, "score", lambda tracks: [])


def a_metric_is_there_twice(store: LmdbRunStore) -> Oid:
    return with_tracks(store.repository, "score", lambda tracks: tracks * 2)


def a_stage_is_dropped(store: LmdbRunStore) -> Oid:
    return rewritten(store.repository, "", run_too=lambda run: replace(run, stages=[*run.stages[:2], *run.stages[3:]]))


def a_stage_that_nobody_knows_is_claimed(store: LmdbRunStore) -> Oid:
    return rewritten(store.repository, "", run_too=lambda run: replace(run, completed_through="polish"))


def a_stage_of_a_run_with_other_answers_is_grafted_in(store: LmdbRunStore) -> Oid:
    experiment(8, name="other", generator=Answer(salt="x")).run(store=store)
    return _with_track_of(store, 1)


def a_stage_of_another_parser_is_grafted_in(store: LmdbRunStore) -> Oid:
    experiment(8, name="other", parser=AfterEquals(("c1",))).run(store=store)
    return _with_track_of(store, 2)


def a_score_of_an_easier_metric_of_the_same_name_is_grafted_in(store: LmdbRunStore) -> Oid:
    experiment(8, name="other", metrics=[Easy()]).run(store=store)
    return _with_track_of(store, 3)


def a_verdict_under_a_kinder_rubric_is_grafted_in(store: LmdbRunStore) -> Oid:
    experiment(8, name="other", evaluation={"judge_config": {"rubric": "be kind"}}).run(store=store)
    return _with_track_of(store, 4)


def a_verdict_of_another_judge_is_grafted_in(store: LmdbRunStore) -> Oid:
    experiment(8, name="other", judge=Kind()).run(store=store)
    return _with_track_of(store, 4)


def a_draw_of_each_judgment_is_dropped(store: LmdbRunStore) -> Oid:
    """Of three that were asked for, the graft has one."""
    repository = store.repository
    experiment(8, name="thrice", evaluation={"judge_repeats": 3}).run(store=store)
    once, thrice = (repository.load(head(repository, name), Run) for name in ("main", "thrice"))
    forged = repository.put(replace(thrice, stages=[*thrice.stages[:4], once.stages[4]]))
    repository.flush()
    return forged


def a_name_is_moved_back(store: LmdbRunStore) -> Oid:
    """Not the name that the run was made under, but another that stands at it."""
    repository = store.repository
    before = head(repository)
    experiment(8, name="main", metrics=[Equal()]).replay(stage="score", store=store)
    for oid, expected in ((before, None), (head(repository), before)):
        repository.commit([RefUpdate("names/paper", oid, expected)], message="published")
    written(repository, lambda writer: writer.put("refs", b"names/paper", sealed("refs", b"names/paper", before)))
    return before


class Kind(Judge):
    """Another state of the judge model."""

    def fingerprint(self) -> str:
        return "kind"


class Easy(Equal):
    """Everything is right."""

    def fingerprint(self) -> str:
        return "easy"

    def score(self, parsed: Any, case: Any, ctx: Any) -> Any:
        return replace(super().score(parsed, case, ctx), value=1.0)


def _with_track_of(store: LmdbRunStore, stage: int) -> Oid:
    repository = store.repository
    body = repository.load(repository.load(head(repository, "other"), Run).stages[stage], Stage)
    return rewritten(repository, body.name, lambda _: body.tracks[0])


def something_else_was_asked_for(store: LmdbRunStore) -> Oid:
    return asking_for(store.repository, judge={"metrics": []})


def a_ref_is_moved_back(store: LmdbRunStore) -> Oid:
    repository = store.repository
    before = head(repository)
    experiment(8, name="main", metrics=[Equal()]).replay(stage="score", store=store)
    written(repository, lambda writer: writer.put("refs", b"names/main", sealed("refs", b"names/main", before)))
    return before


def a_move_is_taken_out_of_the_log(store: LmdbRunStore) -> Oid:
    repository = store.repository
    experiment(8, name="main", metrics=[Equal()]).replay(stage="score", store=store)
    last, first = repository.reflog("names/main")
    assert last.old == first.new
    key = b"names/main\0" + (2).to_bytes(8, "big")
    row = pack([b"\1" * 32, last.new, last.time, last.who, last.message])
    written(repository, lambda writer: writer.put("reflog", key, sealed("reflog", key, row)))
    return head(repository)


def the_beginning_of_the_log_is_cut_off(store: LmdbRunStore) -> Oid:
    repository = store.repository
    experiment(8, name="main", metrics=[Equal()]).replay(stage="score", store=store)
    written(repository, lambda writer: writer.delete("reflog", b"names/main\0" + (1).to_bytes(8, "big")))
    assert len(repository.reflog("names/main")) == 1
    return head(repository)


def the_ref_of_a_stage_is_moved(store: LmdbRunStore) -> Oid:
    repository = store.repository
    run = repository.load(head(repository), Run)
    name = f"runs/{run.run_id.hex()}/score".encode()
    written(repository, lambda writer: writer.put("refs", name, sealed("refs", name, run.stages[2])))
    return head(repository)


def a_tree_is_cut_elsewhere(store: LmdbRunStore) -> Oid:
    repository = store.repository
    experiment(400, name="main").run(store=store)

    def recut(track: Track) -> Track:
        root = repository.load(track.values, TreeNode)
        assert root.level == 1
        first, second, *_ = (repository.load(root.oids[at : at + 32], TreeNode) for at in range(0, len(root.oids), 32))
        moved = replace(first, keys=[*first.keys, second.keys[0]], oids=first.oids + second.oids[:32])
        rest = replace(second, keys=second.keys[1:], oids=second.oids[32:])
        oids = repository.put(moved) + repository.put(rest) + root.oids[64:]
        keys = [moved.keys[-1], *root.keys[1:]]
        counts = [root.counts[0] + 1, root.counts[1] - 1, *root.counts[2:]]
        return replace(track, values=repository.put(replace(root, keys=keys, oids=oids, counts=counts)))

    return rewritten(repository, "parse", recut)


def the_index_leads_elsewhere(store: LmdbRunStore) -> Oid:
    repository = store.repository
    (track, *_) = repository.load(repository.load(head(repository), Run).stages[3], Stage).tracks
    step = repository.load(at(repository, track.steps, CASE), Step)
    repository.record(key_of(step), at(repository, track.steps, "sums/c2"))
    repository.flush()
    return head(repository)


FORGERIES: list[tuple[Forgery, str, str]] = [
    (a_tree_is_cut_elsewhere, "integrity", "tree-malformed"),
    (a_ref_is_moved_back, "integrity", "ref-damaged"),
    (a_name_is_moved_back, "integrity", "ref-damaged"),
    (a_move_is_taken_out_of_the_log, "integrity", "ref-moved"),
    (the_beginning_of_the_log_is_cut_off, "integrity", "ref-moved"),
    (the_ref_of_a_stage_is_moved, "integrity", "ref-damaged"),
    (a_case_is_there_twice, "integrity", "case-misnamed"),
    (a_value_is_swapped, "provenance", "step-of-another-value"),
    (a_score_is_altered, "provenance", "step-of-another-value"),
    (a_score_is_altered_with_its_receipt, "provenance", "receipts-disagree"),
    (a_failure_is_made_of_a_value, "provenance", "receipts-disagree"),
    (a_case_is_left_out, "provenance", "case-left-out"),
    (a_result_of_no_case_is_added, "provenance", "case-unknown"),
    (a_result_is_there_twice, "provenance", "step-of-another-case"),
    (receipt("score", component="builtin/other"), "provenance", "step-of-another-component"),
    (receipt("score", case="sums/c2"), "provenance", "step-of-another-case"),
    (receipt("score", stage="parse"), "provenance", "step-of-another-case"),
    (receipt("score", seed=7), "provenance", "step-seed"),
    (receipt("reduce", seed=7), "provenance", "step-seed"),
    (receipt("parse", inputs=[]), "provenance", "step-inputs"),
    (receipt("score", fingerprint=b"\2" * 32), "provenance", "fingerprint-unproven"),
    (a_receipt_names_other_parameters, "provenance", "step-params"),
    (a_mean_is_changed, "provenance", "score-aggregate"),
    (a_metric_is_dropped, "provenance", "component-left-out"),
    (a_metric_is_there_twice, "provenance", "track-twice"),
    (a_stage_is_dropped, "provenance", "stage-missing"),
    (a_stage_that_nobody_knows_is_claimed, "provenance", "stage-missing"),
    (a_stage_of_a_run_with_other_answers_is_grafted_in, "provenance", "stage-inputs"),
    (a_stage_of_another_parser_is_grafted_in, "provenance", "component-unasked"),
    (a_score_of_an_easier_metric_of_the_same_name_is_grafted_in, "provenance", "component-unasked"),
    (a_verdict_under_a_kinder_rubric_is_grafted_in, "provenance", "component-unasked"),
    (a_verdict_of_another_judge_is_grafted_in, "provenance", "component-unasked"),
    (a_draw_of_each_judgment_is_dropped, "provenance", "component-unasked"),
    (something_else_was_asked_for, "provenance", "run-id"),
    (the_index_leads_elsewhere, "provenance", "derivation-index"),
    (a_score_is_altered_with_its_receipt_and_the_index, "re-execution", "value-differs"),
    (a_verdict_is_altered_with_its_receipt_and_the_index, "re-execution", "value-differs"),
    (an_answer_is_forged_with_its_receipt_and_the_index, "re-execution", "value-differs"),
    (a_metric_is_shown_less_than_it_reads, "re-execution", "outcome-differs"),
    (a_score_is_altered_and_its_metric_said_to_be_unsteady, "re-execution", "value-differs"),
    (a_failure_is_made_of_a_value_and_the_index_leads_to_it, "re-execution", "outcome-differs"),
]
"""What is done, the level that promises to find it, and the code of the finding."""


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with LmdbRunStore(tmp_path / "store") as store:
        experiment(8, name="main").run(store=store)
        yield store


@pytest.mark.parametrize(("forge", "level", "code"), FORGERIES, ids=lambda each: getattr(each, "__name__", str(each)))
def test_a_forgery_is_found_at_the_level_that_promises_it(
    store: LmdbRunStore, forge: Forgery, level: str, code: str
) -> None:
    forged = forge(store)
    if level == "re-execution":
        below = audited(store.repository, forged)
        assert {verdict.outcome for verdict in below[1]} == {"reproduced"}, below[0]
        found = reexecuted(store.repository, forged)
    else:
        found = audited(store.repository, forged)
    assert code in codes(found)
    assert {each.level for each in found[0] if each.severity != "note"} == {level}
    verdict = next(each for each in found[1] if each.level == level)
    assert verdict.outcome in ("not reproduced", "reproduced in part")
