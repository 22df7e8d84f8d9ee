"""Audits: honest runs are reproduced without an alarm, and each way to tamper is found at the level that promises it.

The forgeries keep all hashes right: whoever makes them has the specification, and this project's own code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.components import Answer, Equal
from tests.support.damage import damage_frame
from tests.support.experiments import dataset, experiment
from themis_vcs import InMemoryRunStore, LmdbRunStore, Repository
from themis_vcs.audit.audit import Audit
from themis_vcs.audit.finding import Finding, Verdict
from themis_vcs.model import tree
from themis_vcs.model.codec import pack
from themis_vcs.model.objects import Run, Snapshot, Stage, Step, Track, TreeNode, Value, load
from themis_vcs.model.oid import Oid
from themis_vcs.store import segments
from themis_vcs.store.lmdb import LmdbBackend
from themis_vcs.store.seal import sealed
from themis_vcs.store.tables import Writer

CASE = "sums/c1"


class Failing(Answer):
    """A generator that fails for c2."""

    async def generate(self, case: Any, ctx: Any) -> Any:
        if case.case_id == "c2":
            raise RuntimeError("down")
        return await super().generate(case, ctx)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbRunStore]:
    with LmdbRunStore(tmp_path / "store") as store:
        experiment(8, name="main").run(store=store)
        yield store


def audited(repository: Repository, oid: Oid | None = None) -> tuple[list[Finding], list[Verdict]]:
    audit = Audit(repository, oid or head(repository))
    return list(audit.findings()), audit.verdicts


def head(repository: Repository, name: str = "main") -> Oid:
    oid = repository.ref(f"names/{name}")
    assert oid is not None
    return oid


def codes(found: tuple[list[Finding], list[Verdict]]) -> set[str]:
    return {finding.code for finding in found[0]}


def outcomes(found: tuple[list[Finding], list[Verdict]]) -> list[str]:
    return [verdict.outcome for verdict in found[1]]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"samples": 3},
        {"size": 300},
        {"generator": Failing()},
        {"evaluation": {"judge_repeats": 2}},
        {"seeds": [5, 6], "samples": 3},
        {"datasets": [dataset(3), dataset(2, "a/b", c0={"metadata": {}})]},
    ],
    ids=str,
)
def test_an_honest_run_is_reproduced(options: dict[str, Any]) -> None:
    store = InMemoryRunStore()
    experiment(**{"size": 6, "name": "main", **options}).run(store=store)
    found = audited(store.repository)
    assert found[0] == []
    assert outcomes(found) == ["reproduced", "reproduced"]


def test_a_replay_and_a_run_that_stopped_early_are_reproduced(store: LmdbRunStore) -> None:
    experiment(8, name="main", metrics=[Equal()]).replay(stage="score", store=store)
    experiment(8, name="early").run(store=store, until_stage="parse")
    for name in ("main", "early"):
        found = audited(store.repository, head(store.repository, name))
        assert outcomes(found) == ["reproduced", "reproduced"], found[0]


def rewritten(
    repository: Repository,
    stage: str,
    change: Callable[[Track], Track] | None = None,
    run_too: Callable[[Run], Run] = lambda run: run,
) -> Oid:
    """A run that differs from the one at hand in the first track of a stage, with every hash above it made anew."""
    run = repository.load(head(repository), Run)
    stages = []
    for oid in run.stages:
        body = repository.load(oid, Stage)
        if body.name == stage and change is not None:
            oid = repository.put(replace(body, tracks=[change(body.tracks[0]), *body.tracks[1:]]))
        stages.append(oid)
    forged = repository.put(run_too(replace(run, stages=stages)))
    repository.flush()
    return forged


def changed(repository: Repository, root: Oid, changes: dict[str, Oid | None]) -> Oid:
    return kept(repository, tree.update(root, changes, lambda oid: repository.load(oid, TreeNode)))


def kept(repository: Repository, built: tree.Built) -> Oid:
    for payload in built.nodes.values():
        repository.put(load(payload, TreeNode))
    return built.root


def at(repository: Repository, root: Oid, key: str) -> Oid:
    oid = tree.get(root, key, lambda each: repository.load(each, TreeNode))
    assert oid is not None
    return oid


def with_step(repository: Repository, key: str = CASE, **fields: Any) -> Callable[[Track], Track]:
    def change(track: Track) -> Track:
        step = repository.load(at(repository, track.steps, key), Step)
        forged = repository.put(replace(step, **fields))
        return replace(track, steps=changed(repository, track.steps, {key: forged}))

    return change


def test_a_swapped_value_is_found(store: LmdbRunStore) -> None:
    repository = store.repository

    def swap(track: Track) -> Track:
        other = at(repository, track.values, "sums/c2")
        return replace(track, values=changed(repository, track.values, {CASE: other}))

    found = audited(repository, rewritten(repository, "parse", swap))
    assert "step-of-another-value" in codes(found)
    assert outcomes(found) == ["reproduced", "not reproduced"]
    assert CASE in {finding.way[-1] for finding in found[0] if finding.code == "step-of-another-value"}


def test_an_altered_score_is_found(store: LmdbRunStore) -> None:
    repository = store.repository

    def alter(track: Track) -> Track:
        score = repository.load(at(repository, track.values, CASE), Value)
        better = repository.put(replace(score, data={**score.data, "value": 0.5}))
        return replace(track, values=changed(repository, track.values, {CASE: better}))

    assert codes(audited(repository, rewritten(repository, "score", alter))) == {"step-of-another-value"}


def test_an_altered_score_with_an_altered_receipt_disagrees_with_the_receipt_that_there_was(
    store: LmdbRunStore,
) -> None:
    repository = store.repository

    def alter(track: Track) -> Track:
        score = repository.load(at(repository, track.values, CASE), Value)
        better = repository.put(replace(score, data={**score.data, "value": 0.5}))
        return with_step(repository, value=better)(
            replace(track, values=changed(repository, track.values, {CASE: better}))
        )

    assert codes(audited(repository, rewritten(repository, "score", alter))) == {"receipts-disagree"}


@pytest.mark.parametrize(
    ("stage", "fields", "code"),
    [
        ("score", {"component": "builtin/other"}, "step-of-another-component"),
        ("score", {"case": "sums/c2"}, "step-of-another-case"),
        ("score", {"stage": "parse"}, "step-of-another-case"),
        ("score", {"seed": 7}, "step-seed"),
        ("reduce", {"seed": 7}, "step-seed"),
        ("score", {"params": b"\1" * 32}, "step-params"),
        ("parse", {"inputs": []}, "step-inputs"),
        ("score", {"fingerprint": b"\2" * 32}, "fingerprint-unproven"),
    ],
)
def test_a_receipt_of_something_else_is_found(
    store: LmdbRunStore, stage: str, fields: dict[str, Any], code: str
) -> None:
    repository = store.repository
    if "params" in fields:
        fields = {"params": repository.put(Value("params", {"other": 1}))}
    found = audited(repository, rewritten(repository, stage, with_step(repository, **fields)))
    assert code in codes(found)


def test_a_case_that_was_left_out_is_found(store: LmdbRunStore) -> None:
    repository = store.repository

    def leave_out(track: Track) -> Track:
        return replace(
            track,
            values=changed(repository, track.values, {CASE: None}),
            steps=changed(repository, track.steps, {CASE: None}),
        )

    found = audited(repository, rewritten(repository, "score", leave_out))
    assert [(finding.code, finding.way[-1]) for finding in found[0]] == [("case-left-out", CASE)]


def test_a_run_that_was_interrupted_claims_no_more_than_it_has(store: LmdbRunStore) -> None:
    repository = store.repository

    def lack(track: Track) -> Track:
        lacking: dict[str, Oid | None] = {CASE: None, "sums/c2": None}
        return replace(
            track,
            values=changed(repository, track.values, lacking),
            steps=changed(repository, track.steps, lacking),
        )

    oid = rewritten(
        repository,
        "score",
        lack,
        lambda run: replace(run, stages=run.stages[:4], completed_through="parse", status="interrupted"),
    )
    found = audited(repository, oid)
    assert [(finding.code, finding.severity) for finding in found[0]] == [("stage-incomplete", "note")]
    assert found[0][0].message.startswith("2 cases")
    assert outcomes(found) == ["reproduced", "reproduced"]


def test_a_result_of_no_case_is_found(store: LmdbRunStore) -> None:
    repository = store.repository

    def add(track: Track) -> Track:
        return replace(
            track,
            values=changed(repository, track.values, {"sums/zz": at(repository, track.values, CASE)}),
            steps=changed(repository, track.steps, {"sums/zz": at(repository, track.steps, CASE)}),
        )

    assert codes(audited(repository, rewritten(repository, "score", add))) == {"case-unknown"}


def asking_for(repository: Repository, **stages: Any) -> Oid:
    """A run that says that something else was asked for in some stages."""
    snapshot = repository.load(repository.load(head(repository), Run).snapshot, Snapshot)
    identity = replace(snapshot.identity, stages={**snapshot.identity.stages, **stages})
    forged = repository.put(replace(snapshot, identity=identity))
    return rewritten(repository, "", run_too=lambda run: replace(run, snapshot=forged))


def test_an_identity_that_is_not_that_of_the_run_is_found(store: LmdbRunStore) -> None:
    assert "run-id" in codes(audited(store.repository, asking_for(store.repository, judge={"metrics": []})))


def test_inputs_of_another_run_are_found(store: LmdbRunStore) -> None:
    repository = store.repository
    experiment(8, name="other", generator=Answer(salt="x")).run(store=store)
    other = repository.load(head(repository, "other"), Run)
    (track, *_) = repository.load(other.stages[1], Stage).tracks
    assert "stage-inputs" in codes(audited(repository, rewritten(repository, "reduce", lambda _: track)))


def written(repository: Repository, write: Callable[[Writer], object]) -> None:
    """Write into the database behind the store's back."""
    assert isinstance(repository.backend, LmdbBackend)
    repository.backend.environment.write(write)


def test_a_ref_that_was_moved_behind_its_log_is_found(store: LmdbRunStore) -> None:
    repository = store.repository
    before = head(repository)
    experiment(8, name="main", metrics=[Equal()]).replay(stage="score", store=store)
    written(repository, lambda writer: writer.put("refs", b"names/main", sealed("refs", b"names/main", before)))
    found = audited(repository, before)
    assert codes(found) == {"ref-damaged"}
    assert outcomes(found) == ["not reproduced", "cannot tell"]


def test_a_move_that_is_not_in_the_log_is_found_though_a_later_one_is(store: LmdbRunStore) -> None:
    repository = store.repository
    experiment(8, name="main", metrics=[Equal()]).replay(stage="score", store=store)
    last, first = repository.reflog("names/main")
    key = b"names/main\0" + (2).to_bytes(8, "big")
    row = pack([b"\1" * 32, last.new, last.time, last.who, last.message])
    assert last.old == first.new
    written(repository, lambda writer: writer.put("reflog", key, sealed("reflog", key, row)))
    assert codes(audited(repository)) == {"ref-moved"}


def test_a_tree_that_is_cut_elsewhere_is_found() -> None:
    store = InMemoryRunStore()
    experiment(400, name="main").run(store=store)
    repository = store.repository

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

    found = audited(repository, rewritten(repository, "parse", recut))
    assert codes(found) == {"tree-malformed"}


def test_an_object_that_is_missing_or_not_what_was_stored_is_named_with_its_place(store: LmdbRunStore) -> None:
    repository = store.repository
    run = repository.load(head(repository), Run)
    (track,) = repository.load(run.stages[2], Stage).tracks
    oid = at(repository, track.values, CASE)
    damage_frame(repository, oid)
    (found,) = audited(repository)[0]
    assert (found.code, found.oid) == ("object-damaged", oid.hex())
    assert found.way[1:] == ["stage parse", f"track {track.id}", "values", CASE]
    written(
        repository,
        lambda writer: segments.forget(
            writer, list(segments.rows(writer.cursor(segments.INDEX), oid[: segments.PREFIX]))
        ),
    )
    assert codes(audited(repository)) == {"object-missing"}


@pytest.mark.parametrize("stages", [{"generate": 5}, {"generate": {"seeds": [None]}}, {"score": {"metrics": [1]}}])
def test_an_identity_of_another_shape_is_malformed_and_no_more(store: LmdbRunStore, stages: dict[str, Any]) -> None:
    found = audited(store.repository, asking_for(store.repository, **stages))
    assert codes(found) == {"object-malformed"}
    assert outcomes(found) == ["not reproduced", "cannot tell"]


def test_a_metric_without_a_track_and_a_track_that_is_there_twice_are_found(store: LmdbRunStore) -> None:
    repository = store.repository
    run = repository.load(head(repository), Run)
    at_score = 3
    stage = repository.load(run.stages[at_score], Stage)
    for tracks, code in (([], "component-left-out"), (stage.tracks * 2, "track-twice")):
        forged = repository.put(replace(stage, tracks=tracks))
        stages = [*run.stages[:at_score], forged, *run.stages[at_score + 1 :]]
        assert code in codes(audited(repository, repository.put(replace(run, stages=stages))))


def test_a_stage_that_the_run_claims_and_lacks_is_found(store: LmdbRunStore) -> None:
    repository = store.repository
    without = rewritten(repository, "", run_too=lambda run: replace(run, stages=[*run.stages[:2], *run.stages[3:]]))
    assert "stage-missing" in codes(audited(repository, without))
    unheard = rewritten(repository, "", run_too=lambda run: replace(run, completed_through="polish"))
    assert "stage-missing" in codes(audited(repository, unheard))


def test_more_draws_than_there_are_is_one_finding_for_each_case(store: LmdbRunStore) -> None:
    found = audited(store.repository, rewritten(store.repository, "judge", lambda track: replace(track, fanout=10**15)))
    assert [finding.code for finding in found[0]] == ["case-left-out"] * 8


@pytest.mark.parametrize("key", ["sums/c1/x", "sums/c1/00", "sums/c1/\u0663", "sums/c1/" + "9" * 900])
def test_a_key_that_is_no_draw_is_found(store: LmdbRunStore, key: str) -> None:
    repository = store.repository

    def add(track: Track) -> Track:
        forged = {
            name: changed(repository, root, {key: at(repository, root, f"{CASE}/0")})
            for name, root in (("values", track.values), ("steps", track.steps))
        }
        return replace(track, **forged)

    found = audited(repository, rewritten(repository, "judge", add))
    assert codes(found) == {"case-unknown"}


@pytest.mark.parametrize(
    ("scores", "stated", "code"),
    [
        ([0.5, 1.0], 0.75, set()),
        ([0.5, 1.0], 0.8, {"score-aggregate"}),
        ([1e308, 1e308], 1e308, set()),
        ([float("inf"), float("-inf")], 0.0, set()),
        (5, 0.5, set()),
        ([None], 0.5, set()),
    ],
)
def test_a_mean_is_held_against_its_scores(store: LmdbRunStore, scores: Any, stated: float, code: set[str]) -> None:
    repository = store.repository

    def judged(track: Track) -> Track:
        key = f"{CASE}/0"
        value = repository.load(at(repository, track.values, key), Value)
        given = [{"metric_id": "m", "value": each} for each in scores] if type(scores) is list else scores
        data = {**value.data, "scores": given, "aggregation_output": {"method": "mean", "value": stated, "details": {}}}
        forged = repository.put(replace(value, data=data))
        return with_step(repository, key, value=forged)(
            replace(track, values=changed(repository, track.values, {key: forged}))
        )

    assert codes(audited(repository, rewritten(repository, "judge", judged))) - {"receipts-disagree"} == code
