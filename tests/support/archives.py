"""Archives for tests: of a store with values that JSON cannot say plainly, and what that store holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tests.support.components import Answer
from tests.support.experiments import experiment
from themis_vcs import Case, GenerationResult
from themis_vcs.archive.citation import Credits, credits_of
from themis_vcs.archive.create import Made, create
from themis_vcs.evaluation.failures import ComponentFailure
from themis_vcs.model import tree
from themis_vcs.model.objects import Run, Stage, Step, Tag, TreeNode, Value
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.store.resolve import resolve_run

CREDITS = credits_of(
    "Sums: a study",
    ["Lovelace, Ada", "A. Menabrea"],
    ["0000-0002-1825-0097"],
    "CC-BY-4.0",
    "Whether a model can add.",
)
ODD = {"$float": "NaN", "$bytes": "00", "$$": 1, "raw": b"\x00\xff", "numbers": [math.inf, -math.inf, 1, 1.0, -0.0]}


@dataclass
class Odd(Answer):
    """A generator that fails for one case and has odd data in all others."""

    component_id: str = "test/odd"

    async def generate(self, case: Case, ctx: Any) -> GenerationResult:
        if case.case_id == "c3":
            raise ComponentFailure("out of order", details={"at": math.inf})
        return replace(await super().generate(case, ctx), artifacts=ODD, latency_ms=0.5)


def store_runs(repository: Repository, cases: int = 6) -> None:
    """Store two runs of `main`, the second after the first and over two samples and draws; and a tag of the first."""
    experiment(cases, generator=Odd(), name="main").run(store=repository)
    oid, _ = resolve_run(repository, "main")
    tag = repository.put(Tag("first", oid, "as it was", 1, "me"))
    repository.commit([RefUpdate("tags/first", tag, None)], message="tag")
    twice = {"judge_repeats": 2}
    experiment(cases, generator=Odd(), name="main", samples=2, evaluation=twice).run(store=repository)


def archived(repository: Repository, target: Path, *refs: str, said: Credits = CREDITS, force: bool = False) -> Made:
    """Archive refs, all of them by default."""
    known = {name: oid for prefix in ("names/", "tags/") for name, oid in repository.refs(prefix)}
    return create(repository, {ref: known[ref] for ref in refs or known}, target, said, force=force)


def held_by(repository: Repository, oid: Oid) -> list[tuple[Any, ...]]:
    """What a run holds, entry by entry: stage, track, key, the oid of the value and the value; or the error."""
    found: list[tuple[Any, ...]] = []

    def load(node: Oid) -> TreeNode:
        return repository.load(node, TreeNode)

    for stage_oid in repository.load(oid, Run).stages:
        stage = repository.load(stage_oid, Stage)
        for track in stage.tracks:
            entries = {key: (each, None) for key, each in tree.scan(track.values, load)}
            for key, each in tree.scan(track.failures, load):
                error = repository.load(each, Step).error
                assert error is not None
                entries[key] = (None, error.message)
            for key, (value, message) in sorted(entries.items()):
                data = None if value is None else repository.load(value, Value).data
                found.append((stage.name, track.id, track.component.id, key, value, data, message))
    return found
