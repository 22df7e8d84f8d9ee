"""What an error of LMDB means: damage, a medium that refuses, or no space; and whether writing may go on after it."""

from __future__ import annotations

import errno
from pathlib import Path

import lmdb

from themis_vcs.errors import Corrupt, StorageError, ThemisError

_DAMAGE = (
    lmdb.CorruptedError,
    lmdb.PageNotFoundError,
    lmdb.InvalidError,
    lmdb.VersionMismatchError,
    lmdb.IncompatibleError,
    lmdb.NotFoundError,
    lmdb.PanicError,
    lmdb.CursorFullError,
    lmdb.PageFullError,
    lmdb.BadValsizeError,
    lmdb.BadDbiError,
    # A transaction that met a damaged page before.
    lmdb.BadTxnError,
    lmdb.ProblemError,
)
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def translate(error: lmdb.Error, directory: Path, *, full: bool = False) -> ThemisError:
    """Return the exception to raise for an error of LMDB; `full`: the disk has no space left."""
    code = getattr(error, "code", 0)
    if isinstance(error, lmdb.DiskError) or code == errno.ENOSPC or (full and not isinstance(error, _DAMAGE)):
        return StorageError(
            f"{directory}: no space left on the device; nothing of this was stored",
            hint="make space, then repeat the command",
        )
    if isinstance(error, _DAMAGE):
        return Corrupt(f"{directory}: the tables are damaged: {error}")
    if isinstance(error, lmdb.ReadersFullError):
        return StorageError(
            f"{directory}: every reader slot is taken", hint="too many processes read this store at once"
        )
    if isinstance(error, lmdb.ReadonlyError) or code in _REFUSED:
        return StorageError(f"{directory} cannot be written: {error}", hint="check its owner and the mount options")
    return StorageError(f"{directory}: {error}", hint="run `themis fsck`, then repeat the command")


def poisons(error: lmdb.Error, *, full: bool) -> bool:
    """Say whether a handle must write no more after `error` at a write or a commit (STORE-11).

    A failed sync may leave pages that look written and are not, so only causes known to be harmless are let pass.
    """
    if isinstance(error, (lmdb.DiskError, lmdb.ReadonlyError, lmdb.TxnFullError)):
        return False
    return not (full and not isinstance(error, _DAMAGE))
