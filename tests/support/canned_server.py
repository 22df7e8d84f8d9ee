"""An HTTP server that says exactly what a test tells it to, byte by byte, and remembers what it was asked."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any


class CannedServer(socketserver.ThreadingTCPServer):
    """`answers` are sent one per connection, in order, the last one again and again; then it is closed.

    An answer is bytes, or several that are sent one after the other with `pause` seconds after each.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, answers: list[bytes | Iterable[bytes]], pause: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.pause = answers, pause
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.stopped = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(socketserver.StreamRequestHandler):
    server: CannedServer

    def handle(self) -> None:
        line = self.rfile.readline().decode("latin-1").strip()
        headers = {}
        while header := self.rfile.readline().decode("latin-1").strip():
            name, _, value = header.partition(": ")
            headers[name.lower()] = value
        body = self.rfile.read(int(headers.get("content-length", 0)))
        self.server.requests.append((line, headers, json.loads(body) if body else None))
        answers = self.server.answers
        answer = answers[min(len(self.server.requests), len(answers)) - 1]
        with suppress(ConnectionError):
            for part in [answer] if isinstance(answer, bytes) else answer:
                self.wfile.write(part)
                self.server.stopped.wait(self.server.pause)


@contextmanager
def canned(*answers: bytes | Iterable[bytes], pause: float = 0.0) -> Iterator[CannedServer]:
    """A server on a free port for as long as the block lasts."""
    with CannedServer(list(answers), pause) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stopped.set()
            server.shutdown()
            thread.join()


def response(body: bytes | Any, status: str = "200 OK", length: int | None = None, **headers: str) -> bytes:
    """A whole response; a body that is no bytes is sent as JSON. `length` lies about its length."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"content_type": "application/json", "connection": "close", **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    size = len(data) if length is None else length
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, f"content-length: {size}", "", ""]).encode() + data


def events(*data: Any, end: str = "data: [DONE]\n\n") -> bytes:
    """A response that is a stream of events, ended by closing the connection. Text with ":" in front is a comment."""
    lines = [each if isinstance(each, str) else json.dumps(each) for each in data]
    text = "".join(f"{each}\n\n" if each.startswith(":") else f"data: {each}\n\n" for each in lines)
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + (text + end).encode()


def completion(content: Any = "fine", finish_reason: str | None = "stop", **fields: Any) -> dict[str, Any]:
    """The document of a chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return {"id": "c-1", "model": "m-2026", "choices": [choice], "usage": usage, **fields}


def delta(content: str | None = None, finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """One event of a streamed chat completion."""
    inner = {} if content is None else {"content": content}
    return {"id": "c-1", "choices": [{"index": 0, "delta": {**inner, **fields}, "finish_reason": finish_reason}]}
