"""What can be wrong with a server that is asked, in words that say what to do. No word of theirs holds a secret."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import httpx2

from themis_vcs.errors import RemoteError
from themis_vcs.evaluation.secrets import redact

HINTS: Final = {
    401: "remote.NAME.token-env, token-file or token-command says where the token is; a clone takes -c token-env=VAR",
    403: "a token with the scope write is needed, and a store that is not served for reading only",
    404: "look at the URL of the remote: is it that of a store, as `themis serve` prints it?",
    413: "the server takes smaller packs only; whoever runs it sets that by --max-pack",
}
"""By HTTP status."""


class Unreachable(NamedTuple):
    """Why there is no connection, and whether it may be had a moment later."""

    error: RemoteError
    may_pass: bool = False


def unreachable(name: str, error: httpx2.TransportError) -> Unreachable:
    """Say why a connection cannot be had."""
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                hint = "it has to be renewed there, or its issuer given in a file by remote.NAME.ca"
                return Unreachable(
                    RemoteError(f"{name}: its certificate is refused: {cause.verify_message}", hint=hint)
                )
            case ssl.SSLError():
                hint = "look at the URL of the remote: https or http?"
                return Unreachable(RemoteError(f"{name}: no TLS with it: {cause.reason or 'it fails'}", hint=hint))
            case socket.gaierror():
                hint = "look at the URL of the remote, and at the network"
                return Unreachable(RemoteError(f"{name}: its host is not known: {cause.strerror}", hint=hint))
            case ConnectionRefusedError():
                hint = "is `themis serve` running there, at this port?"
                return Unreachable(RemoteError(f"{name}: the connection is refused", hint=hint), may_pass=True)
    what = "no connection in time" if isinstance(error, httpx2.TimeoutException) else "no connection"
    return Unreachable(
        RemoteError(f"{name}: {what}", hint="look at the network, and repeat the command"), may_pass=True
    )


def redirected(name: str, status: int, location: str) -> RemoteError:
    """Say that a server sends us elsewhere, where a token must not go."""
    try:
        parts = urlsplit(location)
        place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else parts.path
    except ValueError:
        place = ""
    where = redact(place[:200]) or "another place"
    return RemoteError(
        f"{name}: HTTP {status} leads to {where}, and is not followed",
        hint="if that is right, make it the URL of the remote",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
