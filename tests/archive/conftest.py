from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.archives import archived, store_runs
from themis_vcs.archive.create import Made
from themis_vcs.store.repository import Repository


class Shelved(NamedTuple):
    """A store, and an archive of all of it in both forms. Tests only read them."""

    repository: Repository
    folder: Path
    file: Path
    made: Made


@pytest.fixture(scope="session")
def shelved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelved]:
    directory = tmp_path_factory.mktemp("shelf")
    with Repository.init(directory / "store") as repository:
        store_runs(repository)
        made = archived(repository, directory / "sums")
        archived(repository, directory / "sums.zip")
        yield Shelved(repository, directory / "sums", directory / "sums.zip", made)


@pytest.fixture(params=["folder", "zip"])
def path(request: pytest.FixtureRequest, shelved: Shelved) -> Path:
    """The archive in one of the forms."""
    return shelved.folder if request.param == "folder" else shelved.file
