"""Listening, and stopping when told to: `themis serve` without the command line."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, cast

from uvicorn import Config
from uvicorn.server import ServerState

from themis_vcs.errors import UsageError
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.http import tokens
from themis_vcs.transfer.http.access import Access, Open, is_loopback
from themis_vcs.transfer.http.app import App, Served
from themis_vcs.transfer.http.connection import Connection
from themis_vcs.transfer.http.limits import Limits
from themis_vcs.transfer.service import Service

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_LOOK: Final = 0.05


class Listening(NamedTuple):
    """Where a server answers, and who needs no token."""

    url: str
    open_to: Open


class Server:
    """Serves a repository at an address; port 0 is any that is free. `certificate` and its key make it HTTPS.

    UsageError if the address is not that of this machine and there is no token or no certificate, unless `insecure`.
    """

    def __init__(
        self,
        repository: Repository,
        host: str,
        port: int,
        *,
        writable: bool = True,
        certificate: tuple[Path, Path] | None = None,
        insecure: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self._repository, self._host, self._port = repository, host, port
        self._writable, self._limits = writable, limits or Limits()
        self._tls = None if certificate is None else _context(*certificate)
        self._open_to = self._opened(insecure)

    def run(self, listening: Callable[[Listening], object], log: Callable[[Served], object]) -> None:
        """Serve until SIGINT or SIGTERM; then requests in flight get `Limits.stop` seconds to finish.

        Tells `listening` when connections are accepted. UsageError if the address cannot be had.
        """
        asyncio.run(self._serve(listening, log))

    async def _serve(self, listening: Callable[[Listening], object], log: Callable[[Served], object]) -> None:
        access = Access(self._repository, self._open_to, writable=self._writable)
        app = App(Service(self._repository, writable=self._writable), access, self._limits, log)
        state = ServerState()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, stop.set)
        try:
            server = await self._listen(app, state)
            listening(Listening(self._url(server), self._open_to))
            await stop.wait()
            server.close()
            await self._finish(state)
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)
            app.close()

    async def _listen(self, app: App, state: ServerState) -> asyncio.Server:
        # The messages of uvicorn are about what is told here, or about what clients do wrong.
        logging.getLogger("uvicorn").addHandler(logging.NullHandler())
        logging.getLogger("uvicorn").propagate = False
        config = Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=int(self._limits.idle) + 1,
        )
        config.load()
        state.default_headers = []
        try:
            return await asyncio.get_running_loop().create_server(
                lambda: Connection(config, state, self._limits),
                self._host,
                self._port,
                ssl=self._tls,
                ssl_handshake_timeout=None if self._tls is None else self._limits.head,
                ssl_shutdown_timeout=None if self._tls is None else self._limits.stall,
            )
        except OSError as error:
            where = f"{self._host}:{self._port}"
            raise UsageError(
                f"cannot listen at {where}: {error.strerror}", hint="--port 0 takes any free port"
            ) from error

    def _url(self, server: asyncio.Server) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http{'' if self._tls is None else 's'}://{host}:{server.sockets[0].getsockname()[1]}"

    async def _finish(self, state: ServerState) -> None:
        connections = cast(set[Connection], state.connections)
        for connection in list(connections):
            connection.shutdown()
        end = time.monotonic() + self._limits.stop
        while connections and time.monotonic() < end:
            await asyncio.sleep(_LOOK)
        for connection in list(connections):
            connection.transport.abort()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=self._limits.stop)

    def _opened(self, insecure: bool) -> Open:
        has_token, here = bool(tokens.tokens(self._repository)), is_loopback(self._host)
        if not (here or insecure or (has_token and self._tls is not None)):
            lacking = [*([] if has_token else ["a token"]), *([] if self._tls else ["a certificate"])]
            raise UsageError(
                f"{self._host} can be reached by others: that takes {' and '.join(lacking)}",
                hint="`themis serve token create NAME --scope read`, --cert FILE and --key FILE; or --insecure",
            )
        if has_token:
            return "nobody"
        return "this machine" if here else "everybody"


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"certificate {certificate} with key {key} cannot be used: {reason}", hint="both are files in PEM"
        ) from error
    return context
