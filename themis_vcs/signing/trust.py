"""The trust file: which keys are trusted, for which refs and stores (SIG-17). Changing it is in `trust_editing`."""

from __future__ import annotations

import datetime
import os
import re
import stat
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, NamedTuple

from themis_vcs.errors import ConfigurationError, NotFound, StorageError, ThemisError
from themis_vcs.signing.ed25519 import PublicKey, parse

VARIABLE: Final = "THEMIS_TRUST"
MAX_FILE: Final = 1 << 20
NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}", re.ASCII)
_PATTERN: Final = re.compile(r"[A-Za-z0-9_./*?\[\]!-]{1,200}", re.ASCII)
_STORE: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_FIELDS: Final = {"key", "refs", "stores", "revoked"}


class Revocation(NamedTuple):
    """When and why a key was revoked."""

    time: datetime.datetime
    reason: str


class TrustedKey(NamedTuple):
    """A key in the trust file; a revoked one stands there so that its signatures are refused by name."""

    name: str
    key: PublicKey
    refs: tuple[str, ...]
    stores: tuple[str, ...] = ()
    revoked: Revocation | None = None

    def allows(self, ref: str) -> bool:
        """Say whether a pattern fits the full name of a ref."""
        return any(fnmatchcase(ref, pattern) for pattern in self.refs)


class Trust(NamedTuple):
    """Who is trusted."""

    keys: tuple[TrustedKey, ...] = ()
    source: str = ""

    def find(self, key: PublicKey) -> TrustedKey | None:
        """Return what is said of a key."""
        return next((each for each in self.keys if each.key == key), None)

    @property
    def hexes(self) -> frozenset[str]:
        """How refs call the keys."""
        return frozenset(each.key.hex for each in self.keys)

    @property
    def valid(self) -> list[PublicKey]:
        """The keys that are not revoked."""
        return [each.key for each in self.keys if each.revoked is None]


def configuration() -> Path:
    """Return the directory of what belongs to a person: `$XDG_CONFIG_HOME/themis`."""
    home = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path.home() / ".config") / "themis"


def trust_file(given: Path | None = None) -> Path:
    """Return where the trust file is: what is given, else THEMIS_TRUST, else the one of the person."""
    if given is not None:
        return given
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else configuration() / "trust.toml"


def read_trust(given: Path | None = None) -> Trust:
    """Return who is trusted; nobody if there is no file and none was named.

    NotFound, ConfigurationError, StorageError.
    """
    path = trust_file(given)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        if given is None and VARIABLE not in os.environ:
            return Trust((), str(path))
        raise NotFound(f"there is no trust file {path}", hint="`themis key trust` makes one") from None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        _check_owner(path, os.fstat(file.fileno()))
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise StorageError(f"{path} has over {MAX_FILE:,} bytes, and is no trust file")
    return parse_trust(data, str(path))


def _check_owner(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise StorageError(f"{path} is not a file")
    if found.st_uid not in (os.getuid(), 0) or found.st_mode & 0o022:
        raise StorageError(
            f"{path} can be written by others, who could have added keys", hint=f"look at it, then chmod 600 {path}"
        )


def parse_trust(data: bytes, source: str) -> Trust:
    """Return what a trust file says. ConfigurationError with every problem."""
    import tomllib  # noqa: PLC0415

    try:
        document = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(source, [("", str(error))]) from error
    problems = [(name, "not a part of a trust file; it has keys") for name in document.keys() - {"keys"}]
    tables = document.get("keys", {})
    if not isinstance(tables, dict):
        problems, tables = [*problems, ("keys", "not tables, one for each key")], {}
    keys: list[TrustedKey] = []
    for name, table in tables.items():
        found = list(_problems(name, table))
        problems += [(f"keys.{name}", what) for what in found]
        if not found:
            made = _trusted(name, table)
            same = next((each.name for each in keys if each.key == made.key), None)
            if same is not None:
                problems.append((f"keys.{name}", f"the same key as {same}"))
            keys.append(made)
    if problems:
        raise ConfigurationError(source, problems)
    return Trust(tuple(keys), source)


def _problems(name: str, table: Any) -> Iterator[str]:
    if not NAME.fullmatch(name):
        yield "a name has letters, digits and _ . @ - only"
    if not isinstance(table, dict):
        yield "not a table"
        return
    unknown = table.keys() - _FIELDS
    if unknown:
        yield f"{', '.join(sorted(unknown))}: not known; there are {', '.join(sorted(_FIELDS))}"
    try:
        parse(table["key"] if isinstance(table.get("key"), str) else "")
    except ThemisError as error:
        yield f"key: {error.message}"
    if not table.get("refs") or not _texts(table["refs"], _PATTERN):
        yield "refs: a list of patterns of full names of refs, as in names/paper*"
    if not _texts(table.get("stores", []), _STORE):
        yield "stores: a list of ids of stores, of 32 hexadecimal digits"
    revoked = table.get("revoked")
    if revoked is not None and not _is_revocation(revoked):
        yield "revoked: a table with time (with a time zone) and reason"


def _texts(value: Any, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) and pattern.fullmatch(each) for each in value)


def _is_revocation(value: Any) -> bool:
    if not isinstance(value, dict) or value.keys() != {"time", "reason"} or not isinstance(value["reason"], str):
        return False
    time = value["time"]
    return isinstance(time, datetime.datetime) and time.tzinfo is not None


def _trusted(name: str, table: dict[str, Any]) -> TrustedKey:
    revoked = table.get("revoked")
    refs: Sequence[str] = table["refs"]
    return TrustedKey(
        name,
        parse(table["key"])[0],
        tuple(refs),
        tuple(table.get("stores", ())),
        None if revoked is None else Revocation(revoked["time"], revoked["reason"]),
    )
