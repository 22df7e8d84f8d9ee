"""Stage bundles as files: written whole or not at all, and read in whichever form they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Literal, NamedTuple

from themis_vcs.analysis.reading import Reader
from themis_vcs.handoff.stages.adopt import Adopted, Options
from themis_vcs.handoff.stages.boundary import part_of
from themis_vcs.handoff.stages.cursor import Placed
from themis_vcs.handoff.stages.lines import Line, Record, encode, read
from themis_vcs.handoff.stages.pack import pack
from themis_vcs.handoff.stages.take import take_lines, take_pack
from themis_vcs.handoff.stages.write import write
from themis_vcs.model.objects import Run
from themis_vcs.store.repository import Repository
from themis_vcs.store.resolve import resolve_run
from themis_vcs.transfer.bundle import MAGIC, Bundle
from themis_vcs.transfer.endpoint import Progress, Transferred

Form = Literal["pack", "jsonl"]
_TOLD = 1_000


class Exported(NamedTuple):
    """What a file was made of: the run, the stages in it, its size in bytes, and the number of records of its stage."""

    run: Run
    stages: list[str]
    records: int
    size: int


def export(
    repository: Repository,
    revision: str,
    stage: str,
    file: BinaryIO,
    form: Form,
    *,
    only: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write a stage bundle of a run to a file. NotFound if there is no such run, or it did not get to that stage."""
    _, run = resolve_run(repository, revision)
    part = part_of(repository, run, stage, only=only)
    names = [each.name for each in part.stages]
    if form == "pack":
        size = pack(repository, part, file, progress).brought.size
        return Exported(part.run, names, part.records(Reader(repository)), size)
    size = records = 0
    for number, line in enumerate(write(repository, part), start=1):
        size += file.write(encode(line))
        records += isinstance(line, Record) and line.stage == stage
        if progress is not None and number % _TOLD == 0:
            progress(Transferred(number, size))
    return Exported(part.run, names, records, size)


def take(
    repository: Repository,
    file: BinaryIO,
    source: str,
    stage: str,
    options: Options,
    progress: Progress | None = None,
) -> Adopted:
    """Take in the stage bundle in `file`, whose position can be set; `source` names it.

    DataError, Corrupt, FormatError if it is not whole; Rejected if it has another value of a step that is here.
    """
    file.seek(0)
    packed = file.read(len(MAGIC)) == MAGIC
    file.seek(0)
    if packed:
        return take_pack(repository, Bundle([file], source), stage, options, progress)
    return take_lines(repository, _told(file, source, progress), stage, options)


def _told(file: BinaryIO, source: str, progress: Progress | None) -> Iterator[Placed[Line]]:
    """Yield the lines of a file and tell how many they are."""
    for number, placed in enumerate(read(file, source), start=1):
        if progress is not None and number % _TOLD == 0:
            progress(Transferred(number, file.tell()))
        yield placed
