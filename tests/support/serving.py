"""Servers as processes of their own, for as long as a block lasts.

`python -m tests.support.serving STORE LIMITS` serves with other limits, given in JSON, and prints its URL.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec
import trustme

from tests.support.commandline import COMMAND, environment
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.http import tokens
from themis_vcs.transfer.http.limits import Limits
from themis_vcs.transfer.http.server import Server
from themis_vcs.transfer.http.tokens import Scope

WAIT = 60.0


class Serving:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[str], url: str, store: Path, log: IO[str]) -> None:
        self.process, self.url, self.store = process, url, store
        self._log = log

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.url.rpartition("/")[2].rpartition(":")
        return host, int(port)

    @property
    def log(self) -> str:
        """What it has written to stderr."""
        self._log.seek(0)
        return self._log.read()

    def memory(self) -> dict[str, int]:
        """Bytes of memory: at most, and of its own at the moment, without files that are mapped."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return {key: int(re.findall(rf"{key}:\s+(\d+) kB", text)[0]) << 10 for key in ("VmHWM", "RssAnon")}

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal, and return its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
            try:
                self.process.wait(WAIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        return self.process.returncode


@contextmanager
def serving(store: Path, *arguments: str, limits: dict[str, Any] | None = None, **environ: str) -> Iterator[Serving]:
    """`themis serve` at a free port of this machine; with `limits`, the server alone, which takes no arguments."""
    command = [COMMAND, "--store", str(store), "serve", "--port", "0", "--json", *arguments]
    if limits is not None:
        command = [sys.executable, "-m", "tests.support.serving", str(store), json.dumps(limits)]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env={**environment(), **environ}
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            process.wait()
            log.seek(0)
            raise AssertionError(log.read())
        server = Serving(process, json.loads(line)["url"], store, log)
        try:
            yield server
        finally:
            server.stop()


def new_token(store: Path, scope: Scope = "write", name: str = "test") -> str:
    """Make a token for a store."""
    with Repository.open(store) as repository:
        return tokens.create(repository, name, scope)


class Certificate(NamedTuple):
    """A certificate for this machine, its key, and what has to be trusted for it: files in PEM."""

    chain: Path
    key: Path
    ca: Path


def certificate(directory: Path, *, days: int = 1) -> Certificate:
    """Make a certificate that ends in so many days, or has ended."""
    issuer = trustme.CA()
    made = issuer.issue_cert("127.0.0.1", "localhost", not_after=datetime.now(UTC) + timedelta(days=days))
    files = Certificate(directory / "server.pem", directory / "server.key", directory / "ca.pem")
    made.private_key_pem.write_to_path(str(files.key))
    for blob in made.cert_chain_pems:
        blob.write_to_path(str(files.chain), append=True)
    issuer.cert_pem.write_to_path(str(files.ca))
    return files


def main(store: Path, limits: dict[str, Any]) -> None:
    """Serve with limits until a signal."""
    with Repository.open(store) as repository:
        server = Server(repository, "127.0.0.1", 0, limits=msgspec.convert(limits, Limits))
        server.run(lambda listening: print(json.dumps({"url": listening.url}), flush=True), lambda served: None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
