"""Revisions: from what a person types to an object."""

from __future__ import annotations

import pytest

from tests.support.stores import FINGERPRINT, Stored, store_run, store_tag
from themis_vcs.errors import Corrupt, NotFound, RevisionNotFound, UsageError
from themis_vcs.model.objects import Run, Value
from themis_vcs.store.backend import ANY, RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.store.resolve import held, resolve, resolve_run


@pytest.fixture
def runs(any_repository: Repository) -> list[Stored]:
    """Three runs in a line, the last one first."""
    made = [store_run(any_repository, 6)]
    for draw in (1, 2):
        made.append(store_run(any_repository, 6, draw=draw, parent=made[-1].run))
    return made[::-1]


def test_names_in_every_spelling_mean_the_same_run(any_repository: Repository, runs: list[Stored]) -> None:
    head = runs[0].run
    store_tag(any_repository, head, "v1")
    texts = [
        "demo",
        "names/demo",
        "v1",
        "tags/v1",
        FINGERPRINT.hex(),
        FINGERPRINT.hex()[:6],
        head.hex(),
        head.hex()[:16],
    ]
    assert [resolve(any_repository, text) for text in texts] == [head] * len(texts)


def test_a_tag_can_be_had_itself(any_repository: Repository, runs: list[Stored]) -> None:
    tag = store_tag(any_repository, runs[0].run)
    assert resolve(any_repository, "v1", peel=False) == tag


@pytest.mark.parametrize(
    ("text", "place"),
    [("demo~", 1), ("demo~1", 1), ("demo~2", 2), ("demo@{0}", 0), ("demo@{1}", 1), ("demo@{2}", 2), ("demo@{1}~1", 2)],
)
def test_runs_before_are_found_by_parents_and_by_moves(
    any_repository: Repository, runs: list[Stored], text: str, place: int
) -> None:
    assert resolve(any_repository, text) == runs[place].run


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("demo~3", "has only 2 runs before it"),
        ("demo@{3}", "did not exist then"),
        ("demo@{4}", "has made only 3 moves"),
        ("demo:judge", "no stage 'judge'"),
        ("demo:generate/demo/case-9", "holds nothing"),
        ("nonsense", "no name, tag, run or object"),
        ("0000000000", "no name, tag, run or object"),
    ],
)
def test_what_a_revision_cannot_reach_is_said(
    any_repository: Repository, runs: list[Stored], text: str, reason: str
) -> None:
    with pytest.raises(RevisionNotFound, match=reason):
        resolve(any_repository, text)


@pytest.mark.parametrize(("amount", "said"), [(0, "demo has no run before it"), (1, "demo has only 1 run before it")])
def test_one_and_none_are_said_as_such(any_repository: Repository, runs: list[Stored], amount: int, said: str) -> None:
    with pytest.raises(RevisionNotFound) as caught:
        resolve(any_repository, f"{runs[2 - amount].run.hex()}~{amount + 1}")
    assert caught.value.message.partition(": ")[2] == said.replace("demo", runs[2 - amount].run.hex())


def test_a_typing_error_suggests_what_is_near(any_repository: Repository, runs: list[Stored]) -> None:
    with pytest.raises(RevisionNotFound) as caught:
        resolve(any_repository, "dmeo")
    assert caught.value.hint == "did you mean demo?"


def test_a_stage_and_a_case_of_it_are_found(any_repository: Repository, runs: list[Stored]) -> None:
    assert resolve(any_repository, "demo:generate") == runs[0].stage
    assert resolve(any_repository, "demo~:generate/demo/case-0003") == runs[1].values["demo/case-0003"]
    found = held(any_repository, "demo:generate/demo")
    assert [each.key for each in found] == sorted(runs[0].values)
    assert {each.key: each.step for each in found} == runs[0].steps


def test_a_key_is_matched_by_its_parts_and_not_by_its_letters(any_repository: Repository, runs: list[Stored]) -> None:
    with pytest.raises(RevisionNotFound):
        held(any_repository, "demo:generate/demo/case-000")


def test_a_revision_that_holds_several_values_lists_them(any_repository: Repository, runs: list[Stored]) -> None:
    with pytest.raises(RevisionNotFound, match="holds 6 values"):
        resolve(any_repository, "demo:generate/demo")


def test_an_object_that_is_no_run_has_no_parents(any_repository: Repository, runs: list[Stored]) -> None:
    with pytest.raises(NotFound, match="is a value, not a run"):
        resolve(any_repository, f"{runs[0].params.hex()}~1")


def test_only_refs_have_a_reflog(any_repository: Repository, runs: list[Stored]) -> None:
    with pytest.raises(RevisionNotFound, match="only refs have a reflog"):
        resolve(any_repository, f"{runs[0].run.hex()}@{{1}}")


def test_an_ambiguous_run_id_lists_the_runs(any_repository: Repository, runs: list[Stored]) -> None:
    other = FINGERPRINT[:3] + bytes(29)
    any_repository.commit([RefUpdate(f"runs/{other.hex()}/head", runs[0].run, ANY)], message="")
    with pytest.raises(RevisionNotFound, match="ambiguous among runs") as caught:
        resolve(any_repository, FINGERPRINT.hex()[:6])
    assert other.hex()[:12] in caught.value.message


def test_a_name_wins_over_an_id_that_begins_alike(any_repository: Repository, runs: list[Stored]) -> None:
    other = any_repository.put(Value("case", 1))
    name = runs[0].run.hex()[:8]
    any_repository.commit([RefUpdate(f"names/{name}", other, None)], message="")
    assert resolve(any_repository, name) == other
    assert isinstance(any_repository.get(resolve(any_repository, runs[0].run.hex()[:9])), Run)


@pytest.mark.parametrize("text", ["", "a b", "demo@{x}", "demo:", "-x"])
def test_a_text_that_is_no_revision_is_a_usage_error(any_repository: Repository, text: str) -> None:
    with pytest.raises(UsageError):
        resolve(any_repository, text)


def test_a_ref_to_an_absent_object_is_damage() -> None:
    repository = Repository.memory()
    run = store_run(repository, 2).run
    del repository.backend._objects[run]  # type: ignore[attr-defined]
    with pytest.raises(Corrupt, match="is missing, and something refers to it"):
        resolve_run(repository, "demo")
