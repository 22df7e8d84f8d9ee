"""Archives that lie on a shelf and are damaged: every flipped bit and every cut that changes what is read is found, and
the file that it is in is named; nothing else is.

The full dose (THEMIS_FAULTS=full) is 1,000 flips and 200 cuts in each form.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.archives import archived, store_runs
from tests.support.killing import FULL, Tally
from themis_vcs.archive.members import open_members
from themis_vcs.archive.opening import source
from themis_vcs.archive.verify import verify
from themis_vcs.errors import Corrupt, ThemisError
from themis_vcs.model.oid import Oid
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer

FLIPS = 1_000 if FULL else 60
CUTS = 200 if FULL else 20
SEED = os.environ.get("THEMIS_SEED", "1")
TAG_MANIFEST = "tagmanifest-sha512.txt"


class Shelf(NamedTuple):
    """An archive in both forms, and the refs that restoring it gives."""

    folder: Path
    file: Path
    refs: dict[str, Oid]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    directory = tmp_path_factory.mktemp("shelf")
    with Repository.memory() as repository:
        store_runs(repository, 3)
        archived(repository, directory / "sums")
        archived(repository, directory / "sums.zip")
        refs = {name: oid for prefix in ("names/", "tags/") for name, oid in repository.refs(prefix)}
    yield Shelf(directory / "sums", directory / "sums.zip", refs)


def changed(data: bytes, draw: random.Random, *, cut: bool) -> bytes:
    """The bytes with one bit flipped, or without their end."""
    if cut:
        return data[: draw.randrange(len(data))]
    made, place = bytearray(data), draw.randrange(len(data))
    made[place] ^= 1 << draw.randrange(8)
    return bytes(made)


def contents(path: Path) -> dict[str, str]:
    """What every file of an archive hashes to, as it is read."""
    members = open_members(path)
    found = {}
    for name in members.sizes:
        with members.open(name) as file:
            found[name] = hashlib.sha512(file.read()).hexdigest()
    members.close()
    return found


def restored(path: Path, shelf: Shelf) -> list[str]:
    """What is wrong with restoring from a damaged archive: it must be refused, or give the same."""
    try:
        bundle = source(path)
    except ThemisError:
        return []
    with Repository.memory() as repository:
        try:
            updates = [RefUpdate(name, oid, None) for name, oid in bundle.refs().items()]
            transfer(bundle, StoreEndpoint(repository), updates, message="restore")
        except ThemisError:
            return [] if not list(repository.refs()) else ["a ref moved although something was refused"]
        finally:
            bundle.close()
        found = {name: oid for prefix in ("names/", "tags/") for name, oid in repository.refs(prefix)}
    return [] if found == shelf.refs else [f"restored {sorted(found)}, other than what was archived"]


@pytest.mark.parametrize("cut", [False, True], ids=["flips", "cuts"])
def test_damage_in_a_directory_is_found_and_its_file_named(cut: bool, shelf: Shelf) -> None:
    draw, tally = random.Random(SEED), Tally(f"an archive in a directory, {'cut' if cut else 'with a flipped bit'}")
    files = sorted(each for each in shelf.folder.rglob("*") if each.is_file())
    for number in range(CUTS if cut else FLIPS):
        # Half of the damage where most bytes are, half in any file: the small ones matter as much.
        sizes = [each.stat().st_size for each in files]
        (file,) = draw.choices(files, sizes) if number % 2 else (draw.choice(files),)
        name, whole = file.relative_to(shelf.folder).as_posix(), file.read_bytes()
        try:
            file.write_bytes(changed(whole, draw, cut=cut))
            problems = {each.file: each.problem for each in verify(shelf.folder).problems}
            named = name in problems or (name == TAG_MANIFEST and any(name in said for said in problems.values()))
            wrong = [] if named else [f"damage of {name} was not found: {problems}"]
            # A manifest that is damaged says nothing of others; what it cannot vouch for is not called damaged.
            others = problems.keys() - {name} if named and name != TAG_MANIFEST else set()
            wrong += [f"{other} was called damaged, and is not" for other in others]
            wrong += restored(shelf.folder, shelf) if number % 4 == 0 else []
            tally.add(f"{number} {name}", wrong, "found")
        except ThemisError as error:
            tally.add(f"{number} {name}", [f"{type(error).__name__}: {error}"])
        finally:
            file.write_bytes(whole)
    assert verify(shelf.folder).problems == []
    text = tally.report()
    assert tally.failures == [], text


@pytest.mark.parametrize("cut", [False, True], ids=["flips", "cuts"])
def test_damage_in_a_zip_file_is_found(cut: bool, shelf: Shelf, tmp_path: Path) -> None:
    draw, tally = random.Random(SEED), Tally(f"an archive in a zip file, {'cut' if cut else 'with a flipped bit'}")
    whole, sound = shelf.file.read_bytes(), contents(shelf.file)
    path = tmp_path / "damaged.zip"
    for number in range(CUTS if cut else FLIPS):
        data = changed(whole, draw, cut=cut)
        path.write_bytes(data)
        wrong = restored(path, shelf) if number % 4 == 0 else []
        try:
            problems = verify(path).problems
        except Corrupt as error:
            tally.add(str(number), wrong + ([] if "damaged.zip" in error.message else [error.message]), "in a header")
            continue
        if not problems and contents(path) != sound:
            wrong.append("damage that changes what is read was not found")
        tally.add(str(number), wrong, "in a file" if problems else "that changes nothing")
    text = tally.report()
    assert tally.failures == [], text
    assert tally.counts["that changes nothing"] <= 0.01 * tally.tried, text
