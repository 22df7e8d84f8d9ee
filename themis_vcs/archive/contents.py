"""What an archive has of a run beside the bundle: one function for each file, in `FILES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import BinaryIO, Final, NamedTuple

from themis_vcs.analysis.attestation.attest import attest
from themis_vcs.analysis.lookup import Located, stages_of
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.reporting.findings import Audited, document
from themis_vcs.analysis.reporting.write import write as write_report
from themis_vcs.analysis.selection import Asked
from themis_vcs.archive.layout import STAGES, Progress
from themis_vcs.audit.audit import Audit
from themis_vcs.audit.spool import spooled
from themis_vcs.errors import DataError
from themis_vcs.handoff.stages.files import export
from themis_vcs.model.objects import Snapshot
from themis_vcs.model.oid import Oid
from themis_vcs.signing.envelope import Signer
from themis_vcs.store.repository import Repository
from themis_vcs.store.resolve import resolve_run
from themis_vcs.transfer.endpoint import Transferred


class Subject(NamedTuple):
    """A run that is archived: where it is, and what its directory is called."""

    repository: Repository
    found: Located
    label: str
    progress: Progress


def subject(repository: Repository, label: str, oid: Oid, progress: Progress) -> Subject:
    """Return a run to archive. DataError if it has no stage."""
    _, run = resolve_run(repository, oid.hex())
    if not run.stages:
        raise DataError(f"run {run.run_id.hex()[:12]} of {run.name} has no stage yet", hint="`themis resume` goes on")
    return Subject(repository, Located(oid, run, repository.load(run.snapshot, Snapshot)), label, progress)


def stages(run: Subject, file: BinaryIO) -> None:
    """Write every stage of a run as JSON Lines."""
    last = list(stages_of(run.repository, run.found.run))[-1]

    def told(written: Transferred) -> None:
        run.progress(f"{run.label}/{STAGES}, line {written.objects:,}")

    export(run.repository, run.found.oid.hex(), last, file, "jsonl", progress=told)


def page(run: Subject, file: BinaryIO) -> None:
    """Write the report for a browser."""
    _report(run, "html", file)


def table(run: Subject, file: BinaryIO) -> None:
    """Write the report for a spreadsheet."""
    _report(run, "csv", file)


def _report(run: Subject, form: str, file: BinaryIO) -> None:
    _, text = write_report(Reader(run.repository), run.found, form, Asked())
    file.writelines(piece.encode() for piece in text)


def audited(run: Subject, file: BinaryIO) -> None:
    """Write what an audit finds, as `themis audit --json` prints it."""
    oid, made = run.found.oid, run.found.run
    audit = Audit(run.repository, oid, lambda read: run.progress(f"audit of {run.label}, {read:,} reads"))
    with spooled() as findings:
        findings.keep(audit.findings())
        head = Audited(oid=oid.hex(), run_id=made.run_id.hex(), name=made.name, verdicts=audit.verdicts)
        file.writelines(piece.encode() for piece in document(head, findings))


class Form(NamedTuple):
    """A file of a run: what it is, its media type, the page that specifies it, and how it is written."""

    about: str
    media_type: str
    specified: str | None
    write: Callable[[Subject, BinaryIO], None]


FILES: Final[Mapping[str, Form]] = {
    STAGES: Form("The cases and every stage, a JSON object a line", "application/jsonl", "stage-bundle.md", stages),
    "report.html": Form("Means, failures and cases, for a browser", "text/html", None, page),
    "report.csv": Form("A row per case and metric", "text/csv", None, table),
    "audit.json": Form("What an audit found when the archive was made", "application/json", None, audited),
}
"""The files of a run by name."""
ATTESTATION: Final = "attestation.intoto.json"


def with_attestation(signer: Signer, tool: str) -> dict[str, Form]:
    """Return the files of a run, and a signed attestation of it; `tool` is the version of themis."""

    def write(run: Subject, file: BinaryIO) -> None:
        def told(read: int) -> None:
            run.progress(f"{run.label}/{ATTESTATION}, {read:,} reads")

        name = f"names/{run.found.run.name}"
        file.write(attest(run.repository, run.found, name, signer, tool=tool, progress=told).data)

    about = "What the run was made from and came to, signed, as an in-toto statement"
    return {**FILES, ATTESTATION: Form(about, "application/vnd.in-toto+json", "attestation.md", write)}
