"""Carrying out an audit for the command line, and printing what it found."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from themis_vcs.cli.jsontext import printable_json
from themis_vcs.cli.output import Output, bold, colored, dim, safe
from themis_vcs.cli.session import Session
from themis_vcs.cli.wording import count, short
from themis_vcs.errors import UsageError

if TYPE_CHECKING:
    from themis_vcs.analysis.reporting.findings import Audited
    from themis_vcs.audit.audit import Scope
    from themis_vcs.audit.finding import Level
    from themis_vcs.audit.spool import Spool
    from themis_vcs.performer.performer import StoredPerformer
    from themis_vcs.store.repository import Repository

_COLORS = {"error": "red", "warning": "yellow", "note": "cyan"}
OUTCOMES = {"reproduced": "green", "reproduced in part": "yellow", "not reproduced": "red", "cannot tell": "yellow"}
_SHOWN = 20
_LEVEL, _VERDICT = 14, 20


@contextlib.contextmanager
def carried_out(
    session: Session, repository: Repository, revision: str | None, options: dict[str, Any]
) -> Iterator[Outcome]:
    """Audit a run as the options of the command say. What was found is there as long as the block lasts."""
    from themis_vcs.analysis.lookup import locate_run
    from themis_vcs.analysis.reporting.findings import Audited
    from themis_vcs.audit.audit import Audit
    from themis_vcs.audit.spool import spooled

    def named(text: str) -> tuple[bytes, Any]:
        found = locate_run(repository, text)
        return found.oid, found.run

    oid, run = named(session.revision(repository, revision))
    since, against = (None if options[name] is None else named(options[name])[0] for name in ("since", "against"))
    level: Level = "re-execution" if options["reexecute"] else options["level"] or "environment"
    live = session.output.live()
    with spooled() as spool:
        with _performing(session, repository, run.snapshot, options) as performer:
            audit = Audit(
                repository,
                oid,
                None if live is None else lambda n: live.show(f"{n:,} reads"),
                _scope(performer, since, against, options),
            )
            try:
                spool.keep(audit.findings(level))
            finally:
                if live is not None:
                    live.clear()
        head = Audited(
            oid=oid.hex(),
            run_id=run.run_id.hex(),
            name=run.name,
            since=None if since is None else since.hex(),
            against=None if against is None else against.hex(),
            imported=performer.imported,
            verdicts=audit.verdicts,
        )
        yield Outcome(head, spool)


@dataclass
class Outcome:
    """What an audit came to."""

    head: Audited
    findings: Spool

    def print(self, output: Output, form: str, limit: int | None) -> None:
        """In the form that was asked for; `limit` is the number of findings, 0 for all."""
        from themis_vcs.analysis.reporting.findings import MOST, document, markdown, page

        if form == "text":
            self._text(output, _SHOWN if limit is None else limit or self.findings.count)
            return
        most = MOST if limit is None else limit or self.findings.count
        if form == "json":
            pieces: Iterable[str] = map(printable_json, document(self.head, self.findings))
        else:
            pieces = (markdown if form == "markdown" else page)(self.head, self.findings, most)
        for piece in pieces:
            output.raw((safe(piece) if output.stdout.isatty() else piece).encode())

    def _text(self, output: Output, limit: int) -> None:
        head = self.head
        output.line(bold(head.name), f"  run {short(head.run_id)}  {short(head.oid)}")
        for code in head.imported:
            output.line(dim(f"code  {code.target}  {code.file}"), hang=6)
        for number, finding in enumerate(self.findings):
            if number == limit:
                output.line(dim(f"and {count(self.findings.count - limit, 'more finding')}; --limit 0 prints all"))
                break
            severity = colored(finding.severity, _COLORS[finding.severity])
            output.line(severity, f"  {finding.code}  {finding.message}", hang=2)
            output.line(dim(f"  at {' / '.join(finding.way)}"), hang=5)
            for line in finding.diff:
                output.line(f"  {line}", hang=5)
        output.line(dim(f"{'level':<{_LEVEL}}{'verdict':<{_VERDICT}}"))
        for each in head.verdicts:
            looked = sum(each.checked.values())
            why = f"{each.why}; {count(looked, 'read')}" if looked else each.why
            outcome = colored(f"{each.outcome:<{_VERDICT}}", OUTCOMES[each.outcome])
            output.line(f"{each.level:<{_LEVEL}}", outcome, why, hang=_LEVEL + _VERDICT)


def check(options: dict[str, Any]) -> None:
    """UsageError for options that do not go together."""
    again = ("stages", "components", "sample", "trust_code")
    if options["reexecute"]:
        if options["level"] is not None:
            raise UsageError("--reexecute goes through all levels", hint="leave out --level")
        return
    for name in (name for name in again if options[name]):
        flag = {"components": "component"}.get(name, name.replace("_", "-"))
        raise UsageError(f"--{flag} is about what is executed again", hint="add --reexecute")
    if options["against"] is not None and options["level"] not in (None, "environment"):
        raise UsageError("--against compares surroundings", hint="leave out --level")


def _scope(performer: StoredPerformer, since: bytes | None, against: bytes | None, options: dict[str, Any]) -> Scope:
    from themis_vcs.audit.audit import Scope
    from themis_vcs.audit.reexecution import Asked
    from themis_vcs.pipeline.provenance import capture

    asked = Asked(
        performer=performer,
        stages=options["stages"],
        components=options["components"],
        sample=options["sample"],
        seed=options["seed"],
    )
    return Scope(
        since=since,
        against=against,
        now=None if options["level"] in ("integrity", "provenance") else capture(),
        resolver=performer.fingerprint,
        reexecution=asked if options["reexecute"] else None,
    )


@contextlib.contextmanager
def _performing(
    session: Session, repository: Repository, snapshot: bytes, options: dict[str, Any]
) -> Iterator[StoredPerformer]:
    """Whoever calls components. What they print goes to stderr, since stdout has the audit alone."""
    from themis_vcs.performer.performer import StoredPerformer

    performer = StoredPerformer(
        repository,
        snapshot,
        imports=options["reexecute"],
        trust_code=options["trust_code"],
        timeout=options["timeout"],
    )
    if not options["reexecute"]:
        yield performer
        return
    session.import_from_here()
    with contextlib.redirect_stdout(sys.stderr):
        try:
            yield performer
        finally:
            performer.close()
