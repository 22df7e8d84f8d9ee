"""`themis archive`: runs for the shelf, with all that is needed to read them without themis."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from themis_vcs.cli.command import Command, Family
from themis_vcs.cli.failure import OK
from themis_vcs.cli.making import kept_if_filled
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import LiveLine, bold, colored, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.sharing import Options, carry_out, name_of, pulled, refs_meant
from themis_vcs.cli.signing import KeyChoice, key_options
from themis_vcs.cli.wording import count, short, size
from themis_vcs.errors import Corrupt, UsageError

if TYPE_CHECKING:
    from themis_vcs.archive.contents import Form
    from themis_vcs.archive.create import Made
    from themis_vcs.archive.layout import Progress
    from themis_vcs.archive.verify import Verified

_archive = click.argument("archive", metavar="ARCHIVE", type=click.Path(path_type=Path))


@click.group("archive", cls=Family, short_help="Put runs on the shelf, readable without themis.")
def command() -> None:
    """Runs with all that is needed to read them without themis: the objects, every result as text, the report, the
    audit, and how all of it is written.

    An archive is a directory, or one file if its name ends in .zip. It is a BagIt bag and an RO-Crate, which
    repositories of research data take.
    """


@command.command(
    "create",
    cls=Command,
    short_help="Write an archive of runs.",
    examples=[
        ("What a paper reports", "themis archive create paper -o paper.zip --title 'A paper' --author 'Lovelace, Ada'"),
        (
            "With an ORCID iD and a licence, to publish it",
            "themis archive create main -o main.zip --author 'Lovelace, Ada' --orcid 0000-0002-1825-0097 "
            "--license CC-BY-4.0",
        ),
        ("With a signed statement of what each run came to", "themis archive create paper -o paper.zip --attest"),
        ("All that the store has, in a directory", "themis archive create --all -o shelf"),
    ],
)
@click.argument("revisions", metavar="[REV]...", nargs=-1)
@click.option(
    "-o", "--output", "target", metavar="PATH", required=True, type=click.Path(path_type=Path),
    help="The directory to write, or the file if it ends in .zip.",
)  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="Put in every name and every tag.")
@click.option("--title", metavar="TEXT", help="What it is called. By default the names of the runs.")
@click.option("--author", "authors", metavar="NAME", multiple=True, help='"Family, Given", or any name. Repeatable.')
@click.option(
    "--orcid", "orcids", metavar="ID", multiple=True, help="The ORCID iD of the author; the n-th of the n-th."
)
@click.option("--license", "spdx", metavar="SPDX", help="The identifier of a licence, such as CC-BY-4.0.")
@click.option("--description", metavar="TEXT", default="", help="What it is about, in a sentence.")
@click.option("--attest", is_flag=True, help="Put in a signed attestation of each run, as `themis attest` writes it.")
@key_options
@click.option("--force", is_flag=True, help="Replace an archive that is there.")
@click.option("--progress", is_flag=True, help="Show progress although stderr is no terminal.")
@json_option()
@click.pass_obj
def create(
    session: Session,
    revisions: tuple[str, ...],
    target: Path,
    everything: bool,
    title: str | None,
    authors: tuple[str, ...],
    orcids: tuple[str, ...],
    spdx: str | None,
    description: str,
    attest: bool,
    choice: KeyChoice,
    force: bool,
    progress: bool,
    as_json: bool,
) -> None:
    """Write the runs REV to PATH: names, tags, or patterns of such; any other revision goes under the name that its
    run was made under. The runs before them are in it as objects, and not as text.

    The same refs with the same options give the same bytes: all dates are those of the runs.
    """
    from themis_vcs.archive.citation import credits_of
    from themis_vcs.archive.create import create as write
    from themis_vcs.pipeline.garbage import collected_seldom

    forms = _forms(choice, attest=attest)
    with session.reading() as repository, collected_seldom():
        refs = refs_meant(session, repository, revisions, everything)
        if not refs:
            raise UsageError("this store has nothing to archive", hint="`themis run FILE` makes the first run")
        names = ", ".join(dict.fromkeys(map(name_of, refs)))
        said = credits_of(names if title is None else title, authors, orcids, spdx, description)
        with _told(session, "writing", forced=progress) as told:
            made = write(repository, refs, target, said, force=force, forms=forms, progress=told)
    _report_made(session, target, made, as_json)
    if spdx is None and not as_json:
        session.output.note("no licence was given, so nobody may use it before asking; --license names one")


def _forms(choice: KeyChoice, *, attest: bool) -> Mapping[str, Form]:
    """The files of each run."""
    from themis_vcs.archive.contents import FILES, with_attestation
    from themis_vcs.pipeline.provenance import version

    if choice.made and not attest:
        raise UsageError("--key and --passphrase-file are for --attest")
    return with_attestation(choice.signer(), version()) if attest else FILES


@contextmanager
def _told(session: Session, verb: str, *, forced: bool = False) -> Iterator[Progress]:
    """What shows what is being written or checked, in a line that is gone afterwards."""
    live = session.output.live() or (LiveLine(session.output) if forced else None)
    if live is None:
        yield lambda _: None
        return
    try:
        yield lambda what: live.show_from(lambda _: f"{verb} {what}")
    finally:
        live.clear()


def _report_made(session: Session, target: Path, made: Made, as_json: bool) -> None:
    runs = {label: oid.hex() for label, oid in made.runs.items()}
    if as_json:
        document = {"archive": str(target), "runs": runs, "objects": made.objects}
        session.output.json({**document, "files": made.files, "bytes": made.size})
        return
    for label in runs:
        session.output.line("  ", bold(label))
    contents = f"{count(made.objects, 'object')}, {count(made.files, 'file')}, {size(made.size)}"
    session.output.line("wrote ", str(target), f": {contents}")


@command.command(
    "verify",
    cls=Command,
    short_help="Check that an archive is whole.",
    examples=[("Is what lay on the shelf still what was put there?", "themis archive verify paper.zip")],
)
@_archive
@json_option()
@click.pass_obj
def verify(session: Session, archive: Path, as_json: bool) -> int:
    """Check every byte of ARCHIVE, every object and line in it, and that both say the same. No store is needed, and
    nothing is unpacked.

    Exit status 14 if something is damaged, missing or too much; every such file is named.
    """
    from themis_vcs.archive.verify import verify as check

    with _told(session, "checking") as told:
        found = check(archive, told)
    if as_json:
        session.output.json({"archive": str(archive), "sound": not found.problems, **_verified(found)})
    else:
        _print_verified(session, found)
    return Corrupt.exit_status if found.problems else OK


def _verified(found: Verified) -> dict[str, Any]:
    from msgspec import to_builtins

    document: dict[str, Any] = to_builtins(found)
    return document


def _print_verified(session: Session, found: Verified) -> None:
    for problem in found.problems:
        session.output.line(colored("damaged", "red"), "  ", bold(problem.file), f": {problem.problem}", hang=2)
    for label in found.runs:
        session.output.line("  ", bold(label))
    looked = f"{count(found.files, 'file')}, {size(found.size)}, {count(found.objects, 'object')}"
    wrong = count(len(found.problems), "damaged file") if found.problems else "nothing wrong"
    session.output.line(looked, f": {wrong}")


@command.command(
    "restore",
    cls=Command,
    short_help="Make a store of an archive.",
    examples=[
        ("Into a new directory", "themis archive restore paper.zip"),
        ("Into the store that is in this directory", "themis archive restore paper.zip ."),
    ],
)
@_archive
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--force", is_flag=True, help="Move names that are there even if runs are lost by it.")
@click.option("--progress", is_flag=True, help="Show progress although stderr is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, themis.transfer/1.")
@click.pass_obj
def restore(
    session: Session, archive: Path, directory: Path | None, force: bool, progress: bool, as_json: bool
) -> None:
    """Bring the runs of ARCHIVE into the store DIR/.themis, which is made if it is not there. DIR is by default the
    last part of ARCHIVE: paper for paper.zip, paper-restored for the directory paper.

    Every object is checked; no name is moved before all that it reaches is there. After an interruption the same
    command goes on; where the archive is damaged nothing is left. `themis archive verify` checks what is not brought:
    the text and the other files.
    """
    from themis_vcs.archive.opening import source
    from themis_vcs.store.address import Address
    from themis_vcs.store.layout import NAME
    from themis_vcs.store.repository import Repository
    from themis_vcs.store.settings import Settings
    from themis_vcs.transfer.remotes import at

    directory = _default(archive) if directory is None else directory
    bundle = source(archive)
    try:
        _check_target(archive, directory)
        again = f"`themis archive restore {archive} {directory}`"
        with (
            kept_if_filled(session.output, directory, again, despite_damage=False),
            Repository.init(directory / NAME) as repository,
        ):
            text = os.path.abspath(archive)
            remote = at(Settings(directory / NAME).remotes(), Address("path", text, text.removesuffix(".zip")))
            verbs = ("restored from", "restoring", "restored")
            options = Options(dry_run=False, progress=progress, as_json=as_json)
            carry_out(
                session.output, repository, remote, bundle, options, verbs,
                lambda here, there, source, meter: pulled(here, there, source, meter, force=force),
            )  # fmt: skip
    finally:
        bundle.close()


def _default(archive: Path) -> Path:
    """Where an archive is restored to if nobody says so: not to itself."""
    found = archive.resolve()
    return Path(f"{found.name}-restored" if found.is_dir() else found.stem)


def _check_target(archive: Path, directory: Path) -> None:
    """UsageError for a directory that no store can be made in, or that is of an archive, which a store would damage."""
    from themis_vcs.archive.opening import is_archive
    from themis_vcs.store.layout import NAME

    inside = any(is_archive(each) for each in (directory.resolve(), *directory.resolve().parents) if each.is_dir())
    if inside:
        what = (
            f"{directory} is not empty: it is an archive" if is_archive(directory) else f"{directory} is in an archive"
        )
        hint = f"name another directory, as in `themis archive restore {archive} {_default(archive)}`"
        raise UsageError(f"{what}, which a store in it would damage", hint=hint)
    if directory.exists() and not (directory / NAME).exists() and any(directory.iterdir()):
        hint = "name another directory, or run `themis init` there"
        raise UsageError(f"{directory} is not empty and has no store", hint=hint)


@command.command(
    "show",
    cls=Command,
    short_help="Show what an archive says of itself.",
    examples=[("What is this?", "themis archive show paper.zip")],
)
@_archive
@json_option()
@click.pass_obj
def show(session: Session, archive: Path, as_json: bool) -> None:
    """Show title, authors, licence and runs of ARCHIVE, as it states them. `verify` checks it."""
    from themis_vcs.archive.opening import describe

    found = describe(archive)
    if as_json:
        session.output.json(found)
        return
    output = session.output
    output.line(bold(found.title))
    if found.description:
        output.line(found.description)
    for label, value in (
        ("authors", "; ".join(found.authors)),
        ("licence", found.license),
        ("date", found.date),
    ):
        if value:
            output.line(f"{label:<9} ", value, hang=10)
    for ref, oid in found.refs.items():
        name = name_of(ref) if ref.startswith(("names/", "tags/")) else ref
        output.line(f"{'ref':<9} ", bold(name), "  ", short(oid))
    for label in found.runs:
        output.line(f"{'run':<9} ", label)
    output.line(dim(f"{count(len(found.files), 'file')}, {size(sum(found.files.values()))}"))
