"""A proxy before an HTTP server: counts what passes, and loses, doubles, replaces or refuses what a test says."""

from __future__ import annotations

import http.client
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

PASS: Final = "pass"
DROP: Final = "the answer is lost"
FAIL: Final = "the answer is a 500"
TWICE: Final = "the request comes twice"
CUT: Final = "the request is lost"
FAULTS: Final = (DROP, FAIL, TWICE, CUT)

_ERROR: Final = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


class Request(NamedTuple):
    """What passed: bytes are those of the bodies."""

    method: str
    path: str
    sent: int
    received: int


class Proxy(socketserver.ThreadingTCPServer):
    """`fault` says what becomes of the n-th request (from 0) since `requests` was last emptied."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, upstream: str, strip: frozenset[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        host, _, port = upstream.removeprefix("http://").partition(":")
        self.upstream, self.strip = (host, int(port)), strip
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.lock = threading.Lock()
        self.requests: list[Request] = []
        self.begun = 0
        self.fault: Callable[[int], str] = lambda number: PASS

    def begin(self, fault: Callable[[int], str] = lambda number: PASS) -> None:
        """Count from 0 again."""
        with self.lock:
            self.requests, self.begun, self.fault = [], 0, fault


class _Handler(socketserver.StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        with suppress(ConnectionError):
            while line := self.rfile.readline():
                if not self._one(line):
                    return

    def _one(self, line: bytes) -> bool:
        head, size = line, 0
        while (header := self.rfile.readline()) not in (b"\r\n", b""):
            name, _, value = header.decode("latin-1").partition(":")
            if name.lower() == "content-length":
                size = int(value)
            if name.lower() not in self.server.strip:
                head += header
        message = head + b"\r\n" + self.rfile.read(size)
        method, path, _ = line.decode("latin-1").split(" ", 2)
        with self.server.lock:
            number, self.server.begun = self.server.begun, self.server.begun + 1
            fault = self.server.fault(number)
        if fault == CUT:
            return False
        answer, received = self._forward(method, message)
        if fault == TWICE:
            answer, received = self._forward(method, message)
        with self.server.lock:
            self.server.requests.append(Request(method, path, size, received))
        if fault == DROP:
            return False
        self.wfile.write(_ERROR if fault == FAIL else answer)
        return True

    def _forward(self, method: str, message: bytes) -> tuple[bytes, int]:
        with socket.create_connection(self.server.upstream) as upstream:
            upstream.sendall(message)
            with http.client.HTTPResponse(upstream, method=method) as answer:
                answer.begin()
                body = answer.read()
                headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
                if method != "HEAD":
                    headers = [each for each in headers if each[0].lower() != "content-length"]
                    headers.append(("Content-Length", str(len(body))))
                lines = [f"HTTP/1.1 {answer.status} {answer.reason}", *(f"{name}: {value}" for name, value in headers)]
                return "\r\n".join([*lines, "", ""]).encode("latin-1") + body, len(body)


_HOP: Final = frozenset({"connection", "transfer-encoding", "keep-alive"})


@contextmanager
def proxy(upstream: str, strip: frozenset[str] = frozenset()) -> Iterator[Proxy]:
    """A proxy on a free port for as long as the block lasts; headers in `strip` do not pass."""
    with Proxy(upstream, strip) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
