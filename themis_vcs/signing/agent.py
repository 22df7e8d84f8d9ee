"""A client of ssh-agent: which Ed25519 keys it holds, and signing with one. What it answers is not believed unseen.

The protocol is draft-ietf-sshm-ssh-agent: a message is a length (4), a type (1) and its fields.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Final, NamedTuple

from themis_vcs.errors import NotFound, RemoteError, UsageError
from themis_vcs.signing.ed25519 import SIGNATURE_BYTES, TYPE, PublicKey, from_blob

VARIABLE: Final = "SSH_AUTH_SOCK"
MAX_MESSAGE: Final = 256 * 1024
MAX_KEYS: Final = 1_024
_ANSWER_SECONDS: Final = 10
_TOUCH_SECONDS: Final = 120
"""A person may have to confirm a signature, or to touch a token."""
_LIST, _LISTED, _SIGN, _SIGNED, _FAILURE = 11, 12, 13, 14, 5


class AgentKey(NamedTuple):
    """A key that the agent holds."""

    key: PublicKey
    comment: str


class AgentSigner:
    """Signs with a key that the agent holds."""

    def __init__(self, key: PublicKey, path: str) -> None:
        self.key, self._path = key, path

    @property
    def key_id(self) -> str:
        return self.key.fingerprint

    def sign(self, data: bytes) -> bytes:
        body = bytes([_SIGN]) + _text(self.key.blob) + _text(data) + bytes(4)
        kind, fields = _ask(self._path, body, _TOUCH_SECONDS)
        if kind == _FAILURE:
            raise NotFound(
                f"the ssh-agent does not sign with {self.key.fingerprint}",
                hint="it no longer holds the key, or somebody did not confirm; `ssh-add -l` lists its keys",
            )
        if kind != _SIGNED:
            raise _malformed(f"an answer of type {kind} to a request for a signature")
        signature = _Fields(fields).text()
        inner = _Fields(signature)
        if inner.text() != TYPE.encode():
            raise _malformed("a signature of another type")
        found = inner.text()
        if len(found) != SIGNATURE_BYTES:
            raise _malformed(f"a signature of {len(found)} bytes")
        return found


def socket_path() -> str | None:
    """Return where the agent is, None if there is none."""
    return os.environ.get(VARIABLE) or None


def identities(path: str) -> list[AgentKey]:
    """Return the Ed25519 keys that an agent holds; keys of other types are passed over. RemoteError."""
    kind, fields = _ask(path, bytes([_LIST]), _ANSWER_SECONDS)
    if kind != _LISTED:
        raise _malformed(f"an answer of type {kind} to a request for its keys")
    return list(_listed(_Fields(fields)))


def _listed(fields: _Fields) -> Iterator[AgentKey]:
    amount = fields.number()
    if amount > MAX_KEYS:
        raise _malformed(f"{amount:,} keys")
    for _ in range(amount):
        blob, comment = fields.text(), fields.text()
        try:
            yield AgentKey(from_blob(blob), comment[:200].decode("utf-8", "replace"))
        except UsageError:
            continue


class _Fields:
    """The fields of a message, read one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self) -> int:
        return int.from_bytes(self._take(4), "big")

    def text(self) -> bytes:
        return self._take(self.number())

    def _take(self, size: int) -> bytes:
        if size > len(self._data) - self._at:
            raise _malformed("a field that is longer than the message")
        self._at += size
        return self._data[self._at - size : self._at]


def _ask(path: str, body: bytes, seconds: float) -> tuple[int, bytes]:
    """Send a message; return the type and the fields of the answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        try:
            connection.connect(path)
            connection.sendall(_text(body))
            size = int.from_bytes(_received(connection, 4), "big")
            if not 0 < size <= MAX_MESSAGE:
                raise _malformed(f"a message of {size:,} bytes")
            answer = _received(connection, size)
        except OSError as error:
            hint = f"{VARIABLE} is {path}; `ssh-add -l` says whether an agent answers there"
            raise RemoteError(f"the ssh-agent does not answer: {error.strerror or error}", hint=hint) from error
    return answer[0], answer[1:]


def _received(connection: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        chunk = connection.recv(min(size - len(found), 65_536))
        if not chunk:
            raise _malformed("an answer that ends too early")
        found += chunk
    return bytes(found)


def _text(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _malformed(what: str) -> RemoteError:
    return RemoteError(f"the ssh-agent gives {what}", hint=f"look at what listens at {VARIABLE}")
