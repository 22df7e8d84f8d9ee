"""The files of Inspect opened: `.eval` archives and `.json` files, by our own reader or by Inspect's library."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from themis_vcs.errors import DataError, UsageError
from themis_vcs.handoff.foreign.archive import Archive
from themis_vcs.handoff.foreign.inspect_format import Header, Reduction, SampleLog, Whole, parsed
from themis_vcs.handoff.foreign.source import MAX_DOCUMENT

_MEMBER = re.compile(r"samples/(.+)_epoch_(\d+)\.json", re.DOTALL)
_TOGETHER = 64  # samples that the library reads in one go; each go reads the directory of the archive
T = TypeVar("T")


class Reader(Protocol):
    """An open log."""

    header: Header
    reductions: list[Reduction]

    def samples(self) -> Iterator[list[tuple[str, SampleLog]]]:
        """The epochs of every sample with their places, in the order in which the first ones stand."""
        ...


def has_library() -> bool:
    """Whether inspect_ai is installed."""
    return find_spec("inspect_ai") is not None


def reader_of(path: Path, *, library: bool) -> Reader:
    """The reader for a file. DataError for what is no log of Inspect."""
    own = Single if path.suffix == ".json" else Archived
    if not library:
        return own(path)
    try:
        return Installed(path)
    except DataError:
        own(path)  # which says what is wrong, if it is no log at all
        raise


class Archived:
    """A `.eval` file: a ZIP with a member for every sample and epoch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with Archive(path) as archive:
            names = set(archive.names)
            found = next((each for each in ("header.json", "_journal/start.json") if each in names), None)
            if found is None:
                raise DataError(f"{path}: no header.json and no _journal/start.json: not a log of Inspect")
            self.header = parsed(f"{path}: {found}", archive.read(found), Header)
            reductions = archive.read("reductions.json") if "reductions.json" in names else b"[]"
            self.reductions = parsed(f"{path}: reductions.json", reductions, list[Reduction])

    def samples(self) -> Iterator[list[tuple[str, SampleLog]]]:
        """The epochs of every sample, in the order in which the first ones stand."""
        with Archive(self.path) as archive:
            members: dict[str, list[str]] = {}
            for name in archive.names:
                if match := _MEMBER.fullmatch(name):
                    members.setdefault(match[1], []).append(name)
            for names in members.values():
                places = [f"{self.path}: {name!r:.200}" for name in names]
                yield [
                    (place, parsed(place, archive.read(name), SampleLog))
                    for place, name in zip(places, names, strict=True)
                ]


class Single:
    """A `.json` file: all in one value."""

    def __init__(self, path: Path) -> None:
        self.path = path
        whole = parsed(str(path), _text(path), Whole)
        self.header: Header = whole
        self.reductions = whole.reductions or []
        self._samples = whole.samples or []

    def samples(self) -> Iterator[list[tuple[str, SampleLog]]]:
        """The epochs of every sample, in the order in which the first ones stand."""
        yield from _grouped(self.path, self._samples)


class Installed:
    """A log as inspect_ai reads it. Only archives are read sample by sample, as with our own reader."""

    def __init__(self, path: Path) -> None:
        if not has_library():
            raise UsageError("inspect_ai is not installed", hint="pip install inspect-ai, or leave --reader out")
        self.path, self._single = path, path.suffix == ".json"
        _check(path, single=self._single)
        log = self._read("read_eval_log", header_only=not self._single)
        whole = parsed(f"{path}: header", self._written(log), Whole)
        self.header: Header = whole
        self.reductions = whole.reductions or []
        self._samples = whole.samples or []

    def samples(self) -> Iterator[list[tuple[str, SampleLog]]]:
        """The epochs of every sample, in the order in which the first ones stand."""
        if self._single:
            yield from _grouped(self.path, self._samples)
            return
        epochs: dict[int | str, list[int]] = {}
        for summary in self._read("read_eval_log_sample_summaries"):
            epochs.setdefault(summary.id, []).append(summary.epoch)
        samples = iter(epochs.items())
        while part := list(islice(samples, _TOGETHER)):
            found = self._found([(name, number) for name, numbers in part for number in numbers])
            for name, numbers in part:
                there = [self._placed(found[name, number]) for number in numbers if (name, number) in found]
                if there:
                    yield there

    def _found(self, wanted: list[tuple[int | str, int]]) -> dict[tuple[int | str, int], Any]:
        """The samples of the log. That of a killed run may announce some that it lacks."""
        try:
            return dict(zip(wanted, self._read("read_eval_log_samples_by_id", wanted, concurrency=1), strict=True))
        except DataError as error:
            if not isinstance(error.__cause__, IndexError):
                raise
        if len(wanted) == 1:
            return {}
        return {name: sample for each in wanted for name, sample in self._found([each]).items()}

    def _placed(self, sample: Any) -> tuple[str, SampleLog]:
        place = f"{self.path}: sample {sample.id!r:.200}, epoch {sample.epoch}"
        return place, parsed(place, self._written(sample), SampleLog)

    def _read(self, function: str, *arguments: Any, **options: Any) -> Any:
        def read() -> Any:
            library = import_module("inspect_ai.log")
            return getattr(library, function)(str(self.path.absolute()), *arguments, **options)

        return self._guarded(read)

    def _written(self, model: Any) -> bytes:
        text: str = self._guarded(lambda: model.model_dump_json(exclude_none=True, fallback=lambda _: None))
        return text.encode()

    def _guarded(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except Exception as error:  # whatever the library raises
            reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            raise DataError(
                f"{self.path}: inspect_ai cannot read it: {reason:.500}",
                hint="`--reader own` reads it without that library",
            ) from error


def _grouped(path: Path, samples: list[SampleLog]) -> Iterator[list[tuple[str, SampleLog]]]:
    groups: dict[int | str, list[tuple[str, SampleLog]]] = {}
    for number, sample in enumerate(samples):
        groups.setdefault(sample.id, []).append((f"{path}: samples[{number}]", sample))
    yield from groups.values()


def _check(path: Path, *, single: bool) -> None:
    """Refuse, before the library opens it, a file with more in it than is said or allowed."""
    if single:
        _text(path)
        return
    with Archive(path) as archive:
        for name in archive.names:
            archive.read(name)


def _text(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_DOCUMENT + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(text) > MAX_DOCUMENT:
        raise DataError(
            f"{path}: over {MAX_DOCUMENT:,} bytes, and all of it is one JSON value",
            hint="`inspect log convert --to eval` makes an archive of it, which may be of any size",
        )
    return text
