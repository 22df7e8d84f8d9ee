"""The receipts of one track, held against what its trees and its run say.

After docs/reference/format/objects.md (DER-1, DER-4) and docs/explanation/fingerprints.md, by code of its own.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from blake3 import blake3

from themis_vcs.audit.evidence import Evidence, Problem, hash_of, packed
from themis_vcs.audit.finding import Finding, Severity
from themis_vcs.errors import ThemisError

DERIVATION_CONTEXT: Final = "themis_vcs 2026-11-23 derivation v1"
SEED_CONTEXT: Final = "themis_vcs 2026-11-23 seed v1"
COMBINED_CONTEXT: Final = "themis_vcs 2026-11-23 combined fingerprint v1"
INDEXED: Final = ("generate", "judge")
NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,17}")
_DERIVATION = blake3(derive_key_context=DERIVATION_CONTEXT)


class Inputs(NamedTuple):
    """What a case has in a tree that a track reads: its values in order, and whether all are there."""

    oids: list[bytes]
    complete: bool


class CaseEntries(NamedTuple):
    """A case with what the trees of a track have of it."""

    key: str
    case: bytes
    values: dict[str, bytes]
    steps: dict[str, bytes]
    failures: dict[str, bytes]
    inputs: list[Inputs]


class AuditedRun(Protocol):
    """What is known of the run; `origins` and `failed` are counted here."""

    evidence: Evidence
    oid: bytes
    identity: dict[str, Any]
    origins: Counter[str]
    failed: int


class Receipts:
    """The receipts of one track, held against what its trees say; `complete` says that the run claims all of them."""

    def __init__(self, run: AuditedRun, stage: str, track: dict[str, Any], way: list[str], *, complete: bool) -> None:
        self._of, self._stage, self._track, self._way, self._complete = run, stage, track, way, complete
        self._fingerprint = _fingerprint(track["component"])
        self._seed = _seeds(run.identity["stages"], stage, track["id"])
        self._names = [name for name, _ in track["inputs"]]
        self._unproven = self._open = 0

    def check(self, cases: Sequence[CaseEntries]) -> Iterator[Finding]:
        """What is wrong with the receipts of some cases, and which cases lack one."""
        for case in cases:
            yield from self._coverage(case)
        receipts = [
            (case, key, oid, case.values.get(key))
            for case in cases
            for found in (case.steps, case.failures)
            for key, oid in found.items()
            if self._number(case.key, key) is not None
        ]
        evidence = self._of.evidence
        keys = []
        for (case, key, oid, value), (_, step) in zip(
            receipts, evidence.bodies((oid for _, _, oid, _ in receipts), "step"), strict=True
        ):
            if isinstance(step, Problem):  # integrity has said so
                continue
            keys.append((key, oid, _derivation(step), step["value"]))
            failed = key in case.failures
            self._of.failed += failed
            for code, message in self._receipt(case, key, step, None if failed else value):
                yield self._finding(code, message, key, oid)
            if step["origin"]:
                self._of.origins[_origin(step["origin"])] += 1
        yield from self._index(keys)
        if self._stage == "judge":
            yield from self._aggregates(cases)

    def conclude(self, strangers: Sequence[str]) -> Iterator[Finding]:
        """What was found of the track as a whole; `strangers` are keys of its trees that are of no case."""
        for key in strangers:
            yield self._finding("case-unknown", "it is of no case of the run", key, None)
        if self._open:
            message = f"{self._open:,} cases lack results, and the run does not say that the stage is complete"
            yield self._finding("stage-incomplete", message, None, None, "note")
        if self._unproven:
            message = (
                f"{self._unproven:,} receipts have another fingerprint than {self._track['component']['id']}:"
                " it may depend on the case, which cannot be told from here"
            )
            yield self._finding("fingerprint-unproven", message, None, None, "warning")

    def _coverage(self, case: CaseEntries) -> Iterator[Finding]:
        complete = all(each.complete for each in case.inputs)
        there = case.values.keys() | case.failures.keys()
        missing = next((key for key in self._keys(case.key) if key not in there), None)
        if complete and missing is not None and not self._complete:
            self._open += 1
        elif complete and missing is not None:
            yield self._finding("case-left-out", "it has neither a value nor a failure", missing, case.case)
        for key in there:
            if self._number(case.key, key) is None:
                yield self._finding("case-unknown", "it is no sample or draw of its case", key, None)
        for key in case.values.keys() - case.steps.keys():
            yield self._finding("value-without-step", "no receipt explains its value", key, case.values[key])
        for key in case.steps.keys() - case.values.keys():
            yield self._finding("step-without-value", "it has a receipt and no value", key, case.steps[key])
        for key in case.values.keys() & case.failures.keys():
            yield self._finding("value-and-failure", "it has a value and a failure", key, case.failures[key])
        if there and not complete:
            yield self._finding("step-inputs", "it has results, and its inputs are not all there", case.key, None)

    def _keys(self, case: str) -> Iterator[str]:
        """The keys that a case must have in the track."""
        if self._stage in INDEXED:
            yield from (f"{case}/{number}" for number in range(self._track["fanout"]))
        else:
            yield case

    def _number(self, case: str, key: str) -> int | None:
        """The number of a sample or draw of a case, 0 where there is one only; None for a key that is none of these."""
        if self._stage not in INDEXED:
            return 0 if key == case else None
        number = key[len(case) + 1 :]
        if not NUMBER.fullmatch(number) or int(number) >= self._track["fanout"]:
            return None
        return int(number)

    def _receipt(
        self, case: CaseEntries, key: str, step: dict[str, Any], value: bytes | None
    ) -> Iterator[tuple[str, str]]:
        component = self._track["component"]["id"]
        if step["stage"] != self._stage or step["case"] != key:
            yield "step-of-another-case", f"its receipt is of {step['stage']} {step['case']!r:.200}"
        if step["component"] != component:
            made_by = f"its receipt is of {step['component']!r:.80}, the track is of {component!r:.80}"
            yield "step-of-another-component", made_by
        if step["params"] != self._track["params"]:
            yield "step-params", "its receipt names other parameters than the track"
        if step["value"] != value:
            made = "none" if step["value"] is None else step["value"].hex()[:12]
            yield "step-of-another-value", f"its receipt made {made}"
        if step["fingerprint"] != self._fingerprint:
            self._unproven += 1
        if not self._reads(case, step["inputs"]):
            yield "step-inputs", "its receipt names other inputs than the run has for the case"
        seed = self._seed(case.key, self._number(case.key, key) or 0)
        if step["seed"] != seed:
            yield "step-seed", f"its receipt has the seed {step['seed']}, from those of the run follows {seed}"

    def _reads(self, case: CaseEntries, inputs: list[bytes]) -> bool:
        wanted = [oid for each in case.inputs for oid in each.oids]
        if inputs == wanted:
            return True
        if len(inputs) != len(wanted) or self._names[:1] != ["cases"] or inputs[1:] != wanted[1:]:
            return False
        return self._is_view(inputs[0], wanted[0])

    def _is_view(self, view: bytes, case: bytes) -> bool:
        """Whether a value shows some fields of a case, as they are there, and the others at their defaults."""
        shown, whole = (
            None if isinstance(found, Problem) or found["type"] != "case" else found["data"]
            for _, found in self._of.evidence.bodies([view, case], "value")
        )
        if type(shown) is not dict or type(whole) is not dict:
            return False
        return all(value in (None, {}) or packed(value) == packed(whole.get(name)) for name, value in shown.items())

    def _index(self, keys: list[tuple[str, bytes, bytes, bytes | None]]) -> Iterator[Finding]:
        """The index from derivation keys to steps must lead to steps of that key, and to the same value.

        `keys` are (key, oid of its step, derivation key, value). A component that may say something else every time may
        have several receipts for one computation.
        """
        evidence = self._of.evidence
        try:
            found = evidence.view.derivations_for([derivation for _, _, derivation, _ in keys])
        except ThemisError as error:
            yield self._finding("index-damaged", str(error), None, None)
            return
        other = [
            (each, there) for each, there in zip(keys, found, strict=True) if there is not None and there != each[1]
        ]
        for ((key, _, derivation, value), there), (_, step) in zip(
            other, evidence.bodies((there for _, there in other), "step"), strict=True
        ):
            if isinstance(step, Problem) or _derivation(step) != derivation:
                message = "the store's index leads from its key to another step"
                yield self._finding("derivation-index", message, key, there)
            elif step["value"] != value and self._track["component"]["deterministic"]:
                message = "the store has another receipt of the same computation, with another outcome"
                yield self._finding("receipts-disagree", message, key, there)

    def _aggregates(self, cases: Sequence[CaseEntries]) -> Iterator[Finding]:
        oids = [(key, oid) for case in cases for key, oid in case.values.items()]
        for (key, oid), (_, body) in zip(
            oids, self._of.evidence.bodies((oid for _, oid in oids), "value"), strict=True
        ):
            said = None if isinstance(body, Problem) else _mean_problem(body["data"])
            if said:
                yield self._finding("score-aggregate", said, key, oid)

    def _finding(
        self, code: str, message: str, key: str | None, oid: bytes | None, severity: Severity = "error"
    ) -> Finding:
        way = [f"run {self._of.oid.hex()[:12]}", *self._way, *([] if key is None else [key])]
        return Finding(
            code=code,
            level="provenance",
            severity=severity,
            message=message,
            way=way,
            oid=None if oid is None else oid.hex(),
        )


def _derivation(step: dict[str, Any]) -> bytes:
    """DER-1."""
    fields = ("stage", "fingerprint", "params", "inputs", "case", "seed")
    hasher = _DERIVATION.copy()
    hasher.update(packed([step[name] for name in fields]))
    return hasher.digest()


def _fingerprint(component: dict[str, Any]) -> bytes:
    """That of a component with those that it uses (docs/explanation/fingerprints.md)."""
    own: bytes = component["fingerprint"]
    also = component.get("also", [])
    if not also:
        return own
    hasher = blake3(derive_key_context=COMBINED_CONTEXT)
    for part in (own, *(each["fingerprint"] for each in also)):
        hasher.update(len(part).to_bytes(8, "big") + part)
    return hasher.digest()


def _seeds(stages: Mapping[str, Any], stage: str, track: str) -> Callable[[str, int], int | None]:
    """The function from the key of a case and an index to the seed of that step (DER-4)."""
    seeds = stages.get("generate", {}).get("seeds", [])
    base = seeds[0] if seeds else 0
    if stage == "generate":
        return lambda case, index: seeds[index] if index < len(seeds) else _derived(base, case, index)
    if stage == "reduce":
        return lambda case, _: _derived(base, "reduce", case)
    if stage == "judge":
        return lambda case, index: _derived(base, "judge", track, case, index)
    return lambda case, _: None


def _derived(base: int, *parts: str | int) -> int:
    digest = hash_of(SEED_CONTEXT, [base, *parts])
    return int.from_bytes(digest[:4], "big") & 0x7FFF_FFFF


def _mean_problem(evaluation: Any) -> str | None:
    """What is wrong with an aggregated score that says that it is the mean of the scores beside it."""
    aggregated = evaluation.get("aggregation_output") if type(evaluation) is dict else None
    if not isinstance(aggregated, dict) or aggregated.get("method") != "mean":
        return None
    scores: Any = evaluation.get("scores")
    stated: Any = aggregated.get("value")
    values: list[Any] = [score.get("value") for score in scores if type(score) is dict] if type(scores) is list else []
    if not values or not all(type(each) in (int, float) and math.isfinite(each) for each in (*values, stated)):
        return None
    mean = math.fsum(each / len(values) for each in values)
    if math.isclose(mean, stated, rel_tol=1e-9, abs_tol=1e-12):
        return None
    return f"it says {stated!r}, the mean of its scores is {mean!r}"


def _origin(origin: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in origin.items() if isinstance(value, str | int))[:200]
