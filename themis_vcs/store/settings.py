"""The settings of a store: the file `config.toml` in its directory, which people may edit.

Credentials are not in it, only where to find them. Not responsible for changing it (`editing`), nor for experiments,
which have files of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from themis_vcs.errors import ConfigurationError, StorageError, ThemisError, UsageError
from themis_vcs.model import refname
from themis_vcs.store.layout import Layout

TRUST: Final = ("all", "signed", "local")
Failed = Literal["exclude", "zero"]
FAILED: Final[tuple[Failed, ...]] = ("exclude", "zero")


class Setting(NamedTuple):
    """What a setting is for, and the value of a text; ValueError or ThemisError if it cannot be one."""

    what: str
    value: Callable[[str], object]


def _text(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("it must be text of printable characters")
    return text


def _address(text: str) -> str:
    from themis_vcs.store.address import parse  # noqa: PLC0415

    return parse(text).text


def _variable(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text, re.ASCII) or re.fullmatch(r"themis_[0-9a-f]{64}", text):
        raise ValueError("it must be the name of an environment variable, not its value")
    return text


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("it must be true or false")
    return text.lower() == "true"


def _days(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII):
        raise ValueError("it must be a whole number of days")
    return int(text)


def _one_of(*choices: str) -> Callable[[str], str]:
    def chosen(text: str) -> str:
        if text not in choices:
            raise ValueError(f"it must be one of {', '.join(choices)}")
        return text

    return chosen


REMOTE: Final = {
    "url": Setting("where the store is", _address),
    "token-env": Setting("the environment variable that holds the token", _variable),
    "token-file": Setting("the file that holds the token", _text),
    "token-command": Setting("the command that prints the token", _text),
    "ca": Setting("the file with the certificates to trust", _text),
    "themis": Setting("the command that is themis at the other end of ssh", _text),
    "endpoint": Setting("the address of the service that has the bucket", _text),
    "region": Setting("the region of the bucket", _text),
    "allow-http": Setting("whether the bucket may be reached without TLS", _flag),
    "require-signed": Setting("patterns of names and tags that must be signed when they are fetched", _text),
    "single-writer": Setting("whether nobody else writes to the bucket, so that it need not compare", _flag),
}
CACHE: Final = {
    "trust": Setting("whose results are reused: all, signed (those with a trusted signature) or local", _one_of(*TRUST))
}
ANALYSIS: Final = {
    "failed": Setting("what cases without a score are in comparisons: exclude or zero", _one_of(*FAILED))
}
GC: Final = {
    "grace": Setting("how many days objects stay that nothing reaches", _days),
    "reflog": Setting("how many days the moves of refs stay on record, with what they came from", _days),
}
_SECTIONS: Final = {"analysis": ANALYSIS, "cache": CACHE, "gc": GC}
"""The settings that are there once, by section; those of remotes are there for each."""


class Settings:
    """The settings of the store directory `path`. ConfigurationError if the file has something that is none."""

    def __init__(self, path: Path) -> None:
        self.file = Layout(path).config
        self.data: dict[str, Any] = {}
        if self.file.exists():
            import tomllib  # noqa: PLC0415

            try:
                self.data = tomllib.loads(self.file.read_text())
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise ConfigurationError(str(self.file), [("", str(error))]) from error
            except OSError as error:
                raise StorageError(f"cannot read {self.file}: {error.strerror}") from error
            self._check()

    def remotes(self) -> dict[str, dict[str, Any]]:
        """Return the settings of every remote, by its name."""
        return dict(self.data.get("remote", {}))

    @property
    def trust(self) -> str:
        """Whose results are reused."""
        return str(self.data.get("cache", {}).get("trust", TRUST[0]))

    @property
    def failed(self) -> Failed:
        """What cases without a score are in comparisons: left out, or zeros."""
        return "zero" if self.data.get("analysis", {}).get("failed") == "zero" else "exclude"

    def days(self, name: str, default: float) -> float:
        """Return how many days `gc.NAME` says."""
        return float(self.data.get("gc", {}).get(name, default))

    def items(self) -> list[tuple[str, Any]]:
        """Return what is set, as (key, value) by key."""
        found = [(f"{section}.{name}", value) for section in _SECTIONS for name, value in self._section(section)]
        for remote, settings in self.remotes().items():
            found += [(f"remote.{remote}.{name}", value) for name, value in settings.items()]
        return sorted(found)

    def _section(self, name: str) -> list[tuple[str, Any]]:
        return list(self.data.get(name, {}).items())

    @staticmethod
    def check_key(key: str) -> None:
        """UsageError if there is no such setting."""
        parts_of(key)

    def _check(self) -> None:
        problems = []
        for section, values in self.data.items():
            tables = {section: values} if section in _SECTIONS else values if section == "remote" else None
            if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
                problems.append((section, "not a setting of a store"))
                continue
            known = _SECTIONS.get(section, REMOTE)
            for table, settings in tables.items():
                where = section if section in _SECTIONS else f"{section}.{table}"
                problems += [(f"{where}.{name}", _problem(known, name, value)) for name, value in settings.items()]
        problems = [(path, what) for path, what in problems if what]
        if problems:
            raise ConfigurationError(str(self.file), problems)


def _problem(known: dict[str, Setting], name: str, value: object) -> str:
    if name not in known:
        return f"not a setting; there are {', '.join(known)}"
    text = str(value).lower() if isinstance(value, bool | int) else value
    try:
        found = known[name].value(text) if isinstance(text, str) else None
        return "" if type(found) is type(value) else "not of the right type"
    except (ValueError, ThemisError) as error:
        return str(error)


def check_remote(name: str) -> str:
    """Return `name` if it can name a remote. UsageError."""
    if "/" in name:
        raise UsageError(f"{name!r} cannot name a remote: it has a '/'")
    refname.check(f"remotes/{name}/x")
    return name


def parts_of(key: str) -> tuple[list[str], str]:
    """Return the tables and the name of a key."""
    section, _, rest = key.partition(".")
    if rest in _SECTIONS.get(section, ()):
        return [section], rest
    remote, _, name = rest.rpartition(".")
    if section == "remote" and remote and name in REMOTE:
        return [section, check_remote(remote)], name
    keys = [f"{name}.{each}" for name, known in _SECTIONS.items() for each in known]
    keys += [f"remote.NAME.{each}" for each in REMOTE]
    raise UsageError(f"{key!r} is not a setting", hint=f"there are {', '.join(keys)}")


def parsed(key: str, value: str) -> object:
    """Return the value that a text gives a key. UsageError."""
    section, name = parts_of(key)
    try:
        return _SECTIONS.get(section[0], REMOTE)[name].value(value)
    except ValueError as error:
        shown = "this" if name.startswith("token") else repr(value[:80])  # It may be the token itself.
        raise UsageError(f"{key} cannot be {shown}: {error}") from error
