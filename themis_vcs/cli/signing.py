"""What the commands about keys and signatures have in common: their options, passphrases, and how signers are shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

from themis_vcs.cli.output import Part, bold, colored, dim
from themis_vcs.cli.wording import local
from themis_vcs.errors import UsageError

if TYPE_CHECKING:
    from themis_vcs.signing.keys import KeySigner
    from themis_vcs.signing.verify import Checked

F = TypeVar("F", bound=Callable[..., Any])
COMMAND: Final = "THEMIS_PASSPHRASE_COMMAND"
_SECONDS: Final = 60
_LONGEST: Final = 4_096


def trust_option(function: F) -> F:
    """`--trust FILE`, as the parameter `trust`."""
    return click.option(
        "--trust",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The trust file. Without it: THEMIS_TRUST, else trust.toml in ~/.config/themis.",
    )(function)


def required_options(function: F) -> F:
    """`--require-signed` and `--trust`, as the parameters `require_signed` and `trust`."""
    return click.option(
        "--require-signed",
        metavar="PATTERN",
        multiple=True,
        help="Move nothing unless the names and tags that PATTERN fits are signed by a trusted key. Repeatable.",
    )(trust_option(function))


class KeyChoice(NamedTuple):
    """What `key_options` gives."""

    key: str | None
    passphrase_file: Path | None

    @property
    def made(self) -> bool:
        """Whether one of the options was given."""
        return self != (None, None)

    def signer(self) -> KeySigner:
        """What signs with the key that is meant."""
        from themis_vcs.signing.keys import signer

        return signer(self.key, passphrase(self.passphrase_file))


def key_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--key` and `--passphrase-file`, together as the parameter `choice`."""

    @wraps(function)
    def command(*given: Any, key: str | None, passphrase_file: Path | None, **others: Any) -> Any:
        return function(*given, choice=KeyChoice(key, passphrase_file), **others)

    return click.option(
        "--key",
        metavar="KEY",
        help="Sign with this key: its name, its fingerprint, or the path of an OpenSSH key. Without it: THEMIS_KEY, "
        "else the only one there is.",
    )(passphrase_option(command))


def passphrase_option(function: F) -> F:
    """`--passphrase-file`, as the parameter `passphrase_file`."""
    return click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help=f"The file whose first line is the passphrase of the key. Without it: what {COMMAND} prints, else the "
        "terminal is asked.",
    )(function)


def passphrase(file: Path | None) -> Callable[[str], bytes]:
    """What gives the passphrase of a key: a file, a command, or the person."""

    def given(what: str) -> bytes:
        found = _without_asking(file)
        return _asked(f"passphrase of {what}") if found is None else found

    return given


def new_passphrase(file: Path | None) -> bytes:
    """The passphrase of a key that is about to be made. UsageError where nobody can be asked."""
    found = _without_asking(file)
    if found is None:
        found = _asked("passphrase of the new key (empty for none)")
        if found and found != _asked("the same again"):
            raise UsageError("these were two different passphrases")
    elif not found:
        raise UsageError("the passphrase is empty", hint="--no-passphrase makes a key without one")
    return found


def said_by(found: Checked) -> list[Part]:
    """Who has signed, when, and with which sequence."""
    when = "" if found.time is None else local_time(found.time)
    return [bold(found.signer or "unknown key"), f"  {when}  ", dim(f"{found.key}  sequence {found.sequence}")]


def local_time(time: int) -> str:
    """A time in ns since 1970, in the time zone of this machine."""
    from themis_vcs.analysis.moment import moment

    return local(moment(time))


def refused(found: Checked) -> list[Part]:
    """Why a signature does not count."""
    who = found.signer or found.key or found.ref
    return [colored(found.code, "red"), f"  {who}: {found.reason}"]


def _without_asking(file: Path | None) -> bytes | None:
    if file is not None:
        try:
            with file.open("rb") as opened:
                return opened.readline(_LONGEST).rstrip(b"\r\n")
        except OSError as error:
            raise UsageError(f"the passphrase cannot be read from {file}: {error.strerror}") from error
    command = os.environ.get(COMMAND)
    return _printed(command) if command else None


def _printed(command: str) -> bytes:
    from themis_vcs.transfer.credentials import printed

    return printed(command, COMMAND, _SECONDS)[:_LONGEST].split(b"\n")[0].rstrip(b"\r")


def _asked(what: str) -> bytes:
    import getpass

    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        hint = f"--passphrase-file FILE or {COMMAND} gives it without one"
        raise UsageError(f"there is no terminal to ask for the {what}", hint=hint) from None
    os.close(descriptor)
    try:
        return getpass.getpass(f"{what}: ").encode()
    except EOFError:
        raise click.Abort from None
