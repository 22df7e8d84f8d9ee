"""The command that has a store answer at the other end of ssh."""

from __future__ import annotations

import os
import shlex
from typing import Final

from themis_vcs.store.address import Address
from themis_vcs.transfer.pipe import Pipe

VARIABLE: Final = "THEMIS_SSH_COMMAND"
"""The environment variable with the command to use in place of `ssh`, and options for it."""
_OPTIONS: Final = (
    "BatchMode=yes",
    "ConnectTimeout=20",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
)


def command(address: Address, themis: str = "themis") -> list[str]:
    """Return the words of the command. `themis` is what starts themis there.

    Nothing of an address can be an option: `address.parse` refuses what begins with "-", and "--" ends the options. The
    shell at the other end gets the path as one quoted word.
    """
    words = shlex.split(os.environ.get(VARIABLE) or "ssh")
    for option in _OPTIONS:
        words += ["-o", option]
    if address.port is not None:
        words += ["-p", str(address.port)]
    destination = f"{address.user}@{address.host}" if address.user else address.host
    return [*words, "-T", "--", destination, f"{themis} serve --stdio {shlex.quote(address.path)}"]


def connect(address: Address, name: str, themis: str = "themis") -> Pipe:
    """Begin a conversation. RemoteError says what ssh said."""
    return Pipe(command(address, themis), name)
