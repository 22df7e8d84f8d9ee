"""The side of HTTP that asks (WIRE-9 …). Nothing of the environment changes it: no proxy variables, no .netrc.

The token goes to the address that was named and to no other, and is in no message. Redirects are not followed.
"""

from __future__ import annotations

import io
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

import httpx2

from themis_vcs.errors import DataError, RefConflict, RemoteError, UsageError
from themis_vcs.transfer import messages
from themis_vcs.transfer.http import problems
from themis_vcs.transfer.http.access import is_loopback
from themis_vcs.transfer.http.routes import BY_QUESTION, JSON, PACK
from themis_vcs.transfer.messages import MAX_ANSWER, Failed, Moves, Refs
from themis_vcs.transfer.pack import MAX_BYTES
from themis_vcs.transfer.wire_endpoint import WireEndpoint

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 300.0
ATTEMPTS: Final = 3
PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 10.0
_CHUNK: Final = 64 << 10
_REPEAT: Final = "what arrived is kept; repeat the command when the connection is mended"
T = TypeVar("T")


class _Answer(NamedTuple):
    status: int
    headers: httpx2.Headers
    body: bytearray


class _Lost(Exception):
    """There was no answer. `asked` says whether the question may have arrived; seconds of `pause` before a repeat."""

    def __init__(self, error: RemoteError, *, asked: bool, pause: float | None = None) -> None:
        super().__init__(error.message)
        self.error, self.asked = error, asked
        self.pause = PAUSE if pause is None else pause


class HttpWire:
    """A conversation with a server. `ca` is a file with certificates, in PEM, that are trusted beside the usual ones.

    UsageError for a URL with credentials or a query, and for a token that would go over the net unencrypted.
    """

    def __init__(self, url: str, token: str | None = None, ca: Path | None = None, name: str | None = None) -> None:
        self._url = _checked(url, secret=token is not None)
        self.name = name or self._url
        headers = {"accept-encoding": "identity", "user-agent": "themis"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        self._client = httpx2.Client(
            headers=headers,
            timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            # Reading all certificates costs 50 ms, and nothing would look at them.
            verify=_trusted(ca) if self._url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            follow_redirects=False,
            trust_env=False,
        )

    def ask(self, question: str, document: object | None, kind: type[T]) -> T:
        if isinstance(document, Moves):
            return cast(T, self._move(document))
        body = io.BytesIO(b"" if document is None else messages.encode(document))
        return self._decoded(self._patiently(question, body, MAX_ANSWER), kind)

    def fetch(self, question: str, document: object) -> BinaryIO:
        return io.BytesIO(self._patiently(question, io.BytesIO(messages.encode(document)), MAX_BYTES))

    def send(self, question: str, data: BinaryIO, kind: type[T]) -> T:
        return self._decoded(self._patiently(question, data, MAX_ANSWER), kind)

    def close(self) -> None:
        self._client.close()

    def _patiently(self, question: str, body: BinaryIO, limit: int) -> bytearray:
        """Ask a question that does no harm if it is asked again, up to ATTEMPTS times."""
        for left in reversed(range(ATTEMPTS)):
            try:
                return self._once(question, body, limit)
            except _Lost as lost:
                if not left:
                    raise lost.error from lost
                time.sleep(lost.pause)
        raise AssertionError

    def _move(self, moves: Moves) -> dict[str, str]:
        """Ask for refs to be moved. If the answer is lost, the refs tell whether they did."""
        unsure = False
        for left in reversed(range(ATTEMPTS)):
            try:
                return self._decoded(self._once("move", io.BytesIO(messages.encode(moves)), MAX_ANSWER), dict[str, str])
            except RefConflict as error:
                if unsure:
                    raise self._unknown() from error
                raise
            except _Lost as lost:
                unsure = unsure or lost.asked
                if unsure and self._moved(moves):
                    return {}
                if not left:
                    raise (self._unknown() if unsure else lost.error) from lost
                time.sleep(lost.pause)
        raise AssertionError

    def _moved(self, moves: Moves) -> bool:
        """Say whether all refs are where they were to go, or all the moves may still be made. RemoteError if neither
        is so, or there is no telling.
        """
        try:
            refs = self._decoded(self._patiently("refs", io.BytesIO(), MAX_ANSWER), Refs).refs
        except RemoteError as error:
            raise self._unknown() from error
        if all(refs.get(each.name) == each.new for each in moves.updates):
            return True
        for each in moves.updates:
            if each.expected != "any" and refs.get(each.name) not in (each.expected, each.new):
                raise self._unknown()
        return False

    def _unknown(self) -> RemoteError:
        return RemoteError(f"{self.name}: it is unknown whether the refs moved", hint="repeat the command")

    def _once(self, question: str, body: BinaryIO, limit: int) -> bytearray:
        """Ask once, and return the body of the answer. _Lost; what the server says is wrong."""
        try:
            answer = self._exchange(question, body, limit)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            problem = problems.unreachable(self.name, error)
            raise (_Lost(problem.error, asked=False) if problem.may_pass else problem.error) from error
        except httpx2.TransportError as error:
            what = "no answer in time" if isinstance(error, httpx2.TimeoutException) else "the connection broke off"
            raise _Lost(RemoteError(f"{self.name}: {what}", hint=_REPEAT), asked=True) from error
        if answer.status != httpx2.codes.OK:
            raise self._refusal(answer)
        expected = PACK if BY_QUESTION[question].gives is bytes else JSON
        if answer.headers.get("content-type", "").partition(";")[0] != expected:
            raise self._no_themis("its answer is of another type")
        return answer.body

    def _exchange(self, question: str, body: BinaryIO, limit: int) -> _Answer:
        route = BY_QUESTION[question]
        size = body.seek(0, io.SEEK_END)
        headers = {"accept": f"{PACK if route.gives is bytes else JSON}, {JSON}"}
        content: Iterator[bytes] | None = None
        if route.takes is not None:
            body.seek(0)
            headers |= {"content-type": PACK if route.takes is bytes else JSON, "content-length": str(size)}
            content = iter(lambda: body.read(_CHUNK), b"")
        with self._client.stream(route.method, self._url + route.path, content=content, headers=headers) as response:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise self._no_themis("its answer is compressed, which was not asked for")
            received = bytearray()
            for chunk in response.iter_raw():
                received += chunk
                if len(received) > (limit if response.status_code == httpx2.codes.OK else MAX_ANSWER):
                    raise RemoteError(f"{self.name}: the answer is over {limit:,} bytes")
            return _Answer(response.status_code, response.headers, received)

    def _refusal(self, answer: _Answer) -> Exception:
        """Return what is to be raised for an answer other than 200."""
        status = answer.status
        if status < 400:
            return problems.redirected(self.name, status, answer.headers.get("location", ""))
        try:
            failure = messages.decode(bytes(answer.body), Failed).error
        except DataError:
            error = self._no_themis(f"its answer is HTTP {status}")
            return _Lost(error, asked=True, pause=_pause(answer)) if status >= 500 else error
        if status == 503:
            return _Lost(
                RemoteError(f"{self.name}: {failure.message}", hint=failure.hint), asked=False, pause=_pause(answer)
            )
        if failure.code == UsageError.code and status in problems.HINTS:
            return RemoteError(f"{self.name}: {failure.message}", hint=problems.HINTS[status])
        return messages.raised(failure, self.name)

    def _decoded(self, body: bytearray, kind: type[T]) -> T:
        try:
            return messages.decode(bytes(body), kind)
        except DataError as error:
            raise self._no_themis("its answer is no document of the wire") from error

    def _no_themis(self, why: str) -> RemoteError:
        return RemoteError(f"{self.name}: what answers is no themis: {why}", hint=problems.HINTS[404])


def open_http(url: str, token: str | None = None, ca: Path | None = None) -> WireEndpoint:
    """Return the store that is served at a URL. UsageError as of HttpWire."""
    return WireEndpoint(HttpWire(url, token, ca))


def _pause(answer: _Answer) -> float | None:
    try:
        return min(max(float(answer.headers["retry-after"]), 0.0), _LONGEST_PAUSE)
    except (KeyError, ValueError):
        return None


def _checked(url: str, *, secret: bool) -> str:
    """Return the URL without a slash at its end."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL) as error:
        raise UsageError("the URL of the remote cannot be read", hint="write https://HOST:PORT") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("the URL of the remote does not begin with https://HOST or http://HOST")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError("the URL of a remote has no credentials, query or fragment", hint=problems.HINTS[401])
    if secret and parts.scheme == "http" and not is_loopback(parts.hostname):
        raise UsageError(
            f"a token would go unencrypted to {parts.netloc}", hint="use https, or reach the server through a tunnel"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _trusted(ca: Path | None) -> ssl.SSLContext:
    context = httpx2.create_ssl_context(trust_env=False)
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"certificates {ca} cannot be read: {error.strerror or error}", hint="PEM is needed"
            ) from error
    return context
