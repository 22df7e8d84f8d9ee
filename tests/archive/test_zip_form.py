"""The one form of zip file (ARCHIVE-10 …): what hostile zip files do is a byte that is not what it must be."""

from __future__ import annotations

import io
import itertools
import struct
import subprocess
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archive.conftest import Shelved
from themis_vcs.archive import zipform
from themis_vcs.archive.create import opened_files
from themis_vcs.archive.members import Zip, held, open_members
from themis_vcs.archive.opening import describe, source
from themis_vcs.archive.verify import verify
from themis_vcs.archive.zipform import Entry
from themis_vcs.errors import Corrupt, DataError, ThemisError


def deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


def assembled(*files: tuple[str, bytes], **lies: int) -> bytes:
    """A zip file of deflated files, in our form; `lies` are fields of every entry that are not as they must be."""
    body, entries = b"", []
    for name, data in files:
        packed = deflated(data)
        entry = Entry(name, len(data), len(packed), zlib.crc32(data), len(body))._replace(**lies)
        entries.append(entry)
        body += entry.local() + packed
    central = b"".join(entry.central() for entry in entries)
    return body + central + zipform.ending(len(entries), len(body), len(central))


def opened(data: bytes) -> Zip:
    return Zip(io.BytesIO(data), "a.zip")


def test_what_is_packed_is_read_again(tmp_path: Path) -> None:
    contents = {
        "top/a.bundle": bytes(range(256)) * 9,
        "top/b.txt": b"text " * 999,
        "top/bagit.txt": b"",
        "top/c/d": b"",
    }
    for name, data in contents.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    with (tmp_path / "a.zip").open("w+b") as file:
        zipform.pack(opened_files(tmp_path / "top", "top"), file)
    members = open_members(tmp_path / "a.zip")
    for name, data in contents.items():
        short = name.removeprefix("top/")
        with members.open(short) as each:
            assert each.read() == data
        assert members.fits(short, zlib.crc32(data))
        assert not members.fits(short, 1)
    members.close()
    with zipfile.ZipFile(tmp_path / "a.zip") as judge:
        assert {name: judge.read(name) for name in judge.namelist()} == contents
        assert [each.compress_type for each in judge.infolist()] == [zipfile.ZIP_STORED, *[zipfile.ZIP_DEFLATED] * 3]


@pytest.mark.parametrize("limit", ["BIG", "FAR", "MANY"])
def test_large_files_and_many_of_them_take_zip64(
    limit: str, shelved: Shelved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the limits lowered, since the real ones take 4 GiB: zipfile and unzip find every field in its place."""
    monkeypatch.setattr(zipform, limit, 20)
    with (tmp_path / "a.zip").open("w+b") as file:
        zipform.pack(opened_files(shelved.folder, "sums"), file)
    assert verify(tmp_path / "a.zip").problems == []
    with zipfile.ZipFile(tmp_path / "a.zip") as judge:
        assert judge.testzip() is None
        assert len(judge.infolist()) == shelved.made.files
    assert subprocess.run(["unzip", "-tq", tmp_path / "a.zip"], capture_output=True, check=False).returncode == 0


def test_every_bit_of_a_header_counts(tmp_path: Path) -> None:
    data = assembled(("a/b.txt", b"some text"), ("a/bagit.txt", b"more of it"))
    members = opened(data)
    sound = {name: members.open(name).read() for name in members.sizes}
    accepted = []
    for at, bit in itertools.product(range(len(data)), range(8)):
        changed = bytearray(data)
        changed[at] ^= 1 << bit
        try:
            members = opened(bytes(changed))
            found = {name: members.open(name).read() for name in members.sizes}
            fits = all(members.fits(name, zlib.crc32(found[name])) for name in found)
        except Corrupt:
            continue
        if fits:
            accepted.append((at, bit))
            assert found == sound
    # The last byte of deflated data may have bits that say nothing.
    assert len(accepted) <= 2 * 7


def at(offset: int, data: bytes) -> Callable[[bytes], bytes]:
    return lambda whole: whole[:offset] + data + whole[offset + len(data) :]


GOOD = (("a/b", b"first"), ("a/c", b"second"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        assembled(("/etc/passwd", b"x")),
        assembled(("../a/b", b"x")),
        assembled(("a/../b", b"x")),
        assembled(("a/.hidden", b"x")),
        assembled(("a\\b", b"x")),
        assembled(("a/b\x00c", b"x")),
        assembled(("a/b ", b"x")),
        assembled(("a//b", b"x")),
        assembled(("C:/b", b"x")),
        assembled(("a/" + "b" * 300, b"x")),
        assembled(("a", b"x")),
        assembled(("a/b", b"x"), ("c/d", b"x")),
        assembled(("a/b", b"x"), ("a/b", b"y")),
        assembled(("a/c", b"x"), ("a/b", b"y")),
        b"before" + assembled(*GOOD),
        assembled(*GOOD) + b"behind",
        assembled(*GOOD)[:-1],
        assembled(*GOOD, offset=0),
        assembled(*GOOD, packed=2**31),
        struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 60_000, 60_000, 0, 0, 0),
    ],
)
def test_a_hostile_zip_file_is_refused(data: bytes) -> None:
    with pytest.raises(Corrupt):
        opened(data)


def test_a_zip_file_of_something_else_is_no_archive(tmp_path: Path) -> None:
    for data in (b"text and no zip file", assembled(("a/b", b"x"))):
        (tmp_path / "a.zip").write_bytes(data)
        with pytest.raises(DataError, match="no archive"):
            open_members(tmp_path / "a.zip")


@pytest.mark.parametrize("lies", [{"size": 4}, {"size": 6}, {"size": 2**31}])
def test_a_file_of_another_size_than_its_header_says_is_damaged(lies: dict[str, int]) -> None:  # ARCHIVE-13
    members = opened(assembled(("a/bagit.txt", b"first"), **lies))
    with pytest.raises(Corrupt, match="damaged"), members.open("bagit.txt") as file:
        file.read(2**20)


def test_what_expands_beyond_its_size_is_stopped_there() -> None:
    members = opened(assembled(("a/bagit.txt", bytes(1 << 24)), size=10))
    with pytest.raises(Corrupt, match="damaged"), members.open("bagit.txt") as file:
        file.read(1)


@pytest.mark.parametrize("name", ["data/README.txt", "data/runs.bundle"])
def test_a_checksum_that_two_headers_agree_on_must_be_right(name: str, shelved: Shelved, tmp_path: Path) -> None:
    data = bytearray(shelved.file.read_bytes())
    with shelved.file.open("rb") as file:
        entries = zipform.directory(file, "a.zip")
    entry = next(each for each in entries if each.name.endswith(name))
    lie = entry._replace(crc=entry.crc ^ 1)
    for honest, forged in ((entry.local(), lie.local()), (entry.central(), lie.central())):
        at = data.index(honest)
        data[at : at + len(honest)] = forged
    (tmp_path / "a.zip").write_bytes(data)
    (problem,) = verify(tmp_path / "a.zip").problems
    assert (problem.file, "CRC-32" in problem.problem) == (name, True)


def test_a_bomb_takes_neither_memory_nor_disk(tmp_path: Path) -> None:
    """A megabyte that expands to a gigabyte, as a tag file, as metadata and as lines of a run."""
    bomb, size = _bomb()
    entry = Entry("a/manifest-sha512.txt", size, len(bomb), 0, 0)
    body = entry.local() + bomb
    data = body + entry.central() + zipform.ending(1, len(body), len(entry.central()))
    members = opened(data)
    with pytest.raises(Corrupt, match="limit"):
        held(members, "manifest-sha512.txt")
    (tmp_path / "a.zip").write_bytes(data)
    tracemalloc.start()
    started = time.process_time()
    found = {each.file for each in verify(tmp_path / "a.zip").problems}
    assert "manifest-sha512.txt" in found
    with pytest.raises(ThemisError):
        source(tmp_path / "a.zip")
    with pytest.raises(ThemisError):
        describe(tmp_path / "a.zip")
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    assert time.process_time() - started < 20
    tracemalloc.stop()
    assert [each.name for each in tmp_path.iterdir()] == ["a.zip"]


def _bomb() -> tuple[bytes, int]:
    deflate, size = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS), 1 << 30
    return b"".join(deflate.compress(bytes(1 << 24)) for _ in range(size >> 24)) + deflate.flush(), size


def test_a_zip_file_that_another_tool_packed_is_refused_with_what_to_do(shelved: Shelved, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "again.zip", "w") as file:
        for each in sorted(shelved.folder.rglob("*")):
            file.write(each, f"sums/{each.relative_to(shelved.folder)}")
    with pytest.raises(Corrupt) as error:
        verify(tmp_path / "again.zip")
    assert "unpack it" in str(error.value.hint)
