"""The ASGI application that answers the questions of the wire: a request in, a document or a pack out.

Work on the store is done in threads. One thread writes at a time and few read packs, since each takes memory for a
pack; answers lie in files until they are sent. Not responsible for slow clients (`connection`).
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Any, BinaryIO, Final, NamedTuple, TypeVar, cast

from themis_vcs.errors import ThemisError
from themis_vcs.transfer import messages
from themis_vcs.transfer.http.access import Access
from themis_vcs.transfer.http.limits import Limits
from themis_vcs.transfer.http.openapi import description
from themis_vcs.transfer.http.refusal import Refused, refused
from themis_vcs.transfer.http.request import Gone, Message, Receive, Request
from themis_vcs.transfer.http.routes import JSON, PACK, ROUTES, Health, Route
from themis_vcs.transfer.messages import MAX_QUESTION, Failed, Failure
from themis_vcs.transfer.service import ANSWERS, Answerer, Service, spool

THREADS: Final = 8
PACKS_AT_ONCE: Final = 2
CHUNK: Final = 32 << 10

Send = Callable[[Message], Awaitable[None]]
T = TypeVar("T")
_ANSWERS: Final[dict[str, Answerer]] = {
    **ANSWERS,
    "health": lambda service, body: Health(),
    "openapi": lambda service, body: description(),
}


class Served(NamedTuple):
    """A request that is over. `status` is 0 if it got no answer; `size` is that of the answer's body, in bytes.

    `problem` is what nobody has foreseen.
    """

    client: str
    method: str
    path: str
    status: int
    size: int
    seconds: float
    problem: BaseException | None = None


class _Answer(NamedTuple):
    status: int
    body: BinaryIO
    kind: str = JSON
    headers: dict[str, str] = {}  # noqa: RUF012
    problem: BaseException | None = None


class App:
    """The application. `log` is told of every request when it is over."""

    def __init__(self, service: Service, access: Access, limits: Limits, log: Callable[[Served], object]) -> None:
        self._service, self._access, self._limits, self._log = service, access, limits, log
        self._threads = ThreadPoolExecutor(THREADS, "themis-serve")
        writing = asyncio.Semaphore(1)
        self._turns = {"pack": writing, "move": writing, "objects": asyncio.Semaphore(PACKS_AT_ONCE)}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        request = Request(scope, receive)
        status = size = 0
        problem = None
        try:
            answer = await self._answer(request)
            problem = answer.problem
            with answer.body:
                await request.discard()
                status, size = answer.status, await _send(answer, send, closing=not request.whole)
        except Gone:
            pass
        finally:
            seconds = time.perf_counter() - begun
            self._log(Served(request.client, request.method, request.path, status, size, seconds, problem))

    def close(self) -> None:
        """Wait for the work that is in hand."""
        self._threads.shutdown()

    async def _answer(self, request: Request) -> _Answer:
        try:
            request.check_head()
            route = _route(request)
            if route.scope is not None:
                asked = route.scope, request.header("authorization"), request.header("host")
                await self._in_thread(lambda: self._access.check(*asked))
            return await self._asked(route, request)
        except ThemisError as error:
            status, document, headers = refused(error)
            return _Answer(status, io.BytesIO(messages.encode(document)), JSON, headers)
        except Gone:
            raise
        except Exception as error:  # noqa: BLE001
            document = Failed(Failure("unforeseen", f"{type(error).__name__}, which the server has not foreseen"))
            return _Answer(500, io.BytesIO(messages.encode(document)), JSON, {}, error)

    async def _asked(self, route: Route, request: Request) -> _Answer:
        if route.takes is None:
            body = cast(BinaryIO, io.BytesIO())
        elif route.takes is bytes:
            body = await request.body(PACK, self._limits.pack)
        else:
            body = await request.body(JSON, MAX_QUESTION)
        with body:
            turn = self._turns.get(route.question)
            if turn is None:
                return await self._in_thread(lambda: self._work(route, body))
            async with turn:
                return await self._in_thread(lambda: self._work(route, body))

    def _work(self, route: Route, body: BinaryIO) -> _Answer:
        found = _ANSWERS[route.question](self._service, body)
        file = spool()
        file.write(found.getbuffer() if isinstance(found, io.BytesIO) else messages.encode(found))
        return _Answer(200, file, PACK if route.gives is bytes else JSON)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _route(request: Request) -> Route:
    method = "GET" if request.method == "HEAD" else request.method
    here = [route for route in ROUTES if route.path == request.path]
    if not here:
        raise Refused(404, "there is nothing at this path", hint="GET /openapi.json describes what there is")
    for route in here:
        if route.method == method:
            return route
    allowed = ", ".join(sorted({route.method for route in here} | ({"HEAD"} if here[0].method == "GET" else set())))
    raise Refused(405, f"this path takes {allowed}", allow=allowed)


async def _send(answer: _Answer, send: Send, *, closing: bool) -> int:
    size = answer.body.seek(0, io.SEEK_END)
    answer.body.seek(0)
    headers: dict[str, Any] = {
        "content-type": answer.kind,
        "content-length": size,
        "date": formatdate(usegmt=True),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        **answer.headers,
        **({"connection": "close"} if closing else {}),
    }
    encoded = [(name.encode(), str(value).encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    left = size
    while True:
        chunk = answer.body.read(CHUNK)
        left -= len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})
        if not left:
            return size
