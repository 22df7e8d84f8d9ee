"""Tokens that let somebody use a store that is served: `themis_` and 64 hexadecimal digits, drawn at random.

The store keeps a token's BLAKE3 hash, as a fact that never travels. A plain fast hash is enough: nobody can guess 256
random bits, so there is nothing for a slow one or for salt to protect.
"""

from __future__ import annotations

import hmac
import secrets
import time
from typing import Final, Literal

import msgspec
from blake3 import blake3

from themis_vcs.errors import NotFound, UsageError
from themis_vcs.model import refname
from themis_vcs.store.repository import Repository

Scope = Literal["read", "write"]
_FACT: Final = "token:"
_REVOKED: Final = b""
_PREFIX: Final = "themis_"


class Token(msgspec.Struct, frozen=True):
    """What a store knows of a token. `time` is when it was made, in ns since the epoch."""

    name: str
    scope: Scope
    time: int
    hash: str


def create(repository: Repository, name: str, scope: Scope) -> str:
    """Make a token and return it; it cannot be had again. UsageError if there is one of that name."""
    refname.check(f"tokens/{name}")
    if repository.local(_FACT + name):
        raise UsageError(f"there is a token {name}", hint=f"`themis serve token revoke {name}` ends it")
    text = _PREFIX + secrets.token_hex(32)
    token = Token(name, scope, time.time_ns(), _hash(text))
    repository.commit([], message="", local={_FACT + name: msgspec.json.encode(token)})
    return text


def revoke(repository: Repository, name: str) -> Token:
    """End a token, also for servers that run, and return what was known of it. NotFound."""
    fact = repository.local(_FACT + name)
    if not fact:
        raise NotFound(f"no token {name}", hint="`themis serve token list` lists the tokens")
    repository.commit([], message="", local={_FACT + name: _REVOKED})
    return msgspec.json.decode(fact, type=Token)


def tokens(repository: Repository) -> list[Token]:
    """Return the tokens that are in force, by name."""
    facts = (fact for _, fact in repository.backend.facts(_FACT))
    return [msgspec.json.decode(fact, type=Token) for fact in facts if fact != _REVOKED]


def scope_of(given: str, known: list[Token]) -> Scope | None:
    """Return what a token allows, None if it is not one of those known."""
    hashed = _hash(given)
    return next((token.scope for token in known if hmac.compare_digest(token.hash, hashed)), None)


def _hash(text: str) -> str:
    return blake3(text.encode(errors="surrogateescape")).hexdigest()
