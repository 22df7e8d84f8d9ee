"""Endpoints of every kind, each with a function that opens it: call it twice for two clients."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.support.serving import serving
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.endpoint import Endpoint
from themis_vcs.transfer.http.client import open_http
from themis_vcs.transfer.pipe import Pipe
from themis_vcs.transfer.storeend import StoreEndpoint
from themis_vcs.transfer.wireend import WireEndpoint

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


ENDPOINTS: dict[str, Callable[[Path], AbstractContextManager[Opened]]] = {
    "http": http,
    "memory": memory,
    "path": path,
    "pipe": pipe,
}
