"""Audits: honest runs are reproduced without an alarm, and each way to tamper is found at the level that promises it.

The forgeries keep all hashes right: whoever makes them has the specification, and this project's own code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.components import Answer, Equal
from tests.support.experiments import dataset, experiment
from themis_vcs import InMemoryRunStore, Repository
from themis_vcs.audit.audit import Audit
from themis_vcs.audit.finding import Finding, Verdict
from themis_vcs.model import tree
from themis_vcs.model.objects import Run, Snapshot, Stage, Step, Track, TreeNode, Value
from themis_vcs.model.oid import Oid

CASE = "sums/c1"


class Failing(Answer):
    """A generator that fails for c2."""

    async def generate(self, case: Any, ctx: Any) -> Any:
        if case.case_id == "c2":
            raise RuntimeError("down")
        return await super().generate(case, ctx)


@pytest.fixture
def store() -> InMemoryRunStore:
    store = InMemoryRunStore()
    experiment(8, name="main").run(store=store)
    return store


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


def test_a_replay_and_a_run_that_stopped_early_are_reproduced(store: InMemoryRunStore) -> None:
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
    built = tree.update(root, changes, lambda oid: repository.load(oid, TreeNode))
    for payload in built.nodes.values():
        repository.put(tree_node(payload))
    return built.root


def tree_node(payload: bytes) -> TreeNode:
    from themis_vcs.model.objects import load

    return load(payload, TreeNode)


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


def test_a_swapped_value_is_found(store: InMemoryRunStore) -> None:
    repository = store.repository

    def swap(track: Track) -> Track:
        other = at(repository, track.values, "sums/c2")
        return replace(track, values=changed(repository, track.values, {CASE: other}))

    found = audited(repository, rewritten(repository, "parse", swap))
    assert "step-of-another-value" in codes(found)
    assert outcomes(found) == ["reproduced", "not reproduced"]
    assert CASE in {finding.way[-1] for finding in found[0] if finding.code == "step-of-another-value"}


def test_an_altered_score_is_found(store: InMemoryRunStore) -> None:
    repository = store.repository

    def alter(track: Track) -> Track:
        score = repository.load(at(repository, track.values, CASE), Value)
        better = repository.put(replace(score, data={**score.data, "value": 0.5}))
        return replace(track, values=changed(repository, track.values, {CASE: better}))

    assert codes(audited(repository, rewritten(repository, "score", alter))) == {"step-of-another-value"}


def test_an_altered_score_with_an_altered_receipt_disagrees_with_the_receipt_that_there_was(
    store: InMemoryRunStore,
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
    store: InMemoryRunStore, stage: str, fields: dict[str, Any], code: str
) -> None:
    repository = store.repository
    if "params" in fields:
        fields = {"params": repository.put(Value("params", {"other": 1}))}
    found = audited(repository, rewritten(repository, stage, with_step(repository, **fields)))
    assert code in codes(found)


def test_a_case_that_was_left_out_is_found(store: InMemoryRunStore) -> None:
    repository = store.repository

    def leave_out(track: Track) -> Track:
        return replace(
            track,
            values=changed(repository, track.values, {CASE: None}),
            steps=changed(repository, track.steps, {CASE: None}),
        )

    found = audited(repository, rewritten(repository, "score", leave_out))
    assert [(finding.code, finding.way[-1]) for finding in found[0]] == [("case-left-out", CASE)]


def test_a_result_of_no_case_is_found(store: InMemoryRunStore) -> None:
    repository = store.repository

    def add(track: Track) -> Track:
        return replace(
            track,
            values=changed(repository, track.values, {"sums/zz": at(repository, track.values, CASE)}),
            steps=changed(repository, track.steps, {"sums/zz": at(repository, track.steps, CASE)}),
        )

    assert codes(audited(repository, rewritten(repository, "score", add))) == {"case-unknown"}


def test_an_identity_that_is_not_that_of_the_run_is_found(store: InMemoryRunStore) -> None:
    repository = store.repository
    snapshot = repository.load(repository.load(head(repository), Run).snapshot, Snapshot)
    stages = {**snapshot.identity.stages, "judge": {"metrics": []}}
    forged = repository.put(replace(snapshot, identity=replace(snapshot.identity, stages=stages)))
    found = audited(repository, rewritten(repository, "", run_too=lambda run: replace(run, snapshot=forged)))
    assert "run-id" in codes(found)


def test_inputs_of_another_run_are_found(store: InMemoryRunStore) -> None:
    repository = store.repository
    experiment(8, name="other", generator=Answer(salt="x")).run(store=store)
    other = repository.load(head(repository, "other"), Run)
    (track, *_) = repository.load(other.stages[1], Stage).tracks
    assert "stage-inputs" in codes(audited(repository, rewritten(repository, "reduce", lambda _: track)))


def test_a_ref_that_was_moved_behind_its_log_is_found(store: InMemoryRunStore) -> None:
    repository = store.repository
    before = head(repository)
    experiment(8, name="main", metrics=[Equal()]).replay(stage="score", store=store)
    repository.backend._refs["names/main"] = before  # type: ignore[attr-defined]
    found = audited(repository, before)
    assert codes(found) == {"ref-moved"}
    assert outcomes(found) == ["not reproduced", "cannot tell"]


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


def test_an_object_that_is_missing_or_not_what_was_stored_is_named_with_its_place(store: InMemoryRunStore) -> None:
    repository = store.repository
    run = repository.load(head(repository), Run)
    (track,) = repository.load(run.stages[2], Stage).tracks
    oid = at(repository, track.values, CASE)
    objects = repository.backend._objects  # type: ignore[attr-defined]
    payload = objects.pop(oid)
    (lost,) = {finding.way[-1]: finding for finding in audited(repository)[0]}.values()
    assert (lost.code, lost.oid) == ("object-missing", oid.hex())
    assert lost.way[1:] == ["stage parse", f"track {track.id}", "values", CASE]
    objects[oid] = payload[:-1] + b"?"
    assert codes(audited(repository)) == {"object-damaged"}


def test_an_identity_of_another_shape_is_malformed_and_no_more(store: InMemoryRunStore) -> None:
    repository = store.repository
    snapshot = repository.load(repository.load(head(repository), Run).snapshot, Snapshot)
    for stages in ({"generate": 5}, {"generate": {"seeds": [None]}}, {"score": {"metrics": [1]}}):
        forged = repository.put(replace(snapshot, identity=replace(snapshot.identity, stages=stages)))
        oid = rewritten(repository, "", run_too=lambda run, forged=forged: replace(run, snapshot=forged))  # type: ignore[misc]
        found = audited(repository, oid)
        assert codes(found) == {"object-malformed"}
        assert outcomes(found) == ["not reproduced", "cannot tell"]
