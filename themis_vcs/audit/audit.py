"""An audit of a run: its levels one after the other, and a verdict on each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from themis_vcs.audit.environment import Environment, Resolver, Surroundings, surroundings
from themis_vcs.audit.evidence import Evidence
from themis_vcs.audit.finding import DAMAGE, LEVELS, Finding, Level, Outcome, Verdict
from themis_vcs.audit.integrity import Integrity
from themis_vcs.audit.provenance import Provenance
from themis_vcs.audit.reexecution import Asked, Reexecution
from themis_vcs.audit.since import Reached
from themis_vcs.store.view import View

Conclusion = Callable[[Counter[str]], tuple[Outcome, str]]


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What an audit is held against beside the run itself.

    `since` is a run that was audited before: what it reaches is not looked at again. The surroundings are compared with
    those of the run `against`, or else with `now`, of which `resolver` says what components are. `reexecution` is what
    to execute again.
    """

    since: bytes | None = None
    against: bytes | None = None
    now: Mapping[str, Any] | None = None
    resolver: Resolver | None = None
    reexecution: Asked | None = None


class Audit:
    """The findings of a run as a stream, and then in `verdicts` what every level comes to."""

    def __init__(
        self, view: View, oid: bytes, progress: Callable[[int], object] | None = None, scope: Scope | None = None
    ) -> None:
        self._evidence = Evidence(view, progress)
        self._oid = oid
        self._scope = scope or Scope()
        self._reached: Reached | None = None
        self.verdicts: list[Verdict] = []

    def findings(self, through: Level = "provenance") -> Iterator[Finding]:
        """Go through the levels up to `through`. One that finds errors leaves those above it without a ground."""
        if self._scope.since is not None:
            self._reached = Reached(self._evidence, self._scope.since)
        for level in LEVELS[: LEVELS.index(through) + 1]:
            failed = next((verdict.level for verdict in self.verdicts if verdict.findings.get("error")), None)
            if failed is not None:
                why = f"the level before it, {failed}, found errors"
                self.verdicts.append(Verdict(level=level, outcome="cannot tell", why=why, checked={}, findings={}))
                continue
            before = Counter(self._evidence.read)
            severities, damaged = Counter[str](), False
            findings, conclude = self._level(level)
            for finding in findings:
                severities[finding.severity] += 1
                damaged = damaged or finding.code in DAMAGE
                yield finding
            outcome, why = conclude(severities)
            checked = dict(Counter(self._evidence.read) - before)
            self.verdicts.append(
                Verdict(
                    level=level,
                    outcome=outcome,
                    why=why,
                    checked=checked,
                    findings=dict(severities),
                    damaged=damaged,
                )
            )

    def _level(self, level: Level) -> tuple[Iterator[Finding], Conclusion]:
        if level == "integrity":
            return Integrity(self._evidence, self._reached).findings(self._oid), self._plainly
        if level == "provenance":
            return Provenance(self._evidence, self._oid, self._reached).findings(), self._plainly
        if level == "environment":
            return self._environment()
        if self._scope.reexecution is None:
            return iter(()), lambda _: ("cannot tell", "nothing was executed again")
        again = Reexecution(self._evidence, self._oid, self._scope.reexecution)
        return again.findings(), again.conclusion

    def _environment(self) -> tuple[Iterator[Finding], Conclusion]:
        evidence, scope, resolver = self._evidence, self._scope, self._scope.resolver
        if scope.against is not None:
            broken = next((each for each in Integrity(evidence).findings(scope.against)), None)
            if broken is not None:
                why = f"the other run is not intact, as an audit of it says ({broken.code})"
                return iter(()), lambda _: ("cannot tell", why)
            other, resolver = surroundings(evidence, scope.against, f"in run {scope.against.hex()[:12]}"), None
            then = surroundings(evidence, self._oid, "in this one")
        elif scope.now is not None:
            then, other = surroundings(evidence, self._oid, "then"), Surroundings("now", scope.now)
        else:
            return iter(()), lambda _: ("cannot tell", "nobody said what the surroundings of now are")
        environment = Environment(then, other, self._oid, resolver)
        return environment.findings(), lambda _: environment.conclusion()

    def _plainly(self, severities: Counter[str]) -> tuple[Outcome, str]:
        """What a level comes to of which every claim was looked at."""
        already = (
            "" if self._reached is None else f"; what run {self._reached.oid.hex()[:12]} reaches was taken as audited"
        )
        if severities["error"]:
            return "not reproduced", f"what is stored contradicts what it claims{already}"
        if severities["warning"]:
            return "reproduced in part", f"some claims could not be proved{already}"
        return "reproduced", f"every claim was checked and holds{already}"
