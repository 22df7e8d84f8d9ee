"""Which request asks which question (WIRE-9): the one table for the server, the client and the description."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from msgspec import Struct

from themis_vcs.transfer.http.tokens import Scope
from themis_vcs.transfer.messages import Counts, Missing, Moves, Oids, Refs, Wanted

JSON: Final = "application/json"
PACK: Final = "application/vnd.themis.pack"


class Health(Struct, frozen=True):
    """The answer to whether the server is there."""

    status: Literal["ok"] = "ok"


class Route(NamedTuple):
    """A request and what answers it. `takes` and `gives` are documents, or `bytes` for a pack.

    `scope` is that of the token it needs, None if it needs none. `statuses` are those that mean something of their own
    here.
    """

    method: str
    path: str
    question: str
    summary: str
    takes: type | None
    gives: type
    scope: Scope | None = "read"
    statuses: tuple[int, ...] = ()


ROUTES: Final = (
    Route("GET", "/health", "health", "Is the server there?", None, Health, None),
    Route("GET", "/openapi.json", "openapi", "This description.", None, dict, None),
    Route("GET", "/v1/refs", "refs", "The names and tags, and where they point.", None, Refs),
    Route("POST", "/v1/missing", "missing", "Which of these objects are not here?", Oids, Missing),
    Route("POST", "/v1/objects", "objects", "Some of these objects, as a pack.", Wanted, bytes, "read", (404,)),
    Route("POST", "/v1/packs", "pack", "Store the objects of a pack.", bytes, Counts, "write"),
    Route("POST", "/v1/refs", "move", "Move names and tags, all or none.", Moves, dict[str, str], "write", (409,)),
)
BY_QUESTION: Final = {route.question: route for route in ROUTES}
