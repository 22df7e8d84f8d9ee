"""A connection to the server, with an end to the patience for whoever is slow (WIRE-11).

uvicorn parses HTTP and calls the application, but waits for ever: for a head, for a body, for a client that does not
read. Here every wait for the client has a timer, by the name of what is waited for.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from themis_vcs.errors import StoreBusy, ThemisError
from themis_vcs.transfer import messages
from themis_vcs.transfer.http.limits import BLOCK, HEAD_BYTES, Limits
from themis_vcs.transfer.http.refusal import Refused, refused
from themis_vcs.transfer.http.routes import JSON

_AT_ONCE: Final = struct.pack("ii", 1, 0)


class Connection(HttpToolsProtocol):
    """The protocol of one connection."""

    def __init__(self, config: Config, state: ServerState, limits: Limits) -> None:
        super().__init__(config, state, {})
        self._limits = limits
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._head_bytes = 0
        self._in_head = False
        self._moved = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(BLOCK)
        # Else the kernel keeps megabytes for a client that reads nothing, and it takes that long to notice.
        self._set(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, BLOCK)
        self._wait("head", self._limits.head)
        if len(self.connections) > self._limits.connections:
            self._refuse(StoreBusy("the server has too many connections", hint="try again in a moment"))

    def connection_lost(self, exc: Exception | None) -> None:
        for name in list(self._timers):
            self._done(name)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._head_bytes += len(data)
        if self._in_head and self._head_bytes > HEAD_BYTES:
            self._refuse(Refused(431, f"the head of the request is over {HEAD_BYTES:,} bytes"))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._wait("head", self._limits.head)

    def on_headers_complete(self) -> None:
        self._in_head, self._moved = False, 0
        self._done("head")
        self._wait("body", self._limits.stall)
        self._wait("request", self._limits.total)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._moved += len(body)
        if self._moved >= BLOCK:
            self._moved = 0
            self._wait("body", self._limits.stall)

    def on_message_complete(self) -> None:
        self._done("body")
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._done("body")
        self._done("request")
        # What is left in the buffer of the transport has to go in this time, too.
        self._wait("head", self._limits.idle)
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait("reading", self._limits.stall)

    def resume_writing(self) -> None:
        self._done("reading")
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._refuse(Refused(400, "this is no HTTP request"))

    def _wait(self, what: str, seconds: float) -> None:
        self._done(what)
        self._timers[what] = self.loop.call_later(seconds, self._expired, what)

    def _done(self, what: str) -> None:
        timer = self._timers.pop(what, None)
        if timer is not None:
            timer.cancel()

    def _expired(self, what: str) -> None:
        if what == "body" and self.flow.read_paused:
            self._wait("body", self._limits.stall)  # It is we who are slow.
        elif what == "body" or (what == "head" and self._in_head):
            self._refuse(Refused(408, "the request came too slowly"))
        else:
            self._drop()

    def _drop(self) -> None:
        """Close, without waiting for anybody; what the client did not read in time need not be kept by the kernel."""
        if self.transport.get_write_buffer_size():
            self._set(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    def _set(self, level: int, option: int, value: int | bytes) -> None:
        with suppress(OSError):  # The client may have closed it.
            self.transport.get_extra_info("socket").setsockopt(level, option, value)

    def _refuse(self, error: ThemisError) -> None:
        """Answer without the application, unless an answer is under way already, and close."""
        answering = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if answering or self.transport.is_closing():
            self._drop()
            return
        status, document, headers = refused(error)
        body = messages.encode(document)
        fields: dict[str, Any] = {"content-type": JSON, "content-length": len(body), **headers, "connection": "close"}
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            *(f"{name}: {text}" for name, text in fields.items()),
        ]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        self.transport.close()
        self._wait("close", self._limits.stall)
