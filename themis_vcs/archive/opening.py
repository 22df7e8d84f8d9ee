"""An archive that somebody gave us: what it says of itself, and the bundle in it as a source of objects."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from themis_vcs.archive import bag, zipform
from themis_vcs.archive.layout import BUNDLE, CRATE, LICENCES, runs_of
from themis_vcs.archive.members import Members, held, open_members
from themis_vcs.errors import Corrupt
from themis_vcs.model.objects import Object, load
from themis_vcs.model.oid import Oid
from themis_vcs.transfer.bundle import Bundle


def is_archive(path: Path) -> bool:
    """Say whether a path leads to what looks like an archive: a bag, or a zip file."""
    if path.is_dir():
        return (path / bag.DECLARATION).is_file()
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(zipform.MAGIC)) == zipform.MAGIC


def source(path: Path) -> Bundle:
    """Return the bundle in an archive, as a source that any transfer takes; whoever closes it closes the archive.

    Only what is read of it is checked, as with any bundle. NotFound, DataError, Corrupt, StorageError.
    """
    members = open_members(path)
    try:
        file = opened_bundle(members)
        try:
            return _Inside(members, file, f"{path}: {BUNDLE}")
        except BaseException:
            file.close()
            raise
    except BaseException:
        members.close()
        raise


class _Inside(Bundle):
    """A bundle in an archive, which it closes."""

    def __init__(self, members: Members, file: BinaryIO, name: str) -> None:
        super().__init__([file], name)
        self._members = members

    def close(self) -> None:
        super().close()
        self._members.close()


def opened_bundle(members: Members) -> BinaryIO:
    """Return the file of the bundle. Corrupt if it is missing."""
    if BUNDLE not in members.sizes:
        raise Corrupt(f"{BUNDLE} is missing", hint="get the archive again from where it comes from")
    return members.open(BUNDLE)


def object_in(bundle: Bundle, oid: Oid) -> Object:
    """Return an object of a bundle. Corrupt."""
    (item,) = bundle.objects([oid])
    return load(item.payload)


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive says of itself, without having been verified. `runs` are oids of runs by label."""

    title: str
    description: str
    date: str
    license: str
    authors: list[str]
    refs: dict[str, str]
    runs: dict[str, str]
    files: dict[str, int]


def describe(path: Path) -> Described:
    """Return what an archive says of itself. NotFound, DataError, Corrupt, StorageError."""
    members = open_members(path)
    try:
        entities = crate_entities(held(members, CRATE))
        root = entities.get("./", {})
        with opened_bundle(members) as file:
            bundle = Bundle([file], f"{path}: {BUNDLE}")
            runs = runs_of(bundle.refs(), partial(object_in, bundle))
    finally:
        members.close()
    return Described(
        title=_text(root.get("name")),
        description=_text(root.get("description")),
        date=_text(root.get("datePublished")),
        license=_text(root.get("license")).removeprefix(LICENCES),
        authors=[_text(entities.get(each, {}).get("name")) for each in linked(root.get("author"))],
        refs=bundle.head.refs,
        runs={label: oid.hex() for label, oid in runs.items()},
        files=members.sizes,
    )


def crate_entities(data: bytes) -> dict[str, dict[str, Any]]:
    """Return the entities of a crate's metadata by id. Corrupt if it is none."""
    try:
        graph = msgspec.json.decode(data, type=_Graph).graph
        return {entity["@id"]: entity for entity in graph}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, TypeError) as error:
        raise Corrupt(f"{CRATE}: this is not the metadata of a crate: {error}") from None


def linked(value: Any) -> list[str]:
    """Return the ids that a property of an entity refers to."""
    found = value if isinstance(value, list) else [value]
    return [str(each["@id"]) for each in found if isinstance(each, dict) and "@id" in each]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else next(iter(linked(value)), "")


class _Graph(msgspec.Struct):
    graph: list[dict[str, Any]] = msgspec.field(name="@graph")
