"""Private keys in files of OpenSSH: making them, listing them, signing with them (SIG-3)."""

from __future__ import annotations

import base64
import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from themis_vcs.errors import NotFound, StorageError, ThemisError, UsageError
from themis_vcs.signing.ed25519 import MAX_LINE, PublicKey, other_type, parse, public_key
from themis_vcs.signing.trust import configuration
from themis_vcs.store.layout import sync

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_FILE: Final = 64 * 1024
NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}", re.ASCII)
_BEGINNING: Final = b"-----BEGIN OPENSSH PRIVATE KEY-----"

Passphrase = Callable[[str], bytes]
"""Gives the passphrase of the key that a text describes."""


class OwnKey(NamedTuple):
    """A key in the directory of the person."""

    name: str
    key: PublicKey
    path: Path


class FileSigner:
    """Signs with a private key that was read."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.key = public_key(private.public_key().public_bytes_raw())

    @property
    def key_id(self) -> str:
        return self.key.fingerprint

    def sign(self, data: bytes) -> bytes:
        return self._private.sign(data)


def directory() -> Path:
    """Return where the keys of the person are."""
    return configuration() / "keys"


def own_keys() -> list[OwnKey]:
    """Return the keys in the directory of the person, by name. One whose `.pub` cannot be read is passed over."""
    found = []
    for path in sorted(directory().glob("*.pub")):
        with suppress(ThemisError, OSError):
            found.append(OwnKey(path.stem, read_public(path), path.with_suffix("")))
    return found


def read_public(path: Path) -> PublicKey:
    """Return the key in a `.pub` file. UsageError, StorageError."""
    try:
        with path.open("rb") as file:
            line = file.read(MAX_LINE)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    try:
        return parse(line.decode("utf-8", "replace").split("\n")[0])[0]
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint) from error


def generate(name: str, passphrase: bytes) -> OwnKey:
    """Make a key, protected by a passphrase unless that is empty. UsageError if there is one of that name."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    if not NAME.fullmatch(name) or name.endswith(".pub"):
        raise UsageError(f"{name[:80]!r} cannot name a key", hint="letters, digits and _ . @ - are allowed")
    private = Ed25519PrivateKey.generate()
    protection: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    )
    secret = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, protection)
    key = public_key(private.public_key().public_bytes_raw())
    path = directory() / name
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        _new(path, secret)
        _new(path.with_name(f"{name}.pub"), f"{key.openssh} {name}\n".encode())
        sync(path.parent)
    except FileExistsError:
        raise UsageError(f"there is a key {name} already, {path}", hint="take another name") from None
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from error
    return OwnKey(name, key, path)


def _new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, for its owner alone; all of it or nothing."""
    parts = path.with_name(f".{path.name}-{os.urandom(8).hex()}")
    handle = os.open(parts, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(parts, path)  # Unlike a rename, it takes no file's place.
    finally:
        parts.unlink()


def load(path: Path, passphrase: Passphrase) -> FileSigner:
    """Return what signs with the private key in a file. UsageError, NotFound, StorageError."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        PublicFormat,
        load_ssh_private_key,
    )

    data = _private(path)
    try:
        try:
            private = load_ssh_private_key(data, None)
        except TypeError:  # It has a passphrase.
            private = load_ssh_private_key(data, passphrase(str(path)))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path} cannot be read: the passphrase is wrong, or it is damaged") from error
    if not isinstance(private, Ed25519PrivateKey):
        public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        raise other_type(public.split()[0].decode(), str(path))
    signer = FileSigner(private)
    # The public half stands in the file, and cryptography does not compare it.
    if signer.key.blob not in base64.b64decode(b"".join(data.strip().splitlines()[1:-1])):
        raise UsageError(f"{path} is damaged: its halves are of two keys", hint="get it back from a copy")
    return signer


def _private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            data = file.read(MAX_FILE + 1) if stat.S_ISREG(found.st_mode) else b""
    except FileNotFoundError:
        raise NotFound(f"there is no key {path}", hint="`themis key list` lists the keys") from None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    if not data.startswith(_BEGINNING) or len(data) > MAX_FILE:
        hint = f"`ssh-keygen -p -f {path}` writes one that is" if b"PRIVATE KEY" in data[:80] else None
        raise UsageError(f"{path} is no private key in OpenSSH's format", hint=hint)
    if found.st_mode & 0o077:
        hint = f"chmod 600 {path}; make a new key if somebody did"
        raise UsageError(f"others can read the private key {path}", hint=hint)
    return data
