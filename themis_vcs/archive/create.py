"""Making an archive: it is written beside its place, synced, and then gets its name, or nothing is left of it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from themis_vcs.analysis.moment import moment
from themis_vcs.archive import bag, enclosed, zipform
from themis_vcs.archive.citation import Credits, citation_file
from themis_vcs.archive.contents import ATTESTATION, FILES, Form, Subject, subject
from themis_vcs.archive.crate import crate
from themis_vcs.archive.layout import BUNDLE, CITATION, CRATE, PAYLOAD, README, RUNS, Progress, is_name, runs_of
from themis_vcs.archive.opening import is_archive
from themis_vcs.errors import StorageError, UsageError
from themis_vcs.model.oid import Oid
from themis_vcs.store.layout import sync
from themis_vcs.store.repository import Repository
from themis_vcs.transfer import bundling
from themis_vcs.transfer.attached import going_along
from themis_vcs.transfer.endpoint import Transferred

SUFFIX: Final = ".zip"
_BUFFER: Final = 1 << 20


class Made(NamedTuple):
    """An archive that was written: its runs by label, the objects in its bundle, its files and the bytes of them."""

    runs: dict[str, Oid]
    objects: int
    files: int
    size: int


def create(
    repository: Repository,
    refs: Mapping[str, Oid],
    target: Path,
    said: Credits,
    *,
    force: bool = False,
    forms: Mapping[str, Form] = FILES,
    progress: Progress = lambda _: None,
) -> Made:
    """Write an archive of refs to a directory, or to a zip file if the name of `target` ends in ".zip".

    `forms` are the files of each run. UsageError if something is there, unless `force`; which replaces an archive and
    nothing else. StorageError.
    """
    target = Path(os.path.abspath(target))
    zipped = target.suffix == SUFFIX
    _check_target(target, zipped=zipped, force=force)
    work = target.with_name(f".{target.name}-{os.urandom(8).hex()}")
    packed = work.with_name(work.name + SUFFIX)
    try:
        work.mkdir()
        made = _Writing(repository, work, forms, progress).all(refs, said)
        if zipped:
            progress(target.name)
            _pack(work, packed, target.stem)
        _put(packed if zipped else work, target, force=force)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror}", hint="nothing was left of it") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
        with suppress(OSError):
            packed.unlink()
    return made


def _check_target(target: Path, *, zipped: bool, force: bool) -> None:
    if zipped and not is_name(target.stem):
        raise UsageError(f"{target.name}: name it with letters, digits, '_', '.' and '-' alone")
    if not os.path.lexists(target):
        return
    if not force:
        raise UsageError(f"{target} is there already", hint="name another, or add --force")
    if target.is_symlink() or target.is_dir() == zipped or not is_archive(target):
        raise UsageError(f"{target} is not an archive, and is not replaced by one", hint="name another")


class _Writing:
    """An archive on its way into a directory."""

    def __init__(self, repository: Repository, directory: Path, forms: Mapping[str, Form], progress: Progress) -> None:
        self._repository, self._directory, self._forms, self._progress = repository, directory, forms, progress
        self._sizes: dict[str, int] = {}
        self._digests: dict[str, str] = {}

    def all(self, refs: Mapping[str, Oid], said: Credits) -> Made:
        runs = runs_of(refs, self._repository.get)
        subjects = [subject(self._repository, label, oid, self._progress) for label, oid in sorted(runs.items())]
        objects = self._bundle(refs)
        for each in subjects:
            for name, form in self._forms.items():
                self._file(f"{RUNS}{each.label}/{name}", partial(form.write, each))
        for name, path in enclosed.specification():
            self._text(name, path.read_bytes())
        newest = max(subjects, key=lambda each: each.found.run.time).found
        date = moment(newest.run.time)[:10]
        if said.authors:
            self._text(CITATION, citation_file(said, date, newest.oid.hex()[:12]))
        lines = {each.label: _line(each) for each in subjects}
        self._text(README, enclosed.readme(said, lines, attested=ATTESTATION in self._forms))
        self._text(CRATE, crate(said, subjects, self._forms, dict(sorted(self._sizes.items()))))
        self._tag_files(said, date)
        self._sync()
        return Made(runs, objects, len(self._sizes), sum(self._sizes.values()))

    def _bundle(self, refs: Mapping[str, Oid]) -> int:
        objects = 0
        all_refs = {**refs, **going_along(self._repository, refs)}

        def told(written: Transferred) -> None:
            self._progress(f"{BUNDLE}, {written.objects:,} objects")

        def write(file: BinaryIO) -> None:
            nonlocal objects
            objects = bundling.create(self._repository, all_refs, lambda _: file, progress=told).brought.objects

        self._file(BUNDLE, write)
        return objects

    def _tag_files(self, said: Credits, date: str) -> None:
        facts = [("Bag-Software-Agent", f"themis {version('themis-vcs')}"), ("Bagging-Date", date)]
        facts += [("Contact-Name", author.shown) for author in said.authors]
        facts.append(("External-Description", said.description or said.title))
        payload, sizes = dict(self._digests), dict(self._sizes)
        self._text(bag.DECLARATION, bag.DECLARED)
        self._text(bag.INFO, bag.info(facts, sum(sizes.values()), len(sizes)))
        self._text(bag.MANIFEST, bag.manifest(payload))
        tags = {name: digest for name, digest in self._digests.items() if not name.startswith(PAYLOAD)}
        self._text(bag.TAG_MANIFEST, bag.manifest(tags))

    def _text(self, name: str, data: bytes) -> None:
        self._file(name, lambda file: file.write(data))

    def _file(self, name: str, write: Callable[[BinaryIO], object]) -> None:
        """Write a file, and go through it once more for its digest."""
        self._progress(name)
        path = self._directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb", buffering=_BUFFER) as written:
            write(written)
            written.flush()
            os.fsync(written.fileno())
        with path.open("rb") as file:
            self._digests[name] = hashlib.file_digest(file, "sha512").hexdigest()
            self._sizes[name] = file.tell()

    def _sync(self) -> None:
        for directory, _, _ in os.walk(self._directory):
            sync(Path(directory))


def _line(each: Subject) -> str:
    run = each.found.run
    return f"run {run.run_id.hex()[:12]} of {moment(run.time)[:10]}, named {run.name!r}, {run.status}"


def _pack(directory: Path, packed: Path, top: str) -> None:
    """Make a zip file of a directory."""
    with packed.open("xb", buffering=_BUFFER) as target:
        zipform.pack(opened_files(directory, top), target)
        target.flush()
        os.fsync(target.fileno())


def opened_files(directory: Path, top: str) -> Iterator[tuple[str, BinaryIO]]:
    """Yield the files of a directory, opened one after the other, under their names in a zip file."""
    names = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    for name in names:
        with (directory / name).open("rb") as file:
            yield f"{top}/{name}", file


def _put(made: Path, target: Path, *, force: bool) -> None:
    """Give what was made its name. A directory that it replaces is kept beside it until it has the name."""
    if os.path.lexists(target) and not force:
        raise UsageError(f"{target} is there already", hint="name another, or add --force")
    before = target.with_name(made.name + "-before")
    if target.is_dir():
        target.rename(before)
    try:
        made.rename(target)
    except OSError:
        if before.exists():
            before.rename(target)
        raise
    sync(target.parent)
    shutil.rmtree(before, ignore_errors=True)
