"""Whether the components of a run, called again with the stored inputs, give what the run has.

What a deterministic component gives is compared bit for bit; of one that is not, agreement on a sample is measured.
Nothing is written. Who calls the components is a `Performer`: none of their code is known here.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final

from blake3 import blake3

from themis_vcs.audit.evidence import Evidence, Problem, body_of, oid_of, packed
from themis_vcs.audit.finding import Finding, Severity
from themis_vcs.audit.finding import Outcome as Concluded
from themis_vcs.audit.performing import NOT_ASKED, TIMEOUT, Call, Outcome, Performer, Ready
from themis_vcs.audit.receipts import INDEXED, NUMBER
from themis_vcs.audit.trees import Finder, entries
from themis_vcs.errors import UsageError

_SAMPLE_CONTEXT: Final = "themis_vcs 2026-11-28 audit sample v1"
_CHUNK: Final = 64
_NAMED: Final = 5
_UNABLE: Final = "could not be executed"
_Z: Final = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What to execute again: which stages and components (all if empty), and at most `sample` steps of each."""

    performer: Performer
    stages: Collection[str] = ()
    components: Collection[str] = ()
    sample: int | None = None
    seed: int = 0

    def wants(self, stage: str, track: dict[str, Any]) -> bool:
        """Whether a track is among what was asked for."""
        return (not self.stages or stage in self.stages) and (not self.components or self.names(track))

    def names(self, track: dict[str, Any]) -> bool:
        """Whether the person named the component of a track, or one that it uses."""
        return not {track["id"], *(each["id"] for each in track["component"].get("also", []))}.isdisjoint(
            self.components
        )


class Reexecution:
    """The components of one run, which was found intact and explained."""

    def __init__(self, evidence: Evidence, oid: bytes, asked: Asked) -> None:
        self._evidence, self._oid, self._asked = evidence, oid, asked
        run = evidence.body(oid, "run")
        self._cases = Finder(evidence, evidence.body(run["snapshot"], "snapshot")["identity"]["cases"])
        self._stages = [evidence.body(stage, "stage") for stage in run["stages"]]
        self._executed = self._same = self._asked_again = self._agreed = self._passed_over = 0
        self._unproven = False
        self._left: dict[str, list[str]] = {}

    def findings(self) -> Iterator[Finding]:
        """What differs, and what could not be told. UsageError if a component is named that the run does not have."""
        self._check_names()
        for stage in self._stages:
            for track in stage["tracks"]:
                if self._asked.wants(stage["name"], track):
                    yield from self._track(stage["name"], track)
                else:
                    self._leave(NOT_ASKED, track)

    def conclusion(self, severities: dict[str, int]) -> tuple[Concluded, str]:
        """What the level comes to."""
        said = []
        if self._executed:
            said.append(
                f"{self._same:,} of {self._executed:,} steps that were executed again gave the same, bit for bit"
            )
        if self._asked_again:
            said.append(f"{self._agreed:,} of {self._asked_again:,} that may come out otherwise each time agree")
        left = list(self._left_out())
        if not said:
            return "cannot tell", "; ".join(["no step was executed again", *left])
        if severities.get("error"):
            return "not reproduced", "; ".join(said)
        why = "; ".join([*said, *left])
        return ("reproduced in part" if self._unproven or left or severities.get("warning") else "reproduced"), why

    def _leave(self, reason: str, track: dict[str, Any]) -> None:
        self._left.setdefault(reason, []).append(track["id"])

    def _left_out(self) -> Iterator[str]:
        """What was not executed, each reason with the number and the names of the components."""
        for reason, names in sorted(self._left.items()):
            more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
            components = "1 component" if len(names) == 1 else f"{len(names):,} components"
            yield f"{components} {reason} ({', '.join(f'{name:.40}' for name in names[:_NAMED])}{more})"
        if self._asked.sample is not None:
            yield f"of each component {self._asked.sample:,} steps at most were asked for"
        if self._passed_over:
            yield f"{self._passed_over:,} steps could not be executed: an input or a stored answer is missing"

    def _check_names(self) -> None:
        tracks = [track for stage in self._stages for track in stage["tracks"]]
        known = {track["id"] for track in tracks}
        known |= {each["id"] for track in tracks for each in track["component"].get("also", [])}
        unknown = sorted(set(self._asked.components) - known)
        if unknown:
            hint = f"its components are {', '.join(sorted(known)) or 'none'}"
            raise UsageError(f"no component {', '.join(unknown)} in this run", hint=hint)

    def _track(self, stage: str, track: dict[str, Any]) -> Iterator[Finding]:
        way = [f"run {self._oid.hex()[:12]}", f"stage {stage}", f"track {track['id']:.200}"]
        ready = self._asked.performer.prepare(stage, track, named=self._asked.names(track))
        if not ready.obstacle and not ready.exact and self._asked.sample is None:
            obstacle = "it may answer otherwise each time; --sample N calls it again N times"
            ready = ready._replace(obstacle=obstacle, excuse=NOT_ASKED)
        if ready.obstacle:
            self._leave(ready.excuse or _UNABLE, track)
            severity: Severity = "note" if ready.excuse else "warning"
            yield _finding("not-reexecuted", f"cannot tell: {ready.obstacle}", way, None, severity)
            return
        if ready.answers_stored:
            self._unproven = True
            message = "what its judge models answered was taken as it is stored; all else was executed again"
            yield _finding("answers-taken", message, way, None, "note")
        compared = self._compared(stage, track, way, ready)
        if ready.exact:
            for finding, same in compared:
                self._executed += 1
                self._same += same
                if finding is not None:
                    yield finding
        else:
            yield from self._agreement(compared, way)

    def _agreement(self, compared: Iterable[tuple[Finding | None, bool]], way: list[str]) -> Iterator[Finding]:
        self._unproven = True
        count = agreed = 0
        for finding, same in compared:
            count += 1
            agreed += same
            if finding is not None:
                yield Finding(
                    code="answers-otherwise",
                    level="re-execution",
                    severity="note",
                    message=finding.message,
                    way=finding.way,
                    oid=finding.oid,
                    diff=finding.diff,
                )
        if count:
            low, high = wilson(agreed, count)
            self._asked_again += count
            self._agreed += agreed
            message = (
                f"{agreed:,} of {count:,} calls agree with what is stored, {agreed / count:.1%}"
                f" (95 % interval {low:.1%} to {high:.1%})"
            )
            figures = {"same": float(agreed), "calls": float(count), "low": low, "high": high}
            yield _finding("agreement", message, way, None, "note", figures=figures)

    def _compared(
        self, stage: str, track: dict[str, Any], way: list[str], ready: Ready
    ) -> Iterator[tuple[Finding | None, bool]]:
        """For each step that is executed again what is to be said of it, if anything, and whether it gave the same."""
        evidence, names = self._evidence, [name for name, _ in track["inputs"]]
        params = evidence.body(track["params"], "value")["data"]
        steps = self._chosen(stage, track)
        while chunk := list(islice(steps, _CHUNK)):
            bodies = [body for _, body in evidence.bodies((oid for _, oid in chunk), "step")]
            whole = {key: self._cases.find(_case(stage, key)[0]) for key, _ in chunk} if "cases" in names else {}
            wanted = dict.fromkeys((*_named_by(bodies), *(oid for oid in whole.values() if oid is not None)))
            values = dict(evidence.bodies(wanted, "value"))
            for (key, oid), step in zip(chunk, bodies, strict=True):
                if isinstance(step, Problem):
                    self._passed_over += 1  # it is of what was audited before
                    continue
                recorded = _intact(values.get(step["value"]))
                given = [body for each in step["inputs"] if (body := _intact(values[each])) is not None]
                if len(given) < len(step["inputs"]) or (recorded is None and ready.answers_stored):
                    self._passed_over += 1  # or it failed, and no answers are stored
                    continue
                inputs, case = _grouped(names, given), _intact(values.get(whole.get(key) or b""))
                call = Call(stage, track["id"], *_case(stage, key), step["seed"], params, inputs, case, recorded)
                now = self._asked.performer.perform(call)
                yield self._judged(step, recorded, now, [*way, key], oid, exact=ready.exact)

    def _chosen(self, stage: str, track: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
        """The steps to execute again: all of a track, or those of a sample, the same for the same seed."""
        steps = chain(entries(self._evidence, track["steps"]), entries(self._evidence, track["failures"]))
        sample = self._asked.sample
        if sample is None:
            return steps
        salt = f"{self._asked.seed}\0{stage}\0{track['id']}\0"

        def draw(entry: tuple[str, bytes]) -> bytes:
            return blake3((salt + entry[0]).encode(), derive_key_context=_SAMPLE_CONTEXT).digest()

        return iter(sorted(heapq.nsmallest(sample, steps, key=draw)))

    def _judged(
        self,
        step: dict[str, Any],
        recorded: dict[str, Any] | None,
        now: Outcome,
        way: list[str],
        oid: bytes,
        *,
        exact: bool,
    ) -> tuple[Finding | None, bool]:
        then = "" if step["error"] is None else str(step["error"].get("category"))
        given = None if now.payload is None else oid_of(now.payload)
        if (given == step["value"]) if given is not None else (then and then == now.category):
            return None, True
        body = body_of(given, now.payload, "value") if given is not None and now.payload is not None else None
        if recorded is not None and type(body) is dict:
            if not exact and _essence(recorded) == _essence(body):
                return None, True
            diff = self._asked.performer.differences(recorded, body)
            return _finding("value-differs", "executed again, it gives another value", way, oid, diff=diff), False
        was = f"it had failed then ({then})" if then else "it had given a value then"
        if isinstance(body, Problem):
            said = f"{was}, and gives no value now: {body.message}"
        else:
            said = f"{was}, and now " + ("gives a value" if body else f"fails ({now.category}): {now.message}")
        # Who did not answer in time may have been about to say anything.
        late = TIMEOUT in (then, now.category)
        code = "no-answer" if late else "outcome-differs"
        return _finding(code, said, way, oid, "warning" if late else "error"), False


def wilson(same: int, count: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson 1927)."""
    share = same / count
    spread = _Z * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    centre, scale = share + _Z**2 / (2 * count), 1 + _Z**2 / count
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def _case(stage: str, key: str) -> tuple[str, int]:
    """The key of a case, and the number of the sample or draw."""
    if stage not in INDEXED:
        return key, 0
    case, _, number = key.rpartition("/")
    return case, int(number) if NUMBER.fullmatch(number) else 0


def _essence(body: dict[str, Any]) -> bytes:
    """What two answers must have in common to agree: the output, or of a judgment its scores."""
    data = body["data"] if type(body["data"]) is dict else {}
    kept = {"generation": ("final_output",), "evaluation": ("aggregation_output", "scores")}.get(
        body["type"], tuple(data)
    )
    return packed([body["type"], [data.get(name) for name in kept]])


def _named_by(steps: Iterable[dict[str, Any] | Problem]) -> list[bytes]:
    """The values that some steps read and made, each once."""
    read = (step for step in steps if not isinstance(step, Problem))
    return list(dict.fromkeys(oid for step in read for oid in (*step["inputs"], step["value"]) if oid is not None))


def _intact(body: dict[str, Any] | Problem | None) -> dict[str, Any] | None:
    return None if isinstance(body, Problem) else body


def _grouped(names: list[str], values: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The inputs of a step by what they are: one each, and of generated answers as many as are left."""
    several = max(0, len(values) - len(names) + 1)
    groups, rest = {}, iter(values)
    for name in names:
        groups[name] = list(islice(rest, several if name == "generate" else 1))
    return groups


def _finding(
    code: str,
    message: str,
    way: list[str],
    oid: bytes | None,
    severity: Severity = "error",
    *,
    diff: list[str] | None = None,
    figures: dict[str, float] | None = None,
) -> Finding:
    return Finding(
        code=code,
        level="re-execution",
        severity=severity,
        message=message[:1_000],
        way=way,
        oid=None if oid is None else oid.hex(),
        diff=diff or [],
        figures=figures or {},
    )
