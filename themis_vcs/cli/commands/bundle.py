"""`themis bundle`: runs in one file, to archive or to carry."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from themis_vcs.cli.command import Command, Family
from themis_vcs.cli.options import json_option
from themis_vcs.cli.output import bold, dim
from themis_vcs.cli.session import Session
from themis_vcs.cli.sharing import (
    Meter,
    Options,
    carry_out,
    forgotten_option,
    name_of,
    narrowing_options,
    pulled,
    refs_meant,
    transfer_options,
)
from themis_vcs.cli.wording import count, short, size
from themis_vcs.errors import MalformedPack, StorageError, UsageError, unreadable

if TYPE_CHECKING:
    from themis_vcs.model.oid import Oid
    from themis_vcs.transfer.bundle import Bundle
    from themis_vcs.transfer.bundling import Made, Verified

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_CHUNK = 1 << 20


_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))


def _bytes(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """A number of bytes, such as 4GiB or 700MB."""
    if value is None:
        return None
    text = value.strip().lower().removesuffix("b")
    digits = text.rstrip("kmgti")
    unit = _UNITS.get(text[len(digits) :])
    if not digits.isdigit() or unit is None or not int(digits):
        raise click.BadParameter(f"{value!r} is not a size; write it as 4GiB or 700MB", ctx, param)
    return int(digits) * unit


@click.group("bundle", cls=Family, short_help="Put runs into one file, and look at such files.")
def command() -> None:
    """Runs with all that they reach in one file, to archive or to carry.

    `themis clone`, `fetch` and `pull` read from such a file as from any other store; no network is needed. "-" as FILE
    is stdin or stdout.
    """


@command.command(
    "create",
    cls=Command,
    short_help="Write runs into a file.",
    examples=[
        ("Everything behind a paper", "themis bundle create paper.bundle main paper-v1"),
        ("What is new since a tag", "themis bundle create new.bundle main --since paper-v1"),
        ("For discs of 4 GiB", "themis bundle create paper.bundle --all --split 4GiB"),
    ],
)
@_file
@click.argument("revisions", metavar="[REV]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Put in every name and every tag.")
@click.option(
    "--since", metavar="REV", multiple=True, help="Leave out what this run reaches; who reads must have it. Repeatable."
)
@click.option("--split", callback=_bytes, metavar="SIZE", help="Write FILE.001, FILE.002 … of at most this size each.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--progress", is_flag=True, help="Show progress although stderr is no terminal.")
@narrowing_options
@json_option()
@click.pass_obj
def create(
    session: Session,
    file: Path,
    revisions: tuple[str, ...],
    everything: bool,
    since: tuple[str, ...],
    split: int | None,
    force: bool,
    progress: bool,
    stages: str | None,
    observations: bool,
    as_json: bool,
) -> None:
    """Write the runs REV with all that they reach into FILE: names, tags, or patterns of such; any other revision goes
    under the name that its run was made under. The same refs of the same store give the same bytes.
    """
    from themis_vcs.store.resolve import resolve_run
    from themis_vcs.transfer import bundling
    from themis_vcs.transfer.attached import going_along
    from themis_vcs.transfer.narrow import Narrowing

    pipe = str(file) == "-"
    if pipe and (split is not None or as_json):
        raise UsageError("what is written to stdout can be neither split nor described there")
    if split is not None and split < bundling.SMALLEST_PART:
        raise UsageError(f"a part is at least {size(bundling.SMALLEST_PART)}")
    whole = stages is None and observations
    with session.reading() if whole else session.writing() as repository:
        narrowing = Narrowing(repository, stages.split(",") if stages else None, observations=observations)
        refs = narrowing.refs(refs_meant(session, repository, revisions, everything))
        along = going_along(repository, refs if whole else {})
        excluded = [resolve_run(repository, each)[0] for each in since]
        meter = Meter(session.output, "writing", forced=progress)
        files = bundling.Files(bundling.names_of(file, split=split is not None), replace=force)
        opened = (lambda _: sys.stdout.buffer) if pipe else files.open
        try:
            made = bundling.create(repository, {**refs, **along}, opened, since=excluded, split=split, progress=meter)
            written = [] if pipe else files.keep()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise StorageError(f"cannot write {file}: {error.strerror}") from error
        finally:
            meter.clear()
            files.discard()
    if not pipe:
        _report_made(session, refs, made, written, as_json)


def _report_made(session: Session, refs: dict[str, Oid], made: Made, written: list[Path], as_json: bool) -> None:
    hashes = [each.hex() for each in made.hashes]
    if as_json:
        files = [{"file": str(path), "hash": each} for path, each in zip(written, hashes, strict=True)]
        document = {"refs": {ref: oid.hex() for ref, oid in refs.items()}, "objects": made.brought.objects}
        session.output.json({**document, "bytes": made.brought.size, "files": files})
        return
    for ref, oid in refs.items():
        session.output.line(bold(name_of(ref)), "  ", short(oid.hex()))
    for path, each in zip(written, hashes, strict=True):
        session.output.line(str(path), dim(f"  {each}"))
    session.output.line("wrote ", count(made.brought.objects, "object"), ", ", size(made.brought.size))


@command.command(
    "verify",
    cls=Command,
    short_help="Check that a bundle is whole.",
    examples=[("Before it is burnt to a disc", "themis bundle verify paper.bundle")],
)
@_file
@click.option("--part", is_flag=True, help="Check FILE alone, although it is one part of several.")
@json_option()
@click.pass_obj
def verify(session: Session, file: Path, part: bool, as_json: bool) -> None:
    """Check every byte and every object of the bundle FILE, and that all that they refer to is in it. No store is
    needed.

    FILE is the bundle, or its name without .001 if it is in parts, all of which are then checked together.
    """
    from themis_vcs.transfer import bundling

    with _told_what_it_is(file), _opened(file, alone=part) as (bundle, single):
        if single is not None:
            found, refs = bundling.verify_part(single), single.head.refs
        else:
            assert bundle is not None
            found, refs = bundling.verify(bundle), bundle.head.refs
    if as_json:
        session.output.json(_described(refs, found))
        return
    _print_refs(session, refs)
    session.output.line(count(found.objects, "object"), ", ", size(found.size), ": nothing wrong")
    if not found.complete:
        session.output.line("this is one part of several; whether they make a whole was not looked at")
    for oid in found.needs:
        session.output.line("it builds on run ", short(oid.hex()), ", which whoever reads it must have")


@command.command(
    "list",
    cls=Command,
    short_help="List the refs of a bundle.",
    examples=[("What is in it?", "themis bundle list paper.bundle")],
)
@_file
@json_option()
@click.pass_obj
def list_(session: Session, file: Path, as_json: bool) -> None:
    """List the names and tags in the bundle FILE, and the runs that it builds on. `verify` checks it."""
    with _opened(file, alone=False) as (bundle, _):
        assert bundle is not None
        head = bundle.head
    if as_json:
        session.output.json({"refs": head.refs, "needs": head.needs})
        return
    _print_refs(session, head.refs)
    for oid in head.needs:
        session.output.line("builds on run ", short(oid))


@command.command(
    "unbundle",
    cls=Command,
    short_help="Bring what is in a bundle into the store.",
    examples=[("What somebody sent", "themis bundle unbundle results.bundle")],
)
@_file
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--force", is_flag=True, help="Move our names even if runs are lost by it; the reflog keeps them.")
@forgotten_option
@transfer_options
@click.pass_obj
def unbundle(
    session: Session,
    file: Path,
    names: tuple[str, ...],
    force: bool,
    allow_forgotten: bool,
    options: Options,
) -> None:
    """Pull from the bundle FILE; as `themis pull FILE`, and from stdin too."""
    from themis_vcs.store.address import Address
    from themis_vcs.transfer.remotes import at

    text = "stdin" if str(file) == "-" else os.path.abspath(file)
    remote = at(session.settings().remotes(), Address("path", text, text))
    verbs = ("from", "receiving", "received")
    with _opened(file, alone=False) as (bundle, _), session.writing() as repository:
        assert bundle is not None
        carry_out(
            session.output,
            repository,
            remote,
            bundle,
            options,
            verbs,
            lambda here, there, source, meter: pulled(
                here,
                there,
                source,
                meter,
                names,
                force=force,
                allow_forgotten=allow_forgotten,
                dry_run=options.dry_run,
            ),
        )


@contextmanager
def _told_what_it_is(file: Path) -> Iterator[None]:
    """Give a file that is no whole bundle a hint that fits who only looks at it."""
    from themis_vcs.archive.opening import is_archive

    try:
        yield
    except MalformedPack as error:
        error.hint = "get it again from where it comes from"
        if is_archive(file):
            error.hint = f"it may be an archive: `themis archive verify {file}` checks those"
        raise


@contextmanager
def _opened(file: Path, *, alone: bool) -> Iterator[tuple[Bundle | None, Any]]:
    """The bundle at a path or on stdin; if `alone`, one part of it instead."""
    from themis_vcs.transfer.bundle import Bundle, Part, open_bundle, open_file

    if str(file) == "-":
        with tempfile.TemporaryFile() as spool:
            _copy(sys.stdin.buffer, spool)
            yield Bundle([spool], "stdin"), None
        return
    try:
        if alone:
            with open_file(file) as single:
                yield None, Part(single, str(file))
            return
    except OSError as error:
        raise unreadable(file, error) from error
    opened = open_bundle(file)
    try:
        yield opened, None
    finally:
        opened.close()


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    while chunk := source.read(_CHUNK):
        target.write(chunk)


def _described(refs: dict[str, str], found: Verified) -> dict[str, Any]:
    needs = [oid.hex() for oid in found.needs]
    return {"refs": refs, "objects": found.objects, "bytes": found.size, "complete": found.complete, "needs": needs}


def _print_refs(session: Session, refs: dict[str, str]) -> None:
    for ref, oid in refs.items():
        session.output.line(bold(name_of(ref)), "  ", short(oid))
