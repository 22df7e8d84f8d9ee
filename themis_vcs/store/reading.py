"""Running `inspection` in a process of its own, and hearing how it ended. Not responsible for what it says."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from themis_vcs.store.inspection import LENGTH_BYTES

_SILENCE: Final = 120.0
_CHUNK: Final = 1 << 16


class Reading:
    """What a process says that reads a store from a place on. `death` then says how it ended before its end."""

    def __init__(self, path: Path, phase: str, start: int, wait: float, options: Iterable[str] = ()) -> None:
        place = [os.path.abspath(path), phase, str(start), str(wait), *options]
        self._command = [sys.executable, "-m", "themis_vcs.store.inspection", *place]
        self.death = ""

    def __iter__(self) -> Iterator[list[Any]]:
        with (
            tempfile.TemporaryFile() as said,
            subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said) as process,
        ):
            assert process.stdout is not None
            try:
                yield from _messages(process.stdout)
            except TimeoutError:
                process.kill()
                self.death = f"a silence of {_SILENCE:g} s"
                return
            except BaseException:
                process.kill()
                raise
            self.death = _death(process.wait(), said)


def _death(status: int, said: IO[bytes]) -> str:
    if status < 0:
        return signal.Signals(-status).name
    said.seek(0)
    lines = said.read().decode("utf-8", "replace").strip().splitlines()
    return f"an error: {lines[-1] if lines else f'status {status}'}"


def _messages(stream: IO[bytes]) -> Iterator[list[Any]]:
    """Yield the messages of a stream until it ends; TimeoutError if it says nothing for long."""
    buffer = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            if not selector.select(_SILENCE):
                raise TimeoutError
            data = os.read(stream.fileno(), _CHUNK)
            if not data:
                return
            buffer += data
            at = 0
            while (end := _end(buffer, at)) <= len(buffer):
                yield msgspec.msgpack.decode(bytes(buffer[at + LENGTH_BYTES : end]))
                at = end
            del buffer[:at]


def _end(buffer: bytearray, at: int) -> int:
    """Return where the message at `at` ends; beyond the buffer if it is not all there."""
    start = at + LENGTH_BYTES
    return start + int.from_bytes(buffer[at:start], "big") if start <= len(buffer) else start
