"""Requests that are refused before the store is asked, and the HTTP status of every error (WIRE-10)."""

from __future__ import annotations

from typing import Final

from themis_vcs.errors import ThemisError, UsageError
from themis_vcs.transfer import messages
from themis_vcs.transfer.messages import Failed

SECONDS: Final = "1"
"""After how long who got 503 may ask again."""

_STATUSES: Final = {
    "usage": 400,
    "data": 400,
    "wrong-kind": 400,
    "malformed-pack": 400,
    "missing-reference": 400,
    "unknown-format": 400,
    "not-found": 404,
    "object-not-found": 404,
    "ref-conflict": 409,
    "busy": 503,
}
"""By the code of an error; 500 for the others, which are not the fault of who asked."""


class Refused(UsageError):
    """A request that cannot be meant, with the HTTP status for it and with headers that belong to that."""

    def __init__(self, status: int, message: str, *, hint: str | None = None, **headers: str) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def status_of(error: ThemisError) -> int:
    """Return the HTTP status for an error."""
    return error.status if isinstance(error, Refused) else _STATUSES.get(error.code, 500)


def refused(error: ThemisError) -> tuple[int, Failed, dict[str, str]]:
    """Return the status, the document and the headers that say what was wrong."""
    status = status_of(error)
    headers = error.headers if isinstance(error, Refused) else {}
    return status, messages.failed(error), {"retry-after": SECONDS, **headers} if status == 503 else headers
