"""Whether an archive is sound (ARCHIVE-14): the bag, the crate, the bundle, and that the text says what the bundle has.

It comes from a stranger: every name was checked when it was opened, nothing is unpacked, and sizes are bounded.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from themis_vcs.archive import bag
from themis_vcs.archive.crate import PROFILE
from themis_vcs.archive.layout import BUNDLE, CRATE, PAYLOAD, RUNS, STAGES, Progress, runs_of, stages_file
from themis_vcs.archive.members import Members, held, open_members
from themis_vcs.archive.opening import crate_entities, linked, object_in
from themis_vcs.errors import Corrupt, DataError, FormatError, ThemisError
from themis_vcs.handoff.stages.cursor import Placed
from themis_vcs.handoff.stages.lines import Line
from themis_vcs.handoff.stages.lines import read as read_lines
from themis_vcs.handoff.stages.read import Checked, read
from themis_vcs.model.objects import Run, load
from themis_vcs.model.oid import Oid
from themis_vcs.pipeline.garbage import collected_seldom
from themis_vcs.transfer import bundling
from themis_vcs.transfer.bundle import Bundle

T = TypeVar("T")
_CHUNK: Final = 1 << 20
_TOLD: Final = 1_000


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with a file of an archive."""

    file: str
    problem: str


class Verified(msgspec.Struct, frozen=True):
    """What was looked at, and what is wrong; `runs` are oids of runs by label, as far as they could be read."""

    files: int
    size: int
    objects: int
    runs: dict[str, str]
    problems: list[Problem]


def verify(path: Path, progress: Progress = lambda _: None) -> Verified:
    """Go through all of an archive. What is wrong with its files is told all together.

    NotFound if there is none, DataError for something else; Corrupt for a zip file whose headers are damaged, or a
    directory with what no archive has; FormatError for a newer version.
    """
    members = open_members(path)
    try:
        with collected_seldom():
            return _Verifying(members, progress).whole()
    finally:
        members.close()


class _Verifying:
    """An archive that is gone through; `_problems` has one for each file that is not sound."""

    def __init__(self, members: Members, progress: Progress) -> None:
        self._members, self._progress = members, progress
        self._problems: dict[str, str] = {}

    def whole(self) -> Verified:
        tags = {name for name in (*self._members.sizes, *bag.TAG_FILES) if not name.startswith(PAYLOAD)}
        self._listed(bag.TAG_MANIFEST, tags - {bag.TAG_MANIFEST})
        self._tag_files()
        payload = {name for name in self._members.sizes if name.startswith(PAYLOAD)}
        self._listed(bag.MANIFEST, payload)
        if not any(name.startswith(PAYLOAD) for name in self._problems):
            self._guarded(bag.INFO, self._oxum)
        self._guarded(CRATE, self._crate)
        objects, runs = self._guarded(BUNDLE, self._bundle) or (0, {})
        return Verified(
            files=len(self._members.sizes),
            size=sum(self._members.sizes.values()),
            objects=objects,
            runs={label: oid.hex() for label, oid in runs.items()},
            problems=[Problem(name, self._problems[name]) for name in sorted(self._problems)],
        )

    def _problem(self, name: str, what: str) -> None:
        self._problems.setdefault(name, what)

    def _guarded(self, name: str, body: Callable[[], T]) -> T | None:
        """Return what `body` makes of a file, unless that is damaged already or turns out to be."""
        if name in self._problems:
            return None
        try:
            return body()
        except FormatError:
            raise
        except ThemisError as error:
            place = re.match(rf"{re.escape(name)}(?::(\d+))?:? ", error.message)
            line = f"line {place[1]}: " if place and place[1] else ""
            self._problem(name, line + error.message[place.end() if place else 0 :])
            return None

    def _listed(self, manifest: str, found: set[str]) -> None:
        """Check that the files which a manifest has are those that were found, and have the digests that it states."""
        said = self._guarded(manifest, lambda: bag.read_manifest(held(self._members, manifest), manifest))
        if said is None:
            return
        for name in said.keys() - self._members.sizes.keys():
            self._problem(name, f"is missing; {manifest} has it")
        for name in found - said.keys():
            self._problem(name, f"is not in {manifest}" if name in self._members.sizes else "is missing")
        for name in sorted(found & said.keys() & self._members.sizes.keys()):
            self._progress(name)
            if self._guarded(name, partial(self._digest, name)) not in (said[name], None):
                self._problem(name, f"its SHA-512 is not what {manifest} says")

    def _digest(self, name: str) -> str:
        digest, crc = hashlib.sha512(), 0
        with self._members.open(name) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                crc = zlib.crc32(chunk, crc)
        if not self._members.fits(name, crc):
            raise Corrupt(f"its CRC-32 in the zip file is not that of the data, {crc:08x}")
        return digest.hexdigest()

    def _tag_files(self) -> None:
        if bag.FETCH in self._members.sizes:
            self._problem(bag.FETCH, "an archive has all of its files, and fetches none")
        self._guarded(bag.DECLARATION, self._declaration)
        self._guarded(bag.INFO, lambda: bag.read_info(held(self._members, bag.INFO)))

    def _declaration(self) -> None:
        if held(self._members, bag.DECLARATION) != bag.DECLARED:
            raise Corrupt("this does not declare a bag of version 1.0 in UTF-8")

    def _oxum(self) -> None:
        said, found = bag.oxum(bag.read_info(held(self._members, bag.INFO))), bag.expected_oxum(self._members.sizes)
        if said != found:
            raise Corrupt(f"Payload-Oxum is {said or 'missing'} where the payload has {found}")

    def _crate(self) -> None:
        """Check that the crate is of the profile, and names what is there (ARCHIVE-9)."""
        entities = crate_entities(held(self._members, CRATE))
        root: dict[str, Any] = entities.get("./", {})
        if PROFILE not in linked(root.get("conformsTo")):
            raise Corrupt(f"the root of the crate does not conform to {PROFILE}")
        named = {PAYLOAD + each for each in linked(root.get("hasPart"))}
        there = {name for name in self._members.sizes if name.startswith(PAYLOAD)} - {CRATE}
        # What is missing or too much by the manifest is a problem of its own already.
        for name in sorted((named ^ there) - self._problems.keys()):
            raise Corrupt(f"the crate {'names' if name in named else 'does not name'} {name}")

    def _bundle(self) -> tuple[int, dict[str, Oid]]:
        """Check the bundle, and then each text against the run in it. Return the number of objects, and the runs."""
        if BUNDLE not in self._members.sizes:
            raise Corrupt("is missing")
        self._progress(BUNDLE)
        with self._members.open(BUNDLE) as file:
            bundle = Bundle([file], BUNDLE)
            if bundle.needs:
                raise DataError("it builds on runs that are not in it, which that of an archive does not")
            objects = bundling.verify(bundle).objects
            runs = runs_of(bundle.refs(), partial(object_in, bundle))
            texts = {stages_file(label): oid for label, oid in runs.items()}
            for name in self._members.sizes:
                if name.startswith(RUNS) and name.endswith(f"/{STAGES}") and name not in texts:
                    self._problem(name, f"is of no run that {BUNDLE} has")
            for name, oid in texts.items():
                (item,) = bundle.objects([oid])
                self._guarded(name, partial(self._text, name, load(item.payload, Run)))
        return objects, runs

    def _text(self, name: str, run: Run) -> None:
        """Check that the lines of a file make the run that the bundle has (ARCHIVE-8)."""
        if name not in self._members.sizes:
            raise Corrupt("is missing")
        with self._members.open(name) as file:
            arrived = read(self._told(name, read_lines(file, name)), Checked())
        if arrived.run != msgspec.structs.replace(run, parents=[]):
            raise Corrupt(f"it is whole, but not of the run that {BUNDLE} has")

    def _told(self, name: str, lines: Iterator[Placed[Line]]) -> Iterator[Placed[Line]]:
        for number, line in enumerate(lines):
            if number % _TOLD == 0:
                self._progress(f"{name}, line {number:,}")
            yield line
