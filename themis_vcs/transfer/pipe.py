"""The wire over a pipe (WIRE-7, WIRE-8): how messages lie in it, and the side that asks."""

from __future__ import annotations

import io
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock
from typing import Any, BinaryIO, Final, TypeVar, cast

from msgspec import Struct

from themis_vcs.errors import DataError, FormatError, RemoteError
from themis_vcs.transfer import messages
from themis_vcs.transfer.messages import MAX_ANSWER, Failure
from themis_vcs.transfer.pack import MAX_BYTES, Readable

GREETING: Final = b"themis-wire 1\n"
CHUNK: Final = 1 << 20
_LENGTH: Final = struct.Struct(">I")
_PATIENCE: Final = 10.0
_SAID: Final = 2_000
T = TypeVar("T")


class Ended(Exception):
    """The other side said no more, where it had to."""


class TooLong(DataError):
    """A message that is longer than it may be: what follows it cannot be found."""


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """The head of a question."""

    ask: str


class Answer(Struct, frozen=True, omit_defaults=True):
    """The head of an answer."""

    error: Failure | None = None


class Part(io.RawIOBase):
    """The chunks of a head or a body as a stream of at most `limit` bytes. Reading raises Ended and TooLong."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        super().__init__()
        self._stream, self._room = stream, limit
        self._left = 0
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left and not self.ended:
            self._begin()
        data = exactly(self._stream, min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def _begin(self) -> None:
        self._left = _LENGTH.unpack(exactly(self._stream, _LENGTH.size))[0]
        self.ended = not self._left
        self._room -= self._left
        if self._left > CHUNK or self._room < 0:
            raise TooLong("a message is longer than it may be")


def read(stream: BinaryIO, limit: int = MAX_ANSWER) -> bytes:
    """Return a head or a body."""
    return Part(stream, limit).readall() or b""


def write(stream: BinaryIO, data: Readable) -> None:
    """Send a head or a body."""
    while chunk := data.read(CHUNK):
        stream.write(_LENGTH.pack(len(chunk)) + chunk)
    stream.write(_LENGTH.pack(0))


def write_document(stream: BinaryIO, document: object | None) -> None:
    """Send a document, or nothing, as a head or a body."""
    write(stream, io.BytesIO(b"" if document is None else messages.encode(document)))


def exactly(stream: BinaryIO, size: int) -> bytes:
    """Return so many bytes. Ended if there are fewer."""
    data = stream.read(size)
    if len(data) < size:
        raise Ended
    return data


class Pipe:
    """A process that answers (`stdio`), often one at the far end of ssh. RemoteError says what it wrote to stderr."""

    def __init__(self, command: Sequence[str], name: str) -> None:
        self.name = name
        self._turn = Lock()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said)
        except OSError as error:
            self._said.close()
            raise RemoteError(f"{name}: cannot start {command[0]}: {error.strerror}") from error
        self._to = cast(BinaryIO, self._process.stdin)
        self._from = cast(BinaryIO, self._process.stdout)
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    def ask(self, question: str, document: object | None, kind: type[T]) -> T:
        body = io.BytesIO(b"" if document is None else messages.encode(document))
        return self._decoded(self._asked(question, body, MAX_ANSWER), kind)

    def fetch(self, question: str, document: object) -> BinaryIO:
        return io.BytesIO(self._asked(question, io.BytesIO(messages.encode(document)), MAX_BYTES))

    def send(self, question: str, data: BinaryIO, kind: type[T]) -> T:
        return self._decoded(self._asked(question, data, MAX_ANSWER), kind)

    def close(self) -> None:
        for stream in (self._to, self._from):
            with suppress(OSError):  # What was not sent any more does not matter.
                stream.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()

    def _asked(self, question: str, body: BinaryIO, limit: int) -> bytes:
        try:
            with self._turn:
                write_document(self._to, Question(question))
                write(self._to, body)
                self._to.flush()
                head = self._decoded(read(self._from), Answer)
                answer = read(self._from, limit)
        except DataError as error:
            raise self._senseless(error) from error
        except (OSError, Ended) as error:
            raise self._broken() from error
        if head.error is not None:
            raise messages.raised(head.error, self.name)
        return answer

    def _decoded(self, data: bytes, kind: type[T]) -> T:
        try:
            return messages.decode(data, kind)
        except DataError as error:
            raise self._senseless(error) from error

    def _senseless(self, error: DataError) -> RemoteError:
        return RemoteError(f"{self.name} did not answer sensibly: {error.message}")

    def _greet(self) -> None:
        try:
            line = self._from.readline(64)
        except OSError as error:
            raise self._broken() from error
        if not line:
            raise self._broken()
        if line != GREETING:
            if line.startswith(b"themis-wire "):
                raise FormatError(f"{self.name} speaks another version of the wire", hint="install a newer themis-vcs")
            raise RemoteError(
                f"{self.name}: what answers is no themis: {line[:80]!r}",
                hint="a shell that prints something at login is in the way",
            )

    def _broken(self) -> RemoteError:
        """Say why the conversation broke off, in the words of the process."""
        try:
            status: int | None = self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            status = None
        self._said.seek(0)
        said = self._said.read(_SAID).decode(errors="replace").strip()
        why = f"\n{said}" if said else f" (exit status {status})" if status is not None else ""
        return RemoteError(
            f"{self.name}: the conversation broke off{why}",
            hint="what arrived is kept; repeat the command when the connection is mended",
        )
