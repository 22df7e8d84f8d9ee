"""Which key a person means: one of their own by name, a file, or one that the ssh-agent holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Protocol

from themis_vcs.errors import NotFound, UsageError
from themis_vcs.signing import agent, keyfiles
from themis_vcs.signing.agent import AgentSigner
from themis_vcs.signing.ed25519 import PublicKey, parse
from themis_vcs.signing.envelope import Signer
from themis_vcs.signing.keyfiles import OwnKey, Passphrase
from themis_vcs.signing.trust import read_trust

VARIABLE: Final = "THEMIS_KEY"


class KeySigner(Signer, Protocol):
    """Signs with a key, and says which."""

    key: PublicKey


def signer(given: str | None, passphrase: Passphrase) -> KeySigner:
    """Return what signs with the key that is given, else with that of THEMIS_KEY, else with the only one there is.

    A key is given by its name, its fingerprint, the path of an OpenSSH key, or that of a `.pub` file whose private half
    the ssh-agent holds. NotFound; UsageError, also for a key that the trust file of the person says was revoked.
    """
    found = _signer(given, passphrase)
    known = read_trust().find(found.key)
    if known is not None and known.revoked is not None:
        hint = "its signatures count for nothing; --key names another, `themis key generate NAME` makes one"
        raise UsageError(f"the key {known.name} was revoked: {known.revoked.reason}", hint=hint)
    return found


def _signer(given: str | None, passphrase: Passphrase) -> KeySigner:
    given = given or os.environ.get(VARIABLE)
    own = keyfiles.own_keys()
    if given is None:
        return _only(own, passphrase)
    named = next((each for each in own if given in (each.name, each.key.fingerprint)), None)
    if named is not None:
        return keyfiles.load(named.path, passphrase)
    if given.startswith("SHA256:"):
        return _held(given)
    path = Path(given).expanduser()
    if path.suffix == ".pub":
        key = keyfiles.read_public(path)
        private = path.with_suffix("")
        return keyfiles.load(private, passphrase) if private.exists() else _held(key.fingerprint)
    if "/" in given or path.exists():
        return keyfiles.load(path, passphrase)
    known = ", ".join(each.name for each in own) or "none yet"
    raise NotFound(f"no key {given!r}", hint=f"there are {known}; a path or a fingerprint works too")


def public(given: str) -> PublicKey:
    """Return the public key that a text means: a line of OpenSSH, a `.pub` file, the name of an own key, or the
    fingerprint of one that the ssh-agent holds. NotFound, UsageError.
    """
    if given.split(" ")[0].startswith(("ssh-", "ecdsa-", "sk-")):
        return parse(given)[0]
    own = next((each for each in keyfiles.own_keys() if given in (each.name, each.key.fingerprint)), None)
    if own is not None:
        return own.key
    if given.startswith("SHA256:"):
        return _held(given).key
    path = Path(given).expanduser()
    if path.suffix != ".pub" and path.with_name(f"{path.name}.pub").exists():
        path = path.with_name(f"{path.name}.pub")
    if not path.exists():
        raise NotFound(f"{given[:80]!r} is neither a key nor a file of one", hint="as in `themis key trust bob.pub`")
    return keyfiles.read_public(path)


def _only(own: list[OwnKey], passphrase: Passphrase) -> KeySigner:
    if len(own) == 1:
        return keyfiles.load(own[0].path, passphrase)
    path = agent.socket_path() if not own else None
    held = agent.identities(path) if path is not None else []
    if path is not None and len(held) == 1:
        return AgentSigner(held[0].key, path)
    names = [each.name for each in own] or [f"{each.key.fingerprint} ({each.comment})" for each in held]
    if names:
        raise UsageError("say which key is to sign", hint=f"--key NAME; there are {', '.join(names[:8])}")
    raise NotFound("there is no key to sign with", hint="`themis key generate NAME` makes one; --key takes a path")


def _held(fingerprint: str) -> AgentSigner:
    """Return what signs with the key that the ssh-agent holds. NotFound."""
    path = agent.socket_path()
    for each in agent.identities(path) if path is not None else ():
        if path is not None and each.key.fingerprint == fingerprint:
            return AgentSigner(each.key, path)
    where = "no ssh-agent is running" if path is None else "the ssh-agent does not hold it"
    raise NotFound(f"no private key for {fingerprint}: {where}", hint="`ssh-add` gives a key to the agent")
