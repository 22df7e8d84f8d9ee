"""What lies where a bundle is looked for, and is none: it is refused at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bundles import whole_bundle
from tests.support.commandline import Project
from themis_vcs.errors import MalformedPack, NotFound, StorageError
from themis_vcs.transfer.bundle import open_bundle

PARTS = whole_bundle().parts(split=True)


def second_part(path: Path) -> Path:
    path.with_name("x.bundle.002").write_bytes(PARTS[1])
    return path.with_name("x.bundle.002")


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


MADE: dict[str, Callable[[Path], object]] = {
    "a directory": Path.mkdir,
    "a FIFO": os.mkfifo,
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to a FIFO": lambda path: (os.mkfifo(path.with_name("fifo")), path.symlink_to("fifo")),
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "an empty file": Path.touch,
    "a hole of 1 TiB": sparse,
    "part 2 alone": second_part,
}


@pytest.mark.parametrize("name", MADE)
def test_what_is_no_bundle_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.bundle"
    made = MADE[name](path)
    with pytest.raises((NotFound, StorageError, MalformedPack), match="x.bundle"):
        open_bundle(made if isinstance(made, Path) else path)


@pytest.mark.parametrize("part", [False, True])
def test_the_command_does_not_wait_for_it(part: bool, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.bundle")
    done = Project(tmp_path)("bundle", "verify", *(["--part"] if part else []), "x.bundle")
    assert (done.status, done.out) == (1, "")
    assert "x.bundle" in done.err
