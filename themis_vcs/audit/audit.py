"""An audit of a run: its levels one after the other, and a verdict on each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from themis_vcs.audit.evidence import Evidence
from themis_vcs.audit.finding import DAMAGE, LEVELS, Finding, Level, Outcome, Verdict
from themis_vcs.audit.integrity import Integrity
from themis_vcs.audit.provenance import Provenance
from themis_vcs.store.view import View


class Audit:
    """The findings of a run as a stream, and then in `verdicts` what every level comes to."""

    def __init__(self, view: View, oid: bytes, progress: Callable[[int], object] | None = None) -> None:
        self._evidence = Evidence(view, progress)
        self._oid = oid
        self.verdicts: list[Verdict] = []

    def findings(self, through: Level = "provenance") -> Iterator[Finding]:
        """Go through the levels up to `through`. One that finds errors leaves those above it without a ground."""
        for level in LEVELS[: LEVELS.index(through) + 1]:
            if any(verdict.findings.get("error") for verdict in self.verdicts):
                why = f"the level before it, {self.verdicts[-1].level}, found errors"
                self.verdicts.append(Verdict(level=level, outcome="cannot tell", why=why, checked={}, findings={}))
                continue
            before = Counter(self._evidence.read)
            severities, damaged = Counter[str](), False
            for finding in self._level(level):
                severities[finding.severity] += 1
                damaged = damaged or finding.code in DAMAGE
                yield finding
            outcome, why = _outcome(severities)
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

    def _level(self, level: Level) -> Iterator[Finding]:
        if level == "integrity":
            yield from Integrity(self._evidence).findings(self._oid)
        else:
            yield from Provenance(self._evidence, self._oid).findings()


def _outcome(severities: Counter[str]) -> tuple[Outcome, str]:
    if severities["error"]:
        return "not reproduced", "what is stored contradicts what it claims"
    if severities["warning"]:
        return "reproduced in part", "some claims could not be proved"
    return "reproduced", "every claim was checked and holds"
