"""The description of the server in OpenAPI 3.1, made from the table of routes and from the documents of the wire."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from themis_vcs.transfer.http.routes import JSON, PACK, ROUTES, Route
from themis_vcs.transfer.messages import Failed

STATUSES: Final = {
    400: "The document, or the pack, is not sound.",
    401: "A token is needed, or this one is not known.",
    403: "The token is for reading only, or the store is.",
    404: "What was asked for is not here.",
    405: "This path has other methods.",
    408: "The request came too slowly.",
    409: "A ref was not where it was expected; nothing was changed.",
    411: "The length of the body was not given.",
    413: "The body is longer than it may be.",
    415: "The body is of another media type.",
    431: "The head of the request is too long.",
    500: "The store is damaged, or its medium failed.",
    503: "The store, or the server, is busy.",
}
_ALWAYS: Final = (400, 405, 408, 413, 431, 500, 503)
_WITH_TOKEN: Final = (401, 403)
_WITH_BODY: Final = (411, 415)
_PACK: Final = {"type": "string", "contentMediaType": PACK}


def description() -> dict[str, Any]:
    """Return the whole document."""
    kinds = {kind for route in ROUTES for kind in (route.takes, route.gives) if _is_document(kind)}
    ordered = [*sorted(kinds, key=str), Failed]
    schemas, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "A themis store", "version": "1", "description": "The wire of themis, over HTTP."},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def statuses(route: Route) -> list[int]:
    """Return the statuses other than 200 that a route answers with."""
    found = {*_ALWAYS, *route.statuses}
    found.update(_WITH_TOKEN if route.scope is not None else ())
    found.update(_WITH_BODY if route.takes is not None else ())
    return sorted(found)


def _operation(route: Route, schema_of: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    error = {JSON: {"schema": schema_of[Failed]}}
    responses: dict[str, Any] = {
        "200": {"description": "The answer.", "content": _content(route.gives, schema_of)},
        **{str(status): {"description": STATUSES[status], "content": error} for status in statuses(route)},
    }
    operation: dict[str, Any] = {"operationId": route.question, "summary": route.summary, "responses": responses}
    if route.takes is not None:
        operation["requestBody"] = {"required": True, "content": _content(route.takes, schema_of)}
    if route.scope is not None:
        operation["security"] = [{}, {"token": []}]
    return operation


def _content(kind: type, schema_of: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    return {PACK: {"schema": _PACK}} if kind is bytes else {JSON: {"schema": schema_of[kind]}}


def _is_document(kind: type | None) -> bool:
    return kind is not None and kind is not bytes
