"""Changing the trust file; what a person wrote around its keys stays. Each function is all or nothing."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomlkit

from themis_vcs.errors import NotFound, StorageError, UsageError
from themis_vcs.signing.ed25519 import PublicKey
from themis_vcs.signing.trust import Trust, TrustedKey, parse_trust, read_trust, trust_file
from themis_vcs.store.layout import replace


def trust(path: Path | None, name: str, key: PublicKey, refs: Sequence[str], stores: Sequence[str]) -> TrustedKey:
    """Trust a key for refs, and for signatures of other stores, in place of those that it was trusted for before.

    UsageError if the name is another key's, the key has another name, or is revoked.
    """
    before = _read(path)
    for each in before.keys:
        if each.key == key and each.revoked is not None:
            raise UsageError(f"key {each.name} was revoked: {each.revoked.reason}", hint="generate a new key")
        if each.key == key and each.name != name:
            hint = f"--as {each.name} with --ref PATTERN says anew what it may sign; another name is given in the file"
            raise UsageError(f"it is trusted already, as {each.name}", hint=hint)
        if each.key != key and each.name == name:
            raise UsageError(f"{name} is another key, {each.key.fingerprint}", hint="trust it under another name")
    document = _document(path)
    keys = document.setdefault("keys", tomlkit.table(is_super_table=True))
    table = keys.setdefault(name, tomlkit.table())
    table["key"], table["refs"] = key.openssh, list(refs)
    table.pop("stores", None)
    if stores:
        table["stores"] = list(stores)
    return next(each for each in _write(path, document).keys if each.name == name)


def revoke(path: Path | None, given: str, reason: str, time: datetime.datetime) -> TrustedKey:
    """Revoke the key that a name or a fingerprint means. NotFound; UsageError if it is revoked already."""
    for each in _read(path).keys:
        if given in (each.name, each.key.fingerprint):
            break
    else:
        raise NotFound(f"no trusted key {given}", hint="`themis key list` lists the keys")
    if each.revoked is not None:
        raise UsageError(f"{each.name} is revoked already: {each.revoked.reason}")
    document = _document(path)
    document["keys"][each.name]["revoked"] = {"time": time.replace(microsecond=0), "reason": reason}
    return next(found for found in _write(path, document).keys if found.name == each.name)


def _read(path: Path | None) -> Trust:
    return read_trust(path) if trust_file(path).exists() else Trust()


def _document(path: Path | None) -> Any:
    file = trust_file(path)
    return tomlkit.parse(file.read_text() if file.exists() else "# Whose signatures count, and for which refs.\n")


def _write(path: Path | None, document: Any) -> Trust:
    file, data = trust_file(path), tomlkit.dumps(document).encode()
    found = parse_trust(data, str(file))
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace(file, data)
    except OSError as error:
        raise StorageError(f"cannot write {file}: {error.strerror}") from error
    return found
