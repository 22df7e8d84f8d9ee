"""Endpoints of every kind, each with a function that opens it: call it twice for two clients."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.support.buckets import moto, opener, seaweedfs
from tests.support.commandline import COMMAND
from tests.support.serving import serving
from tests.support.sshd import SSHD, sshd
from themis_vcs.store.address import parse
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.endpoint import Endpoint
from themis_vcs.transfer.http.client import open_http
from themis_vcs.transfer.pipe import Pipe
from themis_vcs.transfer.remotes import connect, named
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.wire_endpoint import WireEndpoint

Opened = Callable[[], Endpoint]


@contextmanager
def memory(_: Path) -> Iterator[Opened]:
    """A store in memory. Its clients share it, so closing one does nothing."""

    class Shared(StoreEndpoint):
        def close(self) -> None:
            pass

    repository = Repository.memory()
    yield lambda: Shared(repository)


@contextmanager
def path(directory: Path) -> Iterator[Opened]:
    """A store on this machine."""
    Repository.init(directory).close()
    yield lambda: StoreEndpoint(Repository.open(directory), str(directory))


@contextmanager
def pipe(directory: Path) -> Iterator[Opened]:
    """A store behind a process of its own."""
    Repository.init(directory).close()
    command = [sys.executable, "-m", "themis_vcs.transfer.stdio", str(directory)]
    yield lambda: WireEndpoint(Pipe(command, "there"))


@contextmanager
def http(directory: Path) -> Iterator[Opened]:
    """A store that is served over HTTP."""
    Repository.init(directory).close()
    with serving(directory) as server:
        yield lambda: open_http(server.url)


@contextmanager
def bucket_moto(_: Path) -> Iterator[Opened]:
    """A bucket of a server in memory."""
    yield opener(moto().url)


@contextmanager
def bucket_seaweedfs(directory: Path) -> Iterator[Opened]:
    """A bucket of a server with disks, with indexes kept here."""
    yield opener(seaweedfs().url, cache=directory / "indexes")


@contextmanager
def ssh(directory: Path) -> Iterator[Opened]:
    """A store at the other end of ssh."""
    if SSHD is None:
        pytest.skip("sshd is not installed (Debian: apt-get install openssh-server)")
    Repository.init(directory).close()
    with sshd(directory.with_name("sshd")) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("THEMIS_SSH_COMMAND", server.command)
        address = parse(f"ssh://{server.user}@{server.host}:{server.port}{directory}")
        yield lambda: connect(named("far", address, {"themis": COMMAND}))


ENDPOINTS: dict[str, Callable[[Path], AbstractContextManager[Opened]]] = {
    "memory": memory,
    "path": path,
    "pipe": pipe,
    "ssh": ssh,
    "http": http,
    "bucket-moto": bucket_moto,
    "bucket-seaweedfs": bucket_seaweedfs,
}
