"""Where another store is, as a person writes it.

path, file:///path          a store on this machine, or a bundle file
user@host:path, ssh://…     a store at the other end of ssh
http://…, https://…         a store that is served
s3://…, gs://…, az://…      a bucket
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from themis_vcs.errors import RemoteError, UsageError

BUCKETS: Final = ("s3", "gs", "az")
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]", re.ASCII)
_SHORT: Final = re.compile(r"(?:(?P<user>[^@/:]*)@)?(?P<host>\[[^]]*\]|[^/:]+):(?P<path>.*)", re.DOTALL)
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class Address(NamedTuple):
    """An address taken apart. `kind` is "path", "ssh", "http" or "bucket"; `text` is the whole, absolute if a path."""

    kind: str
    text: str
    path: str = ""
    host: str = ""
    user: str = ""
    port: int | None = None

    @property
    def stem(self) -> str:
        """A name for what lies there: the last part of the path, without its suffix."""
        last = next((part for part in reversed(self.path.split("/")) if part not in ("", ".", ".themis")), "")
        name = re.sub(r"[^A-Za-z0-9._-]", "-", last or self.host).strip(".-")
        return re.sub(r"\.(bundle|themis)(\.\d+)?$", "", name) or "store"


def parse(text: str) -> Address:
    """Take an address apart. UsageError, RemoteError if it cannot be one, or would be an option to ssh."""
    if not text or not text.isprintable():
        raise UsageError(f"{text[:80]!r} is not an address")
    scheme = _SCHEME.match(text)
    if scheme is None:
        short = _SHORT.fullmatch(text)
        if short and not os.path.lexists(text):
            return _ssh(text, short["user"], short["host"], None, short["path"])
        return _path(text)
    kind = scheme[1].lower()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{_shown(text)} is not an address: {error}") from None
    if kind == "file":
        return _path(unquote(parts.path))
    if kind not in ("ssh", "http", "https", *BUCKETS):
        hint = "a path, file://, ssh://, user@host:path, http://, https://, s3://, gs:// and az:// lead to a store"
        raise RemoteError(f"{kind}:// is not a way to a store", hint=hint)
    if parts.password is not None or parts.query or parts.fragment or (parts.username and kind != "ssh"):
        raise UsageError(
            f"{_shown(text)} has a credential or a query in it; addresses are stored and shown",
            hint="say where it is: `remote add` takes --token-env VAR, `clone` -c token-env=VAR; ssh asks its agent",
        )
    if kind == "ssh":
        return _ssh(text, parts.username, parts.hostname or "", port, unquote(parts.path))
    if not parts.hostname:
        raise UsageError(f"{text!r} names no {'bucket' if kind in BUCKETS else 'host'}")
    return Address("bucket" if kind in BUCKETS else "http", text, parts.path, parts.hostname, "", port)


def _path(text: str) -> Address:
    absolute = os.path.abspath(Path(text).expanduser())
    return Address("path", absolute, absolute)


def _ssh(text: str, user: str | None, host: str, port: int | None, path: str) -> Address:
    if user is not None and not _USER.fullmatch(user):
        raise UsageError(f"{text!r}: {user!r} cannot be the name of a user")
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    if not _HOST.fullmatch(host):
        raise UsageError(f"{text!r}: {host!r} cannot be the name of a host")
    if not path.isprintable():
        raise UsageError(f"{text!r}: a path has only printable characters")
    path = path.removeprefix("/~/") if path.startswith("/~/") else path.removeprefix("~/")
    if not path or path.startswith("-"):
        raise UsageError(f"{text!r} names no path" if not path else f"{text!r}: a path cannot begin with '-'")
    return Address("ssh", text, path, host.strip("[]"), user or "", port)


def _shown(text: str) -> str:
    """An address without what may be secret in it."""
    return re.sub(r"//[^/@]*@", "//…@", text).split("?")[0].split("#")[0]
