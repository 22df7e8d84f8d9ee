"""The surroundings of a run against those of now, and against those of another run."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.components import Answer, Equal
from tests.support.experiments import experiment
from tests.support.forging import audited, codes, head, outcomes, rewritten
from themis_vcs import InMemoryRunStore, Repository
from themis_vcs.audit.finding import Finding
from themis_vcs.model.objects import Run, Snapshot
from themis_vcs.model.oid import Oid
from themis_vcs.performer.performer import StoredPerformer
from themis_vcs.pipeline.provenance import capture, git_state

NOW = {
    "themis": "1",
    "python": {"version": "3.11.7", "implementation": "CPython"},
    "platform": {"system": "Linux", "release": "6", "machine": "x86_64"},
    "packages": {"numpy": "2.0", "scipy": "1.14"},
    "git": {"commit": "a" * 40, "dirty": False},
}


class Several(Answer):
    """A generator whose provider names a model and the state of its system."""

    systems = ("fp-1",)

    async def generate(self, case: Any, ctx: Any) -> Any:
        answer = await super().generate(case, ctx)
        number = int(case.case_id[1:]) % len(self.systems)
        return replace(answer, provider={"model": "m-1", "system_fingerprint": self.systems[number]})


class Others(Several):
    """The same model in two states."""

    systems = ("fp-1", "fp-2")


def made(**options: Any) -> Repository:
    store = InMemoryRunStore()
    experiment(**{"size": 4, "name": "main", **options}).run(store=store)
    return store.repository


def saying(repository: Repository, **changes: Any) -> Oid:
    """A run whose snapshot says these surroundings."""
    snapshot = repository.load(repository.load(head(repository), Run).snapshot, Snapshot)
    provenance = {**snapshot.provenance, **NOW, **changes}
    forged = repository.put(replace(snapshot, provenance=provenance))
    return rewritten(repository, "", run_too=lambda run: replace(run, snapshot=forged))


def environment(found: tuple[list[Finding], Any]) -> list[tuple[str, str, str]]:
    return [(each.code, each.severity, each.message) for each in found[0] if each.level == "environment"]


def test_a_run_of_a_moment_ago_has_the_surroundings_of_now() -> None:
    found = audited(made(), through="environment", now=capture())
    assert environment(found) == []
    assert outcomes(found) == ["reproduced"] * 3


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        ({}, []),
        (
            {"python": {"version": "3.12.1", "implementation": "CPython"}},
            [("python-differs", "note", "Python: 3.12.1 then, 3.11.7 now")],
        ),
        ({"themis": "0.9"}, [("themis-differs", "note", "themis: 0.9 then, 1 now")]),
        (
            {"platform": {"system": "Linux", "release": "6", "machine": "arm"}},
            [("platform-differs", "note", "machine: arm then, x86_64 now")],
        ),
        (
            {"packages": {"numpy": "1.26", "pandas": "2"}},
            [
                ("package-differs", "note", "numpy: 1.26 then, 2.0 now"),
                ("packages-differ", "note", "1 package only then: pandas"),
                ("packages-differ", "note", "1 package only now: scipy"),
            ],
        ),
        (
            {"git": {"commit": "b" * 40, "dirty": False}},
            [("commit-differs", "note", f"commit: {'b' * 40} then, {'a' * 40} now")],
        ),
        (
            {"git": {"commit": "a" * 40, "dirty": True, "diff": "c" * 64}},
            [
                (
                    "uncommitted-changes",
                    "warning",
                    "its code had uncommitted changes, so the commit alone does not give it back",
                )
            ],
        ),
    ],
    ids=lambda each: "-".join(each) if isinstance(each, dict) else "",
)
def test_what_differs_is_said(then: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    repository = made()
    found = audited(repository, saying(repository, **then), "environment", now=NOW)
    assert environment(found) == expected
    assert outcomes(found)[-1] == ("reproduced in part" if expected else "reproduced")


@pytest.mark.parametrize("said", [5, None, {}, {"python": 5}, {"python": {"version": []}, "packages": 5, "git": [1]}])
def test_surroundings_of_another_shape_are_no_stumbling_block(said: Any) -> None:
    repository = made()
    changes = said if isinstance(said, dict) else {"python": said, "packages": said, "git": said, "components": said}
    found = audited(
        repository, saying(repository, **changes), "environment", now=NOW, resolver=lambda recipe: "cannot be made"
    )
    assert outcomes(found)[:2] == ["reproduced", "reproduced"]
    assert outcomes(found)[2] in ("cannot tell", "reproduced in part")


def test_a_component_whose_code_has_changed_is_a_warning_and_one_that_is_not_imported_cannot_be_told_of() -> None:
    repository = made(generator="builtin/demo_generator")
    oid = head(repository)
    performer = StoredPerformer(repository, repository.load(oid, Run).snapshot, imports=False)
    found = environment(audited(repository, oid, "environment", now=capture(), resolver=performer.fingerprint))
    assert {code for code, _, _ in found} == {"component-unresolved"}
    assert all("with --reexecute only" in message for _, _, message in found)
    lines = audited(repository, oid, "environment", now=capture(), resolver=lambda recipe: "a:b: 1 problem\n  why not")
    assert {message for _, _, message in environment(lines)} == {
        "cannot tell whether it is the same: a:b: 1 problem; why not"
    }
    other = environment(audited(repository, oid, "environment", now=capture(), resolver=lambda recipe: b"\1" * 32))
    assert {(code, severity) for code, severity, _ in other} == {("component-differs", "warning")}


def test_two_runs_are_compared_by_their_components_and_models() -> None:
    store = InMemoryRunStore()
    experiment(4, name="main", generator=Several()).run(store=store)
    experiment(4, name="other", generator=Others(salt="x"), metrics=[Equal("test/second")]).run(store=store)
    repository = store.repository
    found = audited(repository, head(repository), "environment", against=head(repository, "other"))
    assert {(code, severity) for code, severity, _ in environment(found)} == {
        ("component-differs", "warning"),
        ("model-differs", "warning"),
    }
    why = next(each.why for each in found[1] if each.level == "environment")
    assert why.startswith("some of its surroundings are not the same in run ")
    assert any("m-1 fp-1 in this one, by m-1 fp-1, m-1 fp-2 in run" in message for _, _, message in environment(found))
    alone = audited(repository, head(repository, "other"), "environment", now=capture())
    assert codes(alone) == {"models-several"}


def test_another_run_that_is_damaged_is_no_ground() -> None:
    store = InMemoryRunStore()
    experiment(4, name="main").run(store=store)
    experiment(4, name="other", generator=Answer(salt="x")).run(store=store)
    repository = store.repository
    other = repository.load(head(repository, "other"), Run)
    del repository.backend._objects[other.stages[0]]  # type: ignore[attr-defined]
    found = audited(repository, head(repository), "environment", against=head(repository, "other"))
    assert outcomes(found) == ["reproduced", "reproduced", "cannot tell"]


def test_uncommitted_changes_are_told_apart_by_a_hash(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    git("init")
    file = tmp_path / "code.py"
    file.write_text("1")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-m", "one")
    clean = git_state(tmp_path)
    assert clean is not None
    assert clean["dirty"] is False
    assert "diff" not in clean
    states = []
    for text in ("2", "3", "2"):
        file.write_text(text)
        states.append(git_state(tmp_path))
    assert states[0] == states[2] != states[1]
    assert all(state is not None and state["dirty"] and len(state["diff"]) == 64 for state in states)
