"""Stage bundles in Python: exported from a store, held in memory or a file, imported into another store."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from themis_vcs.errors import DataError, unreadable
from themis_vcs.handoff.stages import lines as form
from themis_vcs.handoff.stages.adopt import Adopted, Options
from themis_vcs.handoff.stages.boundary import boundary_of, part_of
from themis_vcs.handoff.stages.cursor import Placed
from themis_vcs.handoff.stages.lines import Head, Line, Record
from themis_vcs.handoff.stages.read import Checked, read
from themis_vcs.handoff.stages.take import take_lines
from themis_vcs.handoff.stages.write import write
from themis_vcs.model.objects import Identity
from themis_vcs.pipeline.config import StorageConfig
from themis_vcs.pipeline.experiment import Store
from themis_vcs.pipeline.snapshot import RunSnapshot
from themis_vcs.pipeline.stores import opened
from themis_vcs.store.resolve import resolve_run


class StageBundle:
    """A run up to a stage boundary. Made by the export functions, or by `load` and `from_json`, which check all of it.

    `boundary` is one of generation, reduction, parse, score, evaluation; `stage` the stage before it.
    """

    def __init__(self, lines: list[Line]) -> None:
        head = lines[0]
        assert isinstance(head, Head)
        self.stage = head.stage
        self.boundary = boundary_of(head.stage)
        self.run_id = head.run_id
        self._head, self._lines = head, lines

    @property
    def snapshot(self) -> RunSnapshot:
        """What was asked for, of which the run id is the hash, and the surroundings of the run."""
        said = self._head.snapshot
        identity = Identity(
            bytes.fromhex(said.identity.cases),
            bytes.fromhex(said.identity.datasets),
            said.identity.revisions,
            said.identity.stages,
        )
        return RunSnapshot(self.run_id, identity, said.provenance)

    @property
    def records(self) -> list[Record]:
        """The steps of the stage, by component and then by case."""
        return [line for line in self._lines if isinstance(line, Record) and line.stage == self.stage]

    def to_json(self) -> str:
        """Return the bundle as JSON Lines."""
        return b"".join(map(form.encode, self._lines)).decode()

    @classmethod
    def from_json(cls, text: str, source: str = "bundle") -> StageBundle:
        """Return the bundle in this text. DataError names the line and the field."""
        return cls._checked(list(form.read(io.BytesIO(text.encode()), source)))

    def save(self, path: str | Path) -> None:
        """Write the bundle to a file as JSON Lines."""
        with Path(path).open("wb") as file:
            file.writelines(map(form.encode, self._lines))

    @classmethod
    def load(cls, path: str | Path) -> StageBundle:
        """Return the bundle in a file of JSON Lines. DataError; StorageError if it cannot be read."""
        with open_lines(Path(path)) as file:
            return cls._checked(list(form.read(file, str(path))))

    @classmethod
    def _checked(cls, placed: list[Placed[Line]]) -> StageBundle:
        read(placed, Checked())
        return cls([line for _, line in placed])

    def _placed(self) -> Iterator[Placed[Line]]:
        return ((f"bundle:{number}", line) for number, line in enumerate(self._lines, start=1))


def open_lines(path: Path) -> BinaryIO:
    """Open a file to read. NotFound, StorageError."""
    try:
        return path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from error


def export_bundle(store: Store, run_id: str, stage: str, *, only: bool = False) -> StageBundle:
    """Return what a run holds up to a stage, or with `only` of that stage and what it was made from.

    `run_id` is that of a run, or any revision. NotFound if there is no such run, or it did not get to that stage.
    """
    with opened(store, StorageConfig()) as repository:
        _, run = resolve_run(repository, run_id)
        return StageBundle(list(write(repository, part_of(repository, run, stage, only=only))))


def import_bundle(
    store: Store, bundle: StageBundle, stage: str, *, replace: bool = False, name: str | None = None
) -> Adopted:
    """Take a bundle into a store: its run becomes the newest of the line `name`, by default that it is on.

    Rejected if a step has another value there, unless `replace`; then the old one stays in the run before.
    DataError if the bundle does not hold together; nothing is stored then.
    """
    if not isinstance(bundle, StageBundle):
        raise DataError(f"expected a StageBundle, got {type(bundle).__name__}", hint="StageBundle.load reads a file")
    with opened(store, StorageConfig()) as repository:
        return take_lines(repository, bundle._placed(), stage, Options(name, replace))


def export_generation_bundle(store: Store, run_id: str, *, only: bool = False) -> StageBundle:
    """Return the generations of a run, as `export_bundle` does."""
    return export_bundle(store, run_id, "generate", only=only)


def export_reduction_bundle(store: Store, run_id: str, *, only: bool = False) -> StageBundle:
    """Return the reduced candidates of a run and what is before them, as `export_bundle` does."""
    return export_bundle(store, run_id, "reduce", only=only)


def export_parse_bundle(store: Store, run_id: str, *, only: bool = False) -> StageBundle:
    """Return the parsed outputs of a run and what is before them, as `export_bundle` does."""
    return export_bundle(store, run_id, "parse", only=only)


def export_score_bundle(store: Store, run_id: str, *, only: bool = False) -> StageBundle:
    """Return the scores of a run and what is before them, as `export_bundle` does."""
    return export_bundle(store, run_id, "score", only=only)


def export_evaluation_bundle(store: Store, run_id: str, *, only: bool = False) -> StageBundle:
    """Return the judgments of a run and what is before them, as `export_bundle` does."""
    return export_bundle(store, run_id, "judge", only=only)


def import_generation_bundle(
    store: Store, bundle: StageBundle, *, replace: bool = False, name: str | None = None
) -> Adopted:
    """Take generations into a store, as `import_bundle` does."""
    return import_bundle(store, bundle, "generate", replace=replace, name=name)


def import_reduction_bundle(
    store: Store, bundle: StageBundle, *, replace: bool = False, name: str | None = None
) -> Adopted:
    """Take reduced candidates into a store, as `import_bundle` does."""
    return import_bundle(store, bundle, "reduce", replace=replace, name=name)


def import_parse_bundle(
    store: Store, bundle: StageBundle, *, replace: bool = False, name: str | None = None
) -> Adopted:
    """Take parsed outputs into a store, as `import_bundle` does."""
    return import_bundle(store, bundle, "parse", replace=replace, name=name)


def import_score_bundle(
    store: Store, bundle: StageBundle, *, replace: bool = False, name: str | None = None
) -> Adopted:
    """Take scores into a store, as `import_bundle` does."""
    return import_bundle(store, bundle, "score", replace=replace, name=name)


def import_evaluation_bundle(
    store: Store, bundle: StageBundle, *, replace: bool = False, name: str | None = None
) -> Adopted:
    """Take judgments into a store, and with them the scores that they hold, as `import_bundle` does."""
    return import_bundle(store, bundle, "judge", replace=replace, name=name)
