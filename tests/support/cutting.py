"""A proxy that breaks a connection at a chosen byte or answer, and counts what went through."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CHUNK = 16 << 10


class Proxy:
    """Leads to a server.

    After `cut_up` bytes from the clients, or `cut_down` to them, counted over all connections, everything is broken off
    once; with `for_good`, so is every later connection.
    """

    def __init__(self, address: tuple[str, int], cut_up: int | None, cut_down: int | None, *, for_good: bool) -> None:
        self._target, self._cut = address, {"up": cut_up, "down": cut_down}
        self._for_good = for_good
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.counts = {"up": 0, "down": 0}
        self.cuts = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        self._break()

    def _accept(self) -> None:
        threads = []
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                break
            if self._for_good and self.cuts:
                client.close()
                continue
            server = socket.create_connection(self._target)
            with self._lock:
                self._open |= {client, server}
            for source, sink, direction in ((client, server, "up"), (server, client, "down")):
                threads.append(threading.Thread(target=self._pump, args=(source, sink, direction)))
                threads[-1].start()
        self._break()
        for thread in threads:
            thread.join()

    def _pump(self, source: socket.socket, sink: socket.socket, direction: str) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                cut = self._cut[direction]
                with self._lock:
                    before = self.counts[direction]
                    self.counts[direction] += len(data)
                if cut is not None and not self.cuts and before + len(data) > cut:
                    self.cuts += 1
                    sink.sendall(data[: cut - before])
                    self._break()
                    return
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _break(self) -> None:
        with self._lock:
            gone, self._open = self._open, set()
        for each in gone:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextmanager
def proxy(
    address: tuple[str, int], cut_up: int | None = None, cut_down: int | None = None, *, for_good: bool = False
) -> Iterator[Proxy]:
    """A proxy for as long as the block lasts."""
    made = Proxy(address, cut_up, cut_down, for_good=for_good)
    try:
        yield made
    finally:
        made.close()
