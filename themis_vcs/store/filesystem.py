"""Which file systems can hold a store: not those whose memory maps and locks are not coherent (STORE-4)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from themis_vcs.errors import StorageError

FORCE: Final = "THEMIS_UNSAFE_FILESYSTEM"
_MOUNTS = Path("/proc/self/mountinfo")
_REFUSED = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse"})


def check(directory: Path, *, force: bool = False) -> None:
    """Refuse a directory on a network or FUSE file system, unless `force` or THEMIS_UNSAFE_FILESYSTEM=1."""
    if force or os.environ.get(FORCE) == "1":
        return
    try:
        mounts = _MOUNTS.read_text("utf-8", "surrogateescape")
    except OSError:
        return
    kind = kind_of(directory, mounts)
    if kind in _REFUSED or kind.startswith("fuse."):
        raise StorageError(
            f"{directory} is on a {kind} file system, where LMDB loses data",
            hint=f"put the store on a local disk, or set {FORCE}=1 if only one machine ever uses it",
        )


def kind_of(directory: Path, mounts: str) -> str:
    """Return the type of the file system that holds `directory`, "" if unknown; `mounts` as in proc(5), mountinfo."""
    path = os.path.realpath(directory)
    best, kind = -1, ""
    for line in mounts.splitlines():
        left, separator, right = line.partition(" - ")
        fields = left.split()
        if not separator or len(fields) < 5 or not right:
            continue
        point = fields[4].encode("utf-8", "surrogateescape").decode("unicode_escape", "replace")
        covers = point == "/" or path == point or path.startswith(point.rstrip("/") + "/")
        # A later line of the same mount point lies on top of the earlier one.
        if covers and len(point) >= best:
            best, kind = len(point), right.split()[0]
    return kind
