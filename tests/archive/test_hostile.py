"""Archives from strangers, in a directory: nothing is read outside of it, and nothing is taken whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archive.conftest import Shelved
from tests.archive.test_archive import rebagged
from themis_vcs.archive import bag, layout
from themis_vcs.archive.layout import is_name
from themis_vcs.archive.members import held, open_members
from themis_vcs.archive.opening import describe, source
from themis_vcs.archive.verify import verify
from themis_vcs.errors import Corrupt, ThemisError

DIGEST = "0" * 128


@pytest.fixture
def copy(shelved: Shelved, tmp_path: Path) -> Path:
    return shutil.copytree(shelved.folder, tmp_path / "copy")


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "/a", "a/", "a//b", "../a", "a/../b", "a/..", "./a", ".a", "a/.b", "a.", "a./b", "-a", "a b",
        "a\\b",
        "a\nb", "a\n", "a\x00b", "C:a", "~a", "a%2e", "é", "a" * 256,
    ],
)  # fmt: skip
def test_a_name_that_could_lead_elsewhere_is_none(name: str) -> None:  # ARCHIVE-1
    assert not is_name(name)
    with pytest.raises(Corrupt):
        bag.read_manifest(f"{DIGEST}  {name}\n".encode(), "manifest")


@pytest.mark.parametrize(
    "text",
    [
        f"{DIGEST} a\n",
        f"{DIGEST}  a",
        f"{DIGEST[1:]}  a\n",
        f"{DIGEST.replace('0', 'A')}  a\n",
        f"{DIGEST}  a\r\n",
        f"{DIGEST}  a\n{DIGEST}  a\n",
        f"{DIGEST}  b\n{DIGEST}  a\n",
        f"\n{DIGEST}  a\n",
        f"{DIGEST}  ä\n",
    ],
)
def test_a_manifest_has_one_spelling(text: str) -> None:  # ARCHIVE-2
    with pytest.raises(Corrupt):
        bag.read_manifest(text.encode(), "manifest")


def linked_file(folder: Path) -> None:
    (folder / "data/README.txt").unlink()
    (folder / "data/README.txt").symlink_to("/etc/passwd")


def linked_bundle(folder: Path) -> None:
    moved = folder.with_name("moved.bundle")
    (folder / "data/runs.bundle").rename(moved)
    (folder / "data/runs.bundle").symlink_to(moved)


def linked_directory(folder: Path) -> None:
    (folder / "data/format").rename(folder.with_name("format"))
    (folder / "data/format").symlink_to(folder.with_name("format"))


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "data/pipe")


def hidden(folder: Path) -> None:
    (folder / "data/.hidden").write_text("x")


@pytest.mark.parametrize("change", [linked_file, linked_bundle, linked_directory, pipe, hidden])
def test_what_is_no_plain_file_is_refused(change: Callable[[Path], None], copy: Path) -> None:
    change(copy)
    for read in (verify, source, describe):
        with pytest.raises(Corrupt):
            read(copy)


@pytest.mark.parametrize("name", ["bagit.txt", "bag-info.txt", "manifest-sha512.txt", "data/ro-crate-metadata.json"])
def test_a_file_that_is_held_whole_is_bounded(name: str, copy: Path) -> None:  # ARCHIVE-3
    with (copy / name).open("r+b") as file:
        file.truncate(layout.MAX_HELD + 1)
    with pytest.raises(Corrupt, match="over the limit"):
        held(open_members(copy), name)
    assert name in {each.file for each in verify(copy).problems}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no colon\n",
        "Themis-Archive-Version: \n",
        "Themis-Archive-Version: 0\n",
        f"Themis-Archive-Version: {'9' * 5000}\n",
    ],
)
def test_facts_of_any_shape_are_refused_in_our_words(text: str) -> None:
    with pytest.raises(Corrupt):
        bag.read_info(text.encode())


CRATES = [
    b"", b"[]", b"null", b'{"@graph": 1}', b'{"@graph": [1]}', b'{"@graph": [{}]}', b'{"@graph": [{"@id": []}]}',
    b'{"@graph": [{"@id": "./", "hasPart": 7, "conformsTo": [[]], "author": {"@id": {}}, "name": []}]}',
    b'{"@graph": [{"@id": "./", "hasPart": [{"@id": "../../etc/passwd"}], "license": {"@id": "x"}}]}',
    b"{" * 200_000, b'{"@graph": [{"@id": "\xff"}]}', b'{"@graph": [{"@id": "./", "name": "\\u001b[31m"}]}',
]  # fmt: skip


@pytest.mark.parametrize("data", CRATES)
def test_metadata_of_any_shape_is_refused_in_our_words(data: bytes, copy: Path) -> None:
    (copy / "data/ro-crate-metadata.json").write_bytes(data)
    rebagged(copy)
    assert {each.file for each in verify(copy).problems} == {"data/ro-crate-metadata.json"}
    try:
        describe(copy)
    except ThemisError as error:
        assert "crate" in error.message
