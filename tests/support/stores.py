"""A small run in a store: cases, values, steps, trees, a stage, a run, refs, indexes."""

from __future__ import annotations

from dataclasses import dataclass, field

from themis_vcs.model import tree
from themis_vcs.model.derivation import key_of
from themis_vcs.model.objects import ComponentRef, Identity, Run, Snapshot, Stage, Step, Tag, Track, TreeNode, Value
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import ANY, RefUpdate
from themis_vcs.store.repository import Repository

FINGERPRINT = bytes(range(32))


@dataclass
class Stored:
    """The oids of what was stored."""

    run: Oid
    stage: Oid
    snapshot: Oid
    params: Oid
    values: dict[str, Oid] = field(default_factory=dict)
    steps: dict[str, Oid] = field(default_factory=dict)


def store_run(repository: Repository, cases: int = 20, *, draw: int = 0, parent: Oid | None = None) -> Stored:
    """Store a run with one generate stage over `cases` cases; `draw` changes every value. Moves names/demo."""
    params = repository.put(Value("params", {"prompt": "{input}"}))
    inputs, values, steps = {}, {}, {}
    for number in range(cases):
        key = tree.case_key("demo", f"case-{number:04d}")
        inputs[key] = repository.put(Value("case", {"case_id": f"case-{number:04d}", "input": f"{number} + 1?"}))
        answer = {"final_output": f"The sum of {number} and 1 is {number + 1}; draw {draw}.", "artifacts": {}}
        values[key] = repository.put(Value("generation", answer))
        step = Step(
            "generate", "demo", FINGERPRINT, params, [inputs[key]], key, 7, values[key],
            observations={"latency_ms": 1.5 + number + draw},
        )  # fmt: skip
        steps[key] = repository.put(step)
        repository.record(key_of(step), steps[key])
    roots = {}
    for name, entries in (("inputs", inputs), ("values", values), ("steps", steps), ("none", {})):
        built = tree.build(entries.items())
        for oid, payload in [tree.EMPTY, *built.nodes.items()]:
            repository.put_payload(oid, payload, "tree")
        roots[name] = built.root
    component = ComponentRef("demo", "1", FINGERPRINT, "builtin/demo_generator", {}, True)
    track = Track(
        "demo", component, params, 1, [("cases", roots["inputs"])], roots["values"], roots["steps"], roots["none"]
    )
    stage = repository.put(Stage("generate", [track]))
    identity = Identity(roots["inputs"], tree.EMPTY[0], {"demo": None}, {})
    snapshot = repository.put(Snapshot(identity, {"python": "3.11"}))
    run = repository.put(
        Run(
            FINGERPRINT,
            "demo",
            snapshot,
            [stage],
            "generate",
            "stopped",
            [parent] if parent else [],
            "test",
            1,
            "me",
            {},
        )
    )
    repository.commit(
        [
            RefUpdate("names/demo", run, ANY),
            RefUpdate(f"runs/{FINGERPRINT.hex()}/head", run, ANY),
            RefUpdate(f"runs/{FINGERPRINT.hex()}/generate", stage, ANY),
        ],
        message=f"run {draw}",
        tracks={b"track-1": stage},
        local={"run": b"1"},
    )
    return Stored(run, stage, snapshot, params, values, steps)


def store_tag(repository: Repository, target: Oid, name: str = "v1") -> Oid:
    """Tag an object."""
    oid = repository.put(Tag(name, target, "first", 1, "me"))
    repository.commit([RefUpdate(f"tags/{name}", oid, None)], message="tag")
    return oid


def node(repository: Repository, oid: Oid) -> TreeNode:
    """Load a tree node."""
    return repository.load(oid, TreeNode)
