"""A request to the server as ASGI gives it: its head, and its body within limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, BinaryIO

from themis_vcs.transfer.http.limits import HEAD_BYTES
from themis_vcs.transfer.http.refusal import Refused
from themis_vcs.transfer.pack import MAX_BYTES
from themis_vcs.transfer.service import spool

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class Gone(Exception):
    """The client has closed the connection."""


class Request:
    """A request. `whole` says whether its body has been read to the end."""

    def __init__(self, scope: Message, receive: Receive) -> None:
        self._receive = receive
        self._heads: list[tuple[bytes, bytes]] = scope["headers"]
        self._target: int = len(scope["raw_path"]) + len(scope["query_string"])
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.client: str = (scope["client"] or ("-",))[0]
        self.whole = False

    def header(self, name: str) -> str:
        """Return a header, "" if there is none. Refused if there are several of that name."""
        found = [value for key, value in self._heads if key == name.encode()]
        if len(found) > 1:
            raise Refused(400, f"the header {name} comes more than once")
        return found[0].decode("latin-1").strip() if found else ""

    def check_head(self) -> None:
        """Refuse a head that is too long."""
        if self._target + sum(len(name) + len(value) + 4 for name, value in self._heads) > HEAD_BYTES:
            raise Refused(431, f"the head of the request is over {HEAD_BYTES:,} bytes")

    async def body(self, kind: str, limit: int) -> BinaryIO:
        """Return the body in a file that stands at its start; it is of the media type `kind`. Refused, Gone."""
        given = self.header("content-type").partition(";")[0].strip().lower()
        if given != kind:
            raise Refused(415, f"a body of the type {kind} is needed, not {given[:80] or 'one of no type'}")
        if not self.header("content-length"):
            raise Refused(411, "the length of the body is needed", hint="send Content-Length")
        size = self._length()
        if size > limit:
            raise Refused(413, f"the body has {size:,} bytes, and may have {limit:,}", hint="send less at once")
        file = spool()
        try:
            async for chunk in self._chunks():
                file.write(chunk)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    async def discard(self) -> None:
        """Read what is left of the body, so that the client gets to read the answer; not if it is endless. Gone."""
        if not self._heads_say_chunked() and self._length() <= MAX_BYTES:
            async for _ in self._chunks():
                pass

    async def _chunks(self) -> AsyncIterator[bytes]:
        while not self.whole:
            message = await self._receive()
            if message["type"] != "http.request":
                raise Gone
            self.whole = not message.get("more_body", False)
            yield message.get("body", b"")

    def _length(self) -> int:
        # The parser has refused what is no number, and more than one.
        return int(next((value for name, value in self._heads if name == b"content-length"), b"0"))

    def _heads_say_chunked(self) -> bool:
        return any(name == b"transfer-encoding" for name, _ in self._heads)
