"""Clients that connect and then dawdle: they are dropped, and others do not notice (R14).

Usually a few of each kind and short limits; THEMIS_FAULTS=full takes a hundred, and the limits of `themis serve`.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from tests.support.killing import FULL, Tally
from tests.support.serving import certificate, new_token, serving
from tests.support.stores import store_run
from themis_vcs.model.objects import Tag, Value
from themis_vcs.store.backend import RefUpdate
from themis_vcs.store.repository import Repository
from themis_vcs.transfer.http.client import open_http
from themis_vcs.transfer.http.routes import JSON, PACK
from themis_vcs.transfer.store_endpoint import StoreEndpoint
from themis_vcs.transfer.transfer import transfer

SHORT = {"head": 1.5, "idle": 1.5, "stall": 1.5, "total": 20.0}
OF_EACH = 20 if FULL else 4
DROPPED = 30.0 if FULL else 8.0
HEAD = b"POST /v1/packs HTTP/1.1\r\nhost: localhost\r\n" + f"content-type: {PACK}\r\n".encode()
Dawdler = Callable[[socket.socket, bytes], None]


def silent(connection: socket.socket, large: bytes) -> None:
    """Say nothing."""


def half_a_head(connection: socket.socket, large: bytes) -> None:
    connection.sendall(HEAD)


def half_a_body(connection: socket.socket, large: bytes) -> None:
    connection.sendall(HEAD + b"content-length: 1000000\r\n\r\n" + bytes(300_000))


def idle_after_a_request(connection: socket.socket, large: bytes) -> None:
    connection.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert connection.recv(12) == b"HTTP/1.1 200"
    connection.sendall(b"\r\n")


def reading_nothing(connection: socket.socket, large: bytes) -> None:
    """Ask for megabytes, and leave them lie."""
    head = (
        f"POST /v1/objects HTTP/1.1\r\nhost: localhost\r\ncontent-type: {JSON}\r\ncontent-length: {len(large)}\r\n\r\n"
    )
    connection.sendall(head.encode() + large)


KINDS: list[Dawdler] = [silent, half_a_head, half_a_body, idle_after_a_request, reading_nothing]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[tuple[Path, bytes]]:
    """A store with an object of many megabytes, and the question for it."""
    with Repository.init(tmp_path / "store") as repository:
        oid = repository.put(Value("parsed", [f"{number * 7919 % 1_000_003:024d}" for number in range(600_000)]))
        repository.commit([RefUpdate("tags/v1", repository.put(Tag("v1", oid, "", 0, "me")))], message="tag")
    yield tmp_path / "store", b'{"oids": "%s"}' % oid.hex().encode()


def connected(stack: ExitStack, address: tuple[str, int]) -> socket.socket:
    connection = stack.enter_context(socket.socket())
    # So that little of an answer fits into the buffers of the kernel.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(DROPPED)
    connection.connect(address)
    return connection


def is_dropped(connection: socket.socket, until: float) -> bool:
    """Wait for the end of a connection, by looking at its state, so that nothing of an answer is read."""
    while time.monotonic() < until:
        state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        if state != 1:  # no longer ESTABLISHED
            return True
        time.sleep(0.05)
    return False


def push(url: str, directory: Path, token: str | None = None, ca: Path | None = None) -> None:
    with Repository.init(directory) as here:
        run = store_run(here, 400)
        endpoint = open_http(url, token, ca)
        try:
            transfer(StoreEndpoint(here), endpoint, [RefUpdate("names/demo", run.run, None)], message="push")
            assert endpoint.refs()["names/demo"] == run.run
        finally:
            endpoint.close()


def test_who_dawdles_is_dropped_and_a_push_beside_them_is_made(store: tuple[Path, bytes], tmp_path: Path) -> None:
    tally = Tally("a connection that dawdles")
    with serving(store[0], limits=None if FULL else SHORT) as server, ExitStack() as stack:
        dawdlers = []
        for kind in KINDS:
            for number in range(OF_EACH):
                connection = connected(stack, server.address)
                kind(connection, store[1])
                dawdlers.append((f"{kind.__name__} {number}", kind.__name__, connection))
        until = time.monotonic() + DROPPED
        push(server.url, tmp_path / "here")
        for name, kind_name, connection in dawdlers:
            tally.add(name, [] if is_dropped(connection, until) else ["it is not dropped"], kind_name)
        assert httpx2.get(server.url + "/health", trust_env=False).status_code == 200
        assert server.memory()["VmHWM"] < 200 << 20
    text = tally.report()
    assert tally.failures == [], text


@pytest.mark.skipif(not FULL, reason="the limits of `themis serve` take half a minute")
def test_who_dawdles_over_tls_is_dropped(store: tuple[Path, bytes], tmp_path: Path) -> None:
    made = certificate(tmp_path)
    token = new_token(store[0])
    arguments = ["--cert", str(made.chain), "--key", str(made.key)]
    tally = Tally("a connection over TLS that dawdles")
    context = ssl.create_default_context(cafile=made.ca)
    with serving(store[0], *arguments) as server, ExitStack() as stack:
        dawdlers = []
        for kind in KINDS:
            for number in range(4):
                connection = connected(stack, server.address)
                secured = stack.enter_context(context.wrap_socket(connection, server_hostname="127.0.0.1"))
                kind(secured, store[1])
                dawdlers.append((f"{kind.__name__} {number}", secured))
        for number in range(4):
            dawdlers.append((f"handshake {number}", connected(stack, server.address)))
        until = time.monotonic() + DROPPED
        push(server.url, tmp_path / "here", token, made.ca)
        for name, connection in dawdlers:
            tally.add(name, [] if is_dropped(connection, until) else ["it is not dropped"])
    text = tally.report()
    assert tally.failures == [], text


def test_who_is_slow_is_told_so(store: tuple[Path, bytes]) -> None:
    with serving(store[0], limits=SHORT) as server, ExitStack() as stack:
        for kind in (half_a_head, half_a_body):
            connection = connected(stack, server.address)
            kind(connection, b"")
            assert connection.recv(12) == b"HTTP/1.1 408"


def test_a_drop_at_a_time_is_too_slow(store: tuple[Path, bytes]) -> None:
    """Something in every moment, but too little."""
    with serving(store[0], limits=SHORT) as server, ExitStack() as stack:
        connection = connected(stack, server.address)
        connection.sendall(HEAD + b"content-length: 100000\r\n\r\n")
        began = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() < began + DROPPED:
                connection.sendall(b"a")
                time.sleep(0.1)
        assert time.monotonic() < began + DROPPED


def test_a_request_ends_sometime(store: tuple[Path, bytes]) -> None:
    """Whoever sends steadily, but never comes to an end."""
    with serving(store[0], limits={**SHORT, "total": 2.0}) as server, ExitStack() as stack:
        connection = connected(stack, server.address)
        connection.sendall(HEAD + b"content-length: 100000000\r\n\r\n")
        until = time.monotonic() + DROPPED
        with pytest.raises(OSError):
            while time.monotonic() < until:
                connection.sendall(bytes(70_000))
                time.sleep(0.1)
        assert time.monotonic() < until


def test_one_connection_too_many_is_sent_away(store: tuple[Path, bytes]) -> None:
    with serving(store[0], limits={"connections": 3}) as server, ExitStack() as stack:
        first = [connected(stack, server.address) for _ in range(3)]
        for connection in first:
            idle_after_a_request(connection, b"")
        fourth = connected(stack, server.address)
        answer = fourth.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 503") and b"retry-after" in answer
        first[0].close()
        time.sleep(0.2)
        idle_after_a_request(connected(stack, server.address), b"")


QUESTION = b'{"oids": ""}'
ASKING = f"POST /v1/missing HTTP/1.1\r\nhost: localhost\r\ncontent-type: {JSON}\r\ncontent-length: 12\r\n\r\n".encode()


def test_a_server_that_is_stopped_finishes_what_was_begun(store: tuple[Path, bytes]) -> None:
    with serving(store[0]) as server, ExitStack() as stack:
        idle, begun = connected(stack, server.address), connected(stack, server.address)
        idle_after_a_request(idle, b"")
        begun.sendall(ASKING + QUESTION[:5])
        time.sleep(0.2)
        server.process.terminate()
        with pytest.raises(ConnectionRefusedError):
            while True:
                connected(stack, server.address)
                time.sleep(0.05)
        begun.sendall(QUESTION[5:])
        answer = begun.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b'{"missing":""}')
        assert server.stop() == 0


def test_a_server_that_is_stopped_does_not_wait_for_ever(store: tuple[Path, bytes]) -> None:
    with serving(store[0], limits={"stop": 0.5, "stall": 600.0}) as server, ExitStack() as stack:
        begun = connected(stack, server.address)
        begun.sendall(ASKING + QUESTION[:5])
        time.sleep(0.2)
        assert server.stop() == 0
