"""Public keys: Ed25519 as OpenSSH writes them, their fingerprints, and whether a signature is of one (SIG-1, SIG-2)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from themis_vcs.errors import UsageError

TYPE: Final = "ssh-ed25519"
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
HEX_DIGITS: Final = 32
"""So many digits of the SHA-256 of a key name it in refs."""
MAX_LINE: Final = 8_192

_HEAD: Final = len(TYPE).to_bytes(4, "big") + TYPE.encode() + KEY_BYTES.to_bytes(4, "big")
_PRIME: Final = 2**255 - 19
_SMALL_ORDER: Final = frozenset(
    {
        0,
        1,
        _PRIME - 1,
        int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
        int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
    }
)
"""The y of the eight points whose order divides 8: under such a key some signatures fit every text."""


@dataclass(frozen=True)
class PublicKey:
    """A public key that `public_key` or `parse` has accepted."""

    raw: bytes

    @property
    def blob(self) -> bytes:
        """The key as OpenSSH sends it."""
        return _HEAD + self.raw

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the blob."""
        return hashlib.sha256(self.blob).digest()

    @property
    def fingerprint(self) -> str:
        """What people call it: `SHA256:…`."""
        return "SHA256:" + base64.b64encode(self.digest).decode().rstrip("=")

    @property
    def hex(self) -> str:
        """What names of refs call it."""
        return self.digest.hex()[:HEX_DIGITS]

    @property
    def openssh(self) -> str:
        """The line of a `.pub` file, without a comment."""
        return f"{TYPE} {base64.b64encode(self.blob).decode()}"

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Say whether a signature of this key is over `data`."""
        # cryptography takes longer to load than most commands take.
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True


def public_key(raw: bytes) -> PublicKey:
    """Return the key of 32 bytes. UsageError if no honest signer has such a key (SIG-1)."""
    if len(raw) != KEY_BYTES:
        raise UsageError(f"an Ed25519 key has {KEY_BYTES} bytes, not {len(raw)}")
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _PRIME:
        raise UsageError("this public key is not canonical", hint="generate a new key; this one was not made by one")
    if y in _SMALL_ORDER:
        raise UsageError(
            "this public key is a point of small order, under which a signature can fit any text",
            hint="nobody has such a key by chance; do not trust where it comes from",
        )
    return PublicKey(raw)


def from_blob(blob: bytes) -> PublicKey:
    """Return the key that OpenSSH sends so. UsageError."""
    if blob[: len(_HEAD)] != _HEAD:
        length = int.from_bytes(blob[:4], "big")
        kind = blob[4 : 4 + length] if length <= 64 else b""
        raise other_type(kind.decode("ascii", "replace"))
    return public_key(blob[len(_HEAD) :])


def parse(line: str) -> tuple[PublicKey, str]:
    """Return the key in a line of a `.pub` or `authorized_keys` file, and its comment. UsageError."""
    kind, _, rest = line.strip()[:MAX_LINE].partition(" ")
    text, _, comment = rest.strip().partition(" ")
    if kind != TYPE:
        raise other_type(kind)
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise UsageError(f"the public key is no base64: {error}") from error
    return from_blob(blob), comment.strip()


def other_type(kind: str, where: str = "") -> UsageError:
    """Return the error for a key of a type that is not taken."""
    shown = "".join(each for each in kind[:40] if each.isprintable())
    if not shown.startswith(("ssh-", "ecdsa-", "sk-", "rsa-")):
        return UsageError("this is no public key of OpenSSH", hint="it is one line: ssh-ed25519 AAAA… COMMENT")
    hint = "only ssh-ed25519 is taken; `ssh-keygen -t ed25519` or `themis key generate` makes such a key"
    if shown.startswith("sk-"):
        hint += ". FIDO keys sign more than they are given; a token that an ssh-agent serves as ssh-ed25519 works"
    return UsageError(f"{where}{': ' if where else ''}a key of type {shown} cannot be used", hint=hint)
