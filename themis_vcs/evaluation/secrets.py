"""Secrets stay out: found in configurations, taken out of texts, and got from where a reference points.

A secret in an immutable object that was pushed cannot be taken back. So a configuration with a literal secret is
refused with its path, texts from outside are redacted before they are stored, and a component holds a reference:
{"env": "NAME"}, {"file": "PATH"}, {"command": "PROGRAM ARGUMENTS"}, or "env:NAME" and so on as text.

Shapes of tokens are in `token_shapes`. No message of this module contains the value that it is about.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from themis_vcs.errors import UsageError
from themis_vcs.evaluation.token_shapes import find_token, looks_random, redact_tokens, whole_token

REDACTED: Final = "[redacted]"
REFERENCES: Final = ("env", "file", "command")
MAX_SECRET: Final = 64 * 1024
COMMAND_SECONDS: Final = 30.0

_LITERAL = 'a literal where a reference is needed; write { env = "NAME" } to take it from the environment variable NAME'
_MIN_ENV = 8
_MIN_ENV_INSIDE = 16
_ENV_NAME = re.compile(r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NAMES = frozenset({
    *("api_key", "apikey", "x_api_key", "api_token", "apitoken", "auth_token", "access_token", "refresh_token"),
    *("id_token", "bearer_token", "session_token", "oauth_token", "hf_token", "github_token", "gitlab_token"),
    *("slack_token", "bot_token", "secret", "secrets", "client_secret", "secret_key", "secretkey", "access_key"),
    *("secret_access_key", "shared_access_key", "account_key", "private_key", "signing_key", "encryption_key"),
    *("subscription_key", "webhook_secret", "password", "passwd", "passphrase", "pwd", "authorization"),
    *("proxy_authorization", "credential", "credentials", "connection_string", "cookie", "set_cookie"),
})  # fmt: skip
# Names of ordinary things too ("token": "</s>"): here only a value that looks drawn at random is refused.
_AMBIGUOUS = frozenset({"token", "auth", "bearer", "jwt"})
_SUFFIXES = (
    *("_api_key", "_apikey", "_api_token", "_access_token", "_auth_token", "_secret", "_secret_key"),
    *("_access_key", "_private_key", "_password"),
)
_PLACEHOLDER = re.compile(
    r"(?:|empty|none|null|unused|dummy|test|fake|local|not[-_ ]?needed|no[-_ ]?key|sk-no-key-required|x+|\*+|\.+"
    r"|changeme|\$\{?[A-Za-z_][A-Za-z0-9_]{0,60}\}?|<[^<>]{0,60}>|\{[A-Za-z0-9_.]{0,60}\}|your[-_ ][a-z_ -]{0,40})",
    re.IGNORECASE,
)


def find_literals(config: object) -> list[tuple[str, str]]:
    """Every literal secret in a configuration as (path, why); [] means that it may be stored.

    `config` is plain data, msgspec structs included. Paths read `evaluation.judge_models[0].api_key`. Keys are looked
    at like values are. `why` names the kind of secret and never quotes it.
    """
    known = _known_values()
    found = []
    for path, name, value in _leaves(config):
        why = _why_named(name, value) or _why_text(value, known)
        if why is not None:
            found.append((path, why))
    return found


def redact(text: str) -> str:
    """`text` with everything that is shaped like a secret, or is one of this process's own, replaced by [redacted]."""
    for value in _known_values():
        text = text.replace(value, REDACTED)
    return redact_tokens(text, REDACTED)


def redacted(data: Any) -> Any:
    """Plain data with every text in it, keys included, as `redact` leaves it."""
    return _redacted(data, _known_values())


def is_secret(text: str) -> bool:
    """Whether the whole text is a secret: of a known shape, or a secret of this process."""
    if len(text) < _MIN_ENV or len(text) > MAX_SECRET:
        return False
    if any(each.isspace() for each in text) and not text.startswith("-----BEGIN"):
        return False
    return whole_token(text) or (looks_random(text) and text in _known_values())


def is_credential_name(name: str) -> bool:
    """Whether a value of this name is a credential wherever it stands (`api_key`, not `token`)."""
    plain = _snake(name)
    return plain in _NAMES or plain.endswith(_SUFFIXES)


def is_reference(value: object) -> bool:
    """Whether the value says where a secret is, as `resolve_reference` takes it."""
    return _parts(value) is not None


def resolve_reference(reference: object) -> str:
    """The secret that a reference points to, without the line break at its end.

    UsageError if it is no reference, if there is nothing where it points, or if what is there cannot be sent in a
    header (it is empty, has a line break inside, or is not ASCII). A command runs without a shell, for at most
    COMMAND_SECONDS.
    """
    parts = _parts(reference)
    if parts is None:
        raise UsageError(
            "a secret is given as a literal, not as a reference",
            hint='write {"env": "NAME"}, {"file": "PATH"} or {"command": "PROGRAM ARGUMENTS"}',
        )
    kind, where = parts
    value = {"env": _from_env, "file": _from_file, "command": _from_command}[kind](where).strip("\r\n")
    if not value:
        raise UsageError(f"the secret in {kind} {where!r:.80} is empty")
    if not value.isascii() or not value.isprintable():
        raise UsageError(f"the secret in {kind} {where!r:.80} has characters that no header can carry")
    return value


def _redacted(data: Any, known: frozenset[str]) -> Any:
    kind = type(data)
    if kind is str:
        if len(data) < _MIN_ENV:
            return data
        for value in known:
            data = data.replace(value, REDACTED)
        return redact_tokens(data, REDACTED)
    if kind is list:
        return [_redacted(each, known) for each in data]
    if kind is dict:
        return {_redacted(name, known): _redacted(value, known) for name, value in data.items()}
    return data


def _from_env(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise UsageError(f"environment variable {name!r:.80} is not set", hint="export it, then run again")
    return value


def _from_file(path: str) -> str:
    try:
        with open(os.path.expanduser(path), "rb") as file:
            data = file.read(MAX_SECRET + 1)
    except OSError as error:
        raise UsageError(f"the secret in file {path!r:.200} cannot be read: {error.strerror}") from error
    if len(data) > MAX_SECRET:
        raise UsageError(f"file {path!r:.200} is over {MAX_SECRET:,} bytes: that is no secret")
    return data.decode("latin-1")


def _from_command(command: str) -> str:
    try:
        # What it prints on stderr may hold what it must not show.
        done = subprocess.run(
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        reason = f"took more than {COMMAND_SECONDS:g} s" if isinstance(error, subprocess.TimeoutExpired) else error
        raise UsageError(f"the command for a secret, {command!r:.80}, failed: {reason}") from error
    if done.returncode:
        raise UsageError(f"the command for a secret, {command!r:.80}, failed with status {done.returncode}")
    return done.stdout[: MAX_SECRET + 1].decode("latin-1")


def _parts(value: object) -> tuple[str, str] | None:
    """(kind, where) of a reference."""
    if isinstance(value, Mapping) and len(value) == 1:
        [(kind, where)] = value.items()
    elif isinstance(value, str):
        kind, _, where = value.partition(":")
    else:
        return None
    return (kind, where) if kind in REFERENCES and isinstance(where, str) and where else None


def _leaves(value: Any) -> Iterator[tuple[str, str, Any]]:
    """(path, name, value) of every scalar and of every key; a list's items have the name of the list."""
    stack: list[tuple[Any, str, str]] = [(value, "", "")]
    seen: set[int] = set()
    while stack:
        value, path, name = stack.pop()
        if isinstance(value, msgspec.Struct):
            value = msgspec.structs.asdict(value)
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            if id(value) in seen:
                continue
            seen.add(id(value))
        reference = _parts(value) if isinstance(value, Mapping) else None
        if reference is not None:
            yield path, "", reference[1]
        elif isinstance(value, Mapping):
            inner = [(item, _below(path, str(key)), str(key)) for key, item in value.items()]
            stack.extend(reversed(inner))
            yield from ((where, "", key) for _, where, key in inner)
        elif isinstance(value, list | tuple | set | frozenset):
            stack.extend((item, f"{path}[{index}]", name) for index, item in reversed(list(enumerate(value))))
        else:
            yield path, name, value.decode("latin-1") if isinstance(value, bytes) else value


def _below(path: str, key: str) -> str:
    shown = REDACTED if find_token(key) is not None else key
    return f"{path}.{shown}" if path else shown


def _why_named(name: str, value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value)
    if is_reference(text) or _PLACEHOLDER.fullmatch(text[:200]):
        return None
    if is_credential_name(name):
        return _LITERAL
    if _snake(name) in _AMBIGUOUS and isinstance(value, str) and looks_random(text):
        return _LITERAL
    return None


def _why_text(value: object, known: frozenset[str]) -> str | None:
    if not isinstance(value, str):
        return None
    if value in known or any(each in value for each in known if len(each) >= _MIN_ENV_INSIDE):
        return "the value of a secret environment variable"
    kind = find_token(value)
    return None if kind is None else f"contains {kind}"


def _known_values() -> frozenset[str]:
    return frozenset(
        value for name, value in os.environ.items() if len(value) >= _MIN_ENV and _ENV_NAME.search(name.upper())
    )


def _snake(name: str) -> str:
    return _CAMEL.sub("_", name).replace("-", "_").replace(" ", "_").lower()
