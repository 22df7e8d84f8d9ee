"""Who may ask what: tokens and their scopes, and who needs none."""

from __future__ import annotations

import ipaddress
from typing import Literal
from urllib.parse import urlsplit

from themis_vcs.store.repository import Repository
from themis_vcs.transfer.http import tokens
from themis_vcs.transfer.http.refusal import Refused
from themis_vcs.transfer.http.tokens import Scope

Open = Literal["nobody", "this machine", "everybody"]


class Access:
    """Lets requests in. `open_to` says who needs no token, for as long as the store has none."""

    def __init__(self, repository: Repository, open_to: Open, *, writable: bool) -> None:
        self._repository, self._open_to, self._writable = repository, open_to, writable

    def check(self, needed: Scope, authorization: str, host: str) -> None:
        """Refused, 401 or 403, unless the headers Authorization and Host are such that the scope is granted."""
        known = tokens.tokens(self._repository)
        if known or self._open_to == "nobody":
            self._check_token(needed, authorization, known)
        elif self._open_to == "this machine" and not is_loopback(_hostname(host)):
            # A page in a browser here that has its own name lead to this machine.
            raise Refused(403, "without a token, this store is served under the names of this machine only")
        if needed == "write" and not self._writable:
            raise Refused(403, "this store is served for reading only")

    def _check_token(self, needed: Scope, authorization: str, known: list[tokens.Token]) -> None:
        scheme, _, given = authorization.partition(" ")
        granted = tokens.scope_of(given.strip(), known) if scheme.lower() == "bearer" else None
        if granted is None:
            what = "this token is not known" if authorization else "a token is needed"
            hint = "`themis serve token create` makes one where the store is"
            raise Refused(401, what, hint=hint, www_authenticate='Bearer realm="themis"')
        if needed == "write" and granted != "write":
            raise Refused(403, "this token is for reading only", hint="ask for one with the scope write")


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine by its name or address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _hostname(authority: str) -> str:
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""
