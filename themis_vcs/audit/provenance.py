"""Whether every value of a run is explained: by a receipt that names its inputs, its component and its case.

The rules are those of docs/reference/format/objects.md (OBJ-11) and docs/reference/audit.md. They are written here
a second time on purpose: nothing of `pipeline`, `evaluation` or `model` is used. The objects were found intact before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from themis_vcs.audit.asked import not_asked_for
from themis_vcs.audit.bycase import ByCase
from themis_vcs.audit.evidence import Evidence, Problem, hash_of
from themis_vcs.audit.finding import Finding, Severity
from themis_vcs.audit.receipts import CaseEntries, Inputs, Receipts
from themis_vcs.audit.since import Reached
from themis_vcs.audit.trees import entries

STAGES: Final = ("generate", "reduce", "parse", "score", "judge")
RUN_ID_CONTEXT: Final = "themis_vcs 2026-11-23 run id v1"
READS: Final = {
    "generate": ("cases",),
    "reduce": ("generate",),
    "parse": ("reduce",),
    "score": ("cases", "datasets", "parse"),
    "judge": ("cases", "datasets", "reduce", "parse"),
}
SCORING: Final = ("score", "judge")
_CHUNK: Final = 500
_MOST_STRANGERS: Final = 10


class Provenance:
    """The claims of one run."""

    def __init__(self, evidence: Evidence, oid: bytes, reached: Reached | None = None) -> None:
        self.evidence = evidence
        self._run = evidence.body(oid, "run")
        self.oid, self._reached = oid, reached
        self._snapshot = evidence.body(self._run["snapshot"], "snapshot")
        self.identity: dict[str, Any] = self._snapshot["identity"]
        self._stages = [evidence.body(stage, "stage") for stage in self._run["stages"]]
        self._datasets = dict(entries(evidence, self.identity["datasets"]))
        completed = self._run["completed_through"]
        self._claimed = STAGES[: STAGES.index(completed) + 1] if completed in STAGES else ()
        self.origins = Counter[str]()
        self.failed = 0

    def findings(self) -> Iterator[Finding]:
        """What is not explained."""
        claimed = hash_of(RUN_ID_CONTEXT, self.identity)
        if claimed != self._run["run_id"]:
            said = (
                f"the snapshot hashes to the run id {claimed.hex()[:12]}, the run says {self._run['run_id'].hex()[:12]}"
            )
            yield self._finding("run-id", said, ["snapshot"])
        names = [stage["name"] for stage in self._stages]
        if names != [name for name in STAGES if name in names]:
            yield self._finding("stage-order", f"its stages are {', '.join(names)}", [])
        missing = [name for name in self._claimed if name not in names]
        if missing or (self._run["completed_through"] is not None and not self._claimed):
            said = f"it says completed through {self._run['completed_through']!r:.80}"
            yield self._finding("stage-missing", f"{said}, and has no {', '.join(missing) or 'such stage'}", [])
        for stage in self._stages:
            yield from self._asked(stage)
            for track in stage["tracks"]:
                yield from self._track(stage["name"], track)
        yield from self._status()
        for origin, count in self.origins.items():
            yield self._finding("origin", f"{count:,} steps were not executed here: {origin}", [], "note")

    def _asked(self, stage: dict[str, Any]) -> Iterator[Finding]:
        """Whether the stage has every metric that was asked for, or its one component, and each once."""
        name, way = stage["name"], [f"stage {stage['name']}"]
        there = Counter(track["id"] for track in stage["tracks"])
        for each in (each for each, count in there.items() if count > 1):
            yield self._finding("track-twice", f"it has {each!r:.80} more than once", way)
        if name not in self._claimed:
            return
        if name in SCORING:
            asked = [ref.get("id") for ref in self.identity["stages"].get(name, {}).get("metrics", [])]
            for each in (each for each in asked if each not in there):
                yield self._finding("component-left-out", f"{each!r:.80} was asked for, and it has no track of it", way)
        elif len(there) != 1:
            yield self._finding("component-left-out", f"it has {len(there)} tracks instead of one", way)

    def _track(self, stage: str, track: dict[str, Any]) -> Iterator[Finding]:
        way = [f"stage {stage}", f"track {track['id']}"]
        if stage not in READS:
            yield self._finding("stage-unknown", f"{stage!r:.80} is no stage", way)
            return
        yield from self._track_inputs(stage, track, way)
        asked = self.identity["stages"].get(stage, {})
        other = not_asked_for(stage, asked, track, self.evidence.body(track["params"], "value")["data"])
        if other is not None and self._was_before(stage, track):
            message = f"the run did not ask for {other}: it was carried over from a run before"
            yield self._finding("component-carried", message, way, "note")
        elif other is not None:
            message = f"the run did not ask for {other}, and no run before it has that"
            yield self._finding("component-unasked", message, way, "warning")
        if self._reached is not None and self._reached.has_track(stage, track, self.identity):
            return
        receipts = Receipts(self, stage, track, way, complete=stage in self._claimed)
        trees = [ByCase(entries(self.evidence, track[name])) for name in ("values", "steps", "failures")]
        for chunk in self._cases(track, trees):
            yield from receipts.check(chunk)
        yield from receipts.conclude([key for tree in trees for key in islice(tree.rest(), _MOST_STRANGERS)])

    def _was_before(self, stage: str, track: dict[str, Any]) -> bool:
        """Whether one of the runs before has the very same track in the stage."""
        before, seen = list(self._run["parents"]), set[bytes]()
        while before:
            ((oid, run),) = self.evidence.bodies([before.pop()], "run")
            if isinstance(run, Problem) or oid in seen:
                continue
            seen.add(oid)
            before.extend(run["parents"])
            for _, body in self.evidence.bodies(run["stages"], "stage"):
                if not isinstance(body, Problem) and body["name"] == stage and track in body["tracks"]:
                    return True
        return False

    def _track_inputs(self, stage: str, track: dict[str, Any], way: list[str]) -> Iterator[Finding]:
        names = [name for name, _ in track["inputs"]]
        if tuple(names) not in (READS[stage], (*READS[stage], "generate")):
            yield self._finding("stage-inputs", f"it reads {', '.join(names)}", way)
        roots = self._roots()
        for name, root in track["inputs"]:
            if name in roots and root not in roots[name]:
                yield self._finding("stage-inputs", f"its {name} are not those of this run", way)

    def _roots(self) -> dict[str, list[bytes]]:
        made = {stage["name"]: [track["values"] for track in stage["tracks"]] for stage in self._stages}
        return {**made, "cases": [self.identity["cases"]], "datasets": [self.identity["datasets"]]}

    def _cases(self, track: dict[str, Any], own: Sequence[ByCase]) -> Iterator[list[CaseEntries]]:
        """The cases in their order, some hundred at a time, each with what the trees of a track have of it."""
        evidence = self.evidence
        samples = self.identity["stages"].get("generate", {}).get("samples", 1)
        read = [
            (name, None if name in ("cases", "datasets") else ByCase(entries(evidence, root)))
            for name, root in track["inputs"]
        ]
        cases = entries(evidence, self.identity["cases"])
        while chunk := list(islice(cases, _CHUNK)):
            keys = [key for key, _ in chunk]
            values, steps, failures = (each.take(keys) for each in own)
            inputs = [
                [self._plain_input(name, key, oid) for key, oid in chunk]
                if tree is None
                else [_inputs(found, key, name, samples) for key, found in zip(keys, tree.take(keys), strict=True)]
                for name, tree in read
            ]
            yield [
                CaseEntries(key, oid, values[at], steps[at], failures[at], [group[at] for group in inputs])
                for at, (key, oid) in enumerate(chunk)
            ]

    def _plain_input(self, name: str, key: str, oid: bytes) -> Inputs:
        if name == "cases":
            return Inputs([oid], complete=True)
        dataset = self._datasets.get(key.partition("/")[0])
        return Inputs([] if dataset is None else [dataset], complete=dataset is not None)

    def _status(self) -> Iterator[Finding]:
        status = self._run["status"]
        if status == "completed" and self.failed:
            yield self._finding("status", f"it says completed, and {self.failed:,} steps failed", [])

    def _finding(self, code: str, message: str, way: list[str], severity: Severity = "error") -> Finding:
        return Finding(
            code=code,
            level="provenance",
            severity=severity,
            message=message,
            way=[f"run {self.oid.hex()[:12]}", *way],
        )


def _inputs(found: dict[str, bytes], case: str, name: str, samples: int) -> Inputs:
    """What a case has in the values of a stage before, sample by sample."""
    width = samples if name == "generate" else 1
    keys = [f"{case}/{number}" for number in range(len(found))] if name == "generate" else [case]
    oids = [found[key] for key in keys if key in found]
    return Inputs(oids, complete=len(oids) == len(found) == width)
