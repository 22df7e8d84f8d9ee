"""The exceptions that themis raises, grouped by what the caller would do about them.

    ThemisError
    ├── UsageError               change the command or the call                 exit 2
    │   ├── ConfigurationError   change the experiment; lists every problem
    │   └── FingerprintError     change the component, or let it declare its fingerprint
    ├── NoStore                  create a store or name another one             exit 10
    ├── NotFound                 name something that exists                     exit 11
    │   ├── ObjectNotFound
    │   └── RevisionNotFound
    ├── MissingReference         store what the object refers to, then it       exit 1
    ├── RefConflict              look at what moved, then repeat                exit 12
    ├── Rejected                 fetch what is there, or insist                 exit 12
    ├── NotVerified              ask for a signature, or trust who has signed   exit 3
    ├── StoreBusy                wait for the other writer, then repeat         exit 13
    ├── Corrupt                  run fsck; get the object from another store    exit 14
    │   ├── DecodingError        bytes that are no canonical object
    │   ├── WrongKind            an object of another kind than its referrer says
    │   ├── DamagedSignature     a signature that is none; get it again
    │   └── MalformedPack        a pack or a bundle that is not whole; get it again
    ├── RemoteError              mend the connection or the credentials         exit 15
    │   └── ProviderError        what a model provider did wrong, and whether to try again
    ├── FormatError              use a newer themis                             exit 16
    ├── StorageError             make space, or make the store writable         exit 1
    └── DataError                mend the input at the place that it names      exit 1
        └── EncodingError        a value that has no canonical encoding

Every exception carries a stable `code` and may carry a `hint`. This module imports nothing.
"""

from __future__ import annotations

from collections.abc import Sequence


class ThemisError(Exception):
    """Any failure that themis foresees."""

    code = "failure"
    exit_status = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ThemisError):
    """A call or a command that cannot be meant."""

    code = "usage"
    exit_status = 2


class ConfigurationError(UsageError):
    """An experiment that cannot be compiled; `problems` lists all of them as (path, what)."""

    code = "configuration"

    def __init__(self, source: str, problems: Sequence[tuple[str, str]], *, hint: str | None = None) -> None:
        lines = [f"{path}: {what}" if path else what for path, what in problems]
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        super().__init__(f"{source}: {count}\n" + "\n".join(f"  {line}" for line in lines), hint=hint)
        self.source = source
        self.problems = list(problems)


class FingerprintError(UsageError):
    """A component whose identity cannot be computed from its code and its attributes."""

    code = "fingerprint"


class NoStore(ThemisError):
    """There is no store where one was looked for."""

    code = "no-store"
    exit_status = 10


class NotFound(ThemisError):
    """A name, revision or object that does not exist here."""

    code = "not-found"
    exit_status = 11


class ObjectNotFound(NotFound):
    """An object that the store does not hold; `oid` names it."""

    code = "object-not-found"

    def __init__(self, oid: bytes, *, hint: str | None = None) -> None:
        super().__init__(f"object {oid.hex()} is not in this store", hint=hint)
        self.oid = oid


class RevisionNotFound(NotFound):
    """A revision that names nothing, or more than one thing."""

    code = "revision-not-found"


class MissingReference(ThemisError):
    """An object that refers to one which is not in the store, so it cannot enter; `oid` is missing, `user` needs it."""

    code = "missing-reference"

    def __init__(self, oid: bytes, user: bytes | None) -> None:
        who = f"object {user.hex()}" if user is not None else "a ref or an index"
        super().__init__(
            f"{who} refers to object {oid.hex()}, which is not in this store",
            hint="store the objects that are referred to first",
        )
        self.oid, self.user = oid, user


class RefConflict(ThemisError):
    """A ref was not where the caller last saw it; nothing was changed."""

    code = "ref-conflict"
    exit_status = 12

    def __init__(self, name: str, expected: bytes | None, actual: bytes | None) -> None:
        def show(oid: bytes | None) -> str:
            return oid.hex()[:12] if oid is not None else "absent"

        super().__init__(
            f"ref {name} moved: expected {show(expected)}, found {show(actual)}",
            hint="another process updated it; repeat the command to work from its result",
        )
        self.name, self.expected, self.actual = name, expected, actual


class Rejected(ThemisError):
    """Refs that would lose runs if they moved, or are not signed as is required; nothing was moved.

    `refs` lists them as (name, why).
    """

    code = "rejected"
    exit_status = 12

    def __init__(self, target: str, refs: Sequence[tuple[str, str]], *, hint: str | None = None) -> None:
        super().__init__(f"{target}: rejected\n" + "\n".join(f"  {name}: {why}" for name, why in refs), hint=hint)
        self.refs = list(refs)


class NotVerified(ThemisError):
    """Something that nobody who is trusted has signed."""

    code = "not-verified"
    exit_status = 3


class StoreBusy(ThemisError):
    """Another process holds the write lock longer than we are willing to wait."""

    code = "busy"
    exit_status = 13


class Corrupt(ThemisError):
    """Bytes that are not what their name or their checksum says; `oid` or `ref` names them where known."""

    code = "corrupt"
    exit_status = 14

    def __init__(
        self, message: str, *, oid: bytes | None = None, ref: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint or "run `themis fsck` to see what is damaged and who uses it")
        self.oid, self.ref = oid, ref


class DecodingError(Corrupt):
    """Bytes that are not the canonical encoding of an object; `reason` says what is wrong with them."""

    code = "decoding"

    def __init__(self, reason: str, *, oid: bytes | None = None, ref: str | None = None) -> None:
        super().__init__(f"malformed object: {reason}", oid=oid, ref=ref)
        self.reason = reason


class WrongKind(Corrupt):
    """An object that is intact, but not of the kind that was asked for; `user` says what asks for it, where known."""

    code = "wrong-kind"

    def __init__(self, expected: str, actual: str, *, oid: bytes | None = None, user: str = "") -> None:
        where = f"{user} refers to object {oid.hex()}: " if user and oid is not None else ""
        super().__init__(f"{where}expected an object of kind {expected}, found a {actual}", oid=oid)
        self.expected, self.actual = expected, actual


class DamagedSignature(Corrupt):
    """A signature, or what holds one, that is not what its format says, or not of its key over what it states."""

    code = "damaged-signature"


class MalformedPack(Corrupt):
    """A pack or a bundle that is not what its format says, at byte `offset`; nothing of it was stored."""

    code = "malformed-pack"

    def __init__(self, source: str, offset: int, reason: str, *, oid: bytes | None = None) -> None:
        super().__init__(
            f"{source}: at byte {offset:,}: {reason}",
            oid=oid,
            hint="nothing of it was stored; get it again from where it comes from",
        )
        self.offset, self.reason = offset, reason


class RemoteError(ThemisError):
    """A server or a model provider that does not answer as it must; `failure` is the code of what failed there."""

    code = "remote"
    exit_status = 15
    failure: str | None = None


class ProviderError(RemoteError):
    """A model provider that refused, failed, or answered with something that is no answer.

    `category` is one of "rate_limited", "server_error", "timeout", "connection", "incomplete", "malformed",
    "too_large", "rejected", "credentials". `retryable` says whether the same call may succeed later, not before
    `retry_after` seconds where the provider asked for that. `status` is the HTTP status, if there was an answer.
    """

    code = "provider"

    def __init__(
        self,
        message: str,
        *,
        category: str,
        retryable: bool,
        status: int | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.category = category
        self.retryable = retryable
        self.status = status
        self.retry_after = retry_after


class FormatError(ThemisError):
    """A store or an object of a format that this version does not know."""

    code = "unknown-format"
    exit_status = 16


class StorageError(ThemisError):
    """The medium refused: full, read-only, no permission, an input/output error."""

    code = "storage"


class DataError(ThemisError):
    """Input that is malformed at a named place."""

    code = "data"


class EncodingError(DataError):
    """A value outside the canonical encoding; `path` is the way to it, such as `$.input.options[3]`."""

    code = "encoding"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


def unreadable(path: object, error: OSError) -> ThemisError:
    """Return what to raise for a file that a person named and that cannot be read: NotFound if it is not there."""
    if isinstance(error, FileNotFoundError):
        return NotFound(f"there is no file {path}")
    return StorageError(f"cannot read {path}: {error.strerror}")
