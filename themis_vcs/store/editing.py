"""Changing the settings of a store; what a person wrote around them stays. Each function is all or nothing."""

from __future__ import annotations

from typing import Any

import tomlkit

from themis_vcs.errors import StorageError, UsageError
from themis_vcs.store.layout import replace
from themis_vcs.store.settings import Settings, check_remote, parsed, parts_of


def change(settings: Settings, values: dict[str, str | None]) -> None:
    """Set keys such as `remote.origin.url`; None takes one away. UsageError."""
    document = _document(settings)
    for key, value in values.items():
        section, name = parts_of(key)
        _put(document, [*section, name], None if value is None else parsed(key, value))
    _write(settings, document)


def add_remote(settings: Settings, name: str, values: dict[str, str]) -> None:
    """Add a remote. UsageError if it is there already."""
    check_remote(name)
    if name in settings.remotes():
        raise UsageError(f"remote {name} exists", hint=f"`themis config remote.{name}.url URL` changes its address")
    change(settings, {f"remote.{name}.{key}": value for key, value in values.items()})


def remove_remote(settings: Settings, name: str) -> None:
    """Take a remote away, which is there."""
    document = _document(settings)
    document["remote"].pop(name)
    _write(settings, document)


def rename_remote(settings: Settings, old: str, new: str) -> None:
    """Give a remote, which is there, another name. UsageError if that is taken."""
    check_remote(new)
    if new in settings.remotes():
        raise UsageError(f"remote {new} exists")
    document = _document(settings)
    remotes = document["remote"]
    remotes[new] = remotes.pop(old)
    _write(settings, document)


def _document(settings: Settings) -> Any:
    return tomlkit.parse(settings.file.read_text() if settings.file.exists() else "")


def _write(settings: Settings, document: Any) -> None:
    try:
        replace(settings.file, tomlkit.dumps(document).encode())
    except OSError as error:
        raise StorageError(f"cannot write {settings.file}: {error.strerror}") from error
    settings.data = document.unwrap()


def _put(document: Any, path: list[str], value: object) -> None:
    table = document
    for place, part in enumerate(path[:-1]):
        if part not in table:
            table[part] = tomlkit.table(is_super_table=place + 2 < len(path))
        table = table[part]
    if value is None:
        table.pop(path[-1], None)
    else:
        table[path[-1]] = value
